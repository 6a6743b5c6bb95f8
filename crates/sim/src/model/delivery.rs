//! Where one delivery stands.

use cantus_core::ids::{DeadLetterId, Token};
use cantus_core::{Position, Timestamp};

/// A delivery that was leased, parked or replayed at least once.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) stage: Stage,
    /// How often it was leased.
    pub(crate) acquired: u32,
    /// How often it failed.
    pub(crate) failed: u32,
    /// The hash of its order key, as its last lease says.
    pub(crate) key: Option<u64>,
    /// Where it was leased first; 0 when it never was.
    pub(crate) first_leased: Position,
    pub(crate) replay_of: Option<DeadLetterId>,
}

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Parked or replayed.
    Waiting,
    Leased {
        token: Token,
        since: Timestamp,
        deadline: Timestamp,
    },
    /// Not before then.
    Retrying(Timestamp),
    Closed(End),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Acked,
    Dead,
    Expired,
}

impl Delivery {
    pub(crate) fn new(key: Option<u64>) -> Self {
        Self {
            stage: Stage::Waiting,
            acquired: 0,
            failed: 0,
            key,
            first_leased: Position(0),
            replay_of: None,
        }
    }

    /// Tells whether it is over.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed(_))
    }

    /// Tells whether its order key is busy with it.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.stage, Stage::Leased { .. } | Stage::Retrying(_))
    }
}
