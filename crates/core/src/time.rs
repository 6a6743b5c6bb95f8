//! Time as data: points in milliseconds since the Unix epoch, and spans between them.
//!
//! *Log time* is what a frame carries: it never goes back. Durations are measured in it.

use minicbor::{Decode, Encode};

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Timestamp(#[n(0)] pub i64);

impl Timestamp {
    /// The time that never comes.
    pub const NEVER: Timestamp = Timestamp(i64::MAX);

    /// Returns the time `span` later, or [`Timestamp::NEVER`] past the end of time.
    pub fn after(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(span.0).unwrap_or(i64::MAX)))
    }

    /// Returns how long ago `earlier` was; zero when it lies in the future.
    pub fn since(self, earlier: Timestamp) -> Span {
        Span(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// A length of time, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Span(#[n(0)] pub u64);

impl Span {
    /// Returns a span of whole seconds.
    pub const fn seconds(seconds: u64) -> Span {
        Span(seconds.saturating_mul(1_000))
    }

    /// Returns a span of whole minutes.
    pub const fn minutes(minutes: u64) -> Span {
        Span(minutes.saturating_mul(60_000))
    }

    /// Returns a span of whole hours.
    pub const fn hours(hours: u64) -> Span {
        Span(hours.saturating_mul(3_600_000))
    }
}
