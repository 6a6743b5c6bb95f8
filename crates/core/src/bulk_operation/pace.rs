//! How fast a bulk operation goes: so many items, then a rest.

use minicbor::{Decode, Encode};

use crate::time::Span;

/// No operation takes more items in a second.
const PER_SECOND_MAX: u64 = 10_000;
/// Items that would follow each other faster than this are taken several at a time.
const REST_MIN_MS: u64 = 10;

/// How fast a bulk operation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Pace {
    /// How many items are taken at once.
    #[n(0)]
    pub batch: u32,
    /// The rest before the next ones.
    #[n(1)]
    pub rest: Span,
}

/// A pace that can not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rate is at least one item in a day and at most {PER_SECOND_MAX} in a second")]
pub struct InvalidPace;

impl Pace {
    /// Returns the pace of at most `count` items in each `span`; rounded, it is slower, never faster.
    ///
    /// # Errors
    /// When it is slower than an item a day or faster than 10,000 a second.
    pub fn of(count: u64, span: Span) -> Result<Pace, InvalidPace> {
        let day = Span::hours(24).0;
        if count == 0 || span.0 == 0 || span.0 > count.saturating_mul(day) {
            return Err(InvalidPace);
        }
        if count.saturating_mul(1_000) > PER_SECOND_MAX.saturating_mul(span.0) {
            return Err(InvalidPace);
        }
        let batch = count.saturating_mul(REST_MIN_MS).div_ceil(span.0).max(1);
        let rest = batch.saturating_mul(span.0).div_ceil(count);
        Ok(Pace { batch: u32::try_from(batch).map_err(|_| InvalidPace)?, rest: Span(rest) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_never_faster_than_what_was_asked() {
        for (count, ms) in [
            (20, 1_000),
            (7, 1_000),
            (1, 60_000),
            (300, 1_000),
            (10_000, 1_000),
            (150, 1_000),
            (3, 86_400_000),
        ] {
            let pace = Pace::of(count, Span(ms)).expect("it can be");
            let (batch, rest) = (u64::from(pace.batch), pace.rest.0);
            assert!(batch * ms <= count * rest, "{count} in {ms} ms became {pace:?}");
            assert!(rest >= 10 || batch == 1, "{pace:?}");
        }
        assert_eq!(Pace::of(20, Span::seconds(1)), Ok(Pace { batch: 1, rest: Span(50) }));
    }

    #[test]
    fn a_pace_that_would_stall_or_flood_is_none() {
        for (count, ms) in [(0, 1_000), (1, 0), (1, 86_400_001), (10_001, 1_000), (u64::MAX, 1)] {
            assert_eq!(Pace::of(count, Span(ms)), Err(InvalidPace), "{count} in {ms}");
        }
    }
}
