//! How much one request may bring.

/// The limits on what is read. Each has a code of its own when it is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one event, as it came (`EVENT_TOO_LARGE`).
    pub event_bytes: usize,
    /// Events of one batch (`BATCH_TOO_LARGE`).
    pub batch_events: usize,
    /// Bytes of one batch (`BATCH_TOO_LARGE`).
    pub batch_bytes: usize,
    /// Levels of nested objects and arrays of one event, itself included (`JSON_TOO_DEEP`). Data may so be one level less deep.
    /// At most 510.
    pub depth: u32,
    /// Bytes of one attribute, name and value (`ATTRIBUTE_INVALID`).
    pub attribute_bytes: usize,
    /// Attributes of one event beside those in the table (`EVENT_INVALID`).
    pub extensions: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            event_bytes: 1 << 20,
            batch_events: 10_000,
            batch_bytes: 8 << 20,
            depth: 128,
            attribute_bytes: 4096,
            extensions: 128,
        }
    }
}

impl Limits {
    /// Returns the limits of a reader that trusts the writer: a client that reads what its server sends.
    pub fn generous() -> Limits {
        Limits {
            event_bytes: usize::MAX,
            batch_events: usize::MAX,
            batch_bytes: usize::MAX,
            depth: 500,
            attribute_bytes: usize::MAX,
            extensions: 100_000,
        }
    }
}
