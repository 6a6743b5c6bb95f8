//! The rate: how many attempts may begin in a span of log time. A token bucket, kept as one number.
//!
//! The bucket holds what comes in during a tenth of a second, at least one. So a rate is a pace, not a burst that a
//! rest allows: within any window begin at most as many attempts as the rate says, and one bucket more.

use minicbor::{Decode, Encode};

use crate::time::{Span, Timestamp};

/// How much of the rate a rested bucket holds, in microseconds.
const BUCKET_MICROS: u64 = 100_000;

/// So many attempts per span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Rate {
    /// How many; at least one.
    #[n(0)]
    pub count: u32,
    /// Per which span; at least a millisecond.
    #[n(1)]
    pub per: Span,
}

impl Rate {
    /// Returns how many attempts that is in a minute, at least one.
    pub fn per_minute(self) -> u64 {
        (u64::from(self.count) * 60_000 / self.per.0.max(1)).max(1)
    }

    /// How many microseconds one attempt takes up, at least one.
    fn interval(self) -> u64 {
        (self.per.0.saturating_mul(1_000) / u64::from(self.count.max(1))).max(1)
    }

    /// How far, in microseconds, the bucket may be drawn ahead of time.
    fn ahead(self) -> u64 {
        BUCKET_MICROS.saturating_sub(self.interval())
    }

    /// Returns when the next attempt may begin. `drawn` is up to when, in microseconds of log time, the attempts so far
    /// take the bucket up.
    pub fn free_at(self, drawn: u64) -> Timestamp {
        let free = drawn.saturating_sub(self.ahead()).div_ceil(1_000);
        Timestamp(i64::try_from(free).unwrap_or(i64::MAX))
    }

    /// Returns up to when the bucket is taken up once one more attempt has begun.
    pub(crate) fn draw(self, drawn: Option<u64>, now: Timestamp) -> u64 {
        let now = u64::try_from(now.0).unwrap_or_default().saturating_mul(1_000);
        drawn.unwrap_or_default().max(now).saturating_add(self.interval())
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.per.0 {
            1_000 => write!(f, "{}/s", self.count),
            60_000 => write!(f, "{}/m", self.count),
            3_600_000 => write!(f, "{}/h", self.count),
            per => write!(f, "{}/{per}ms", self.count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins attempts as early as they may, for so long; returns when they began.
    fn begun(rate: Rate, for_ms: i64) -> Vec<i64> {
        let (mut drawn, mut times) = (None, Vec::new());
        let mut now = 1_000_000;
        loop {
            now = drawn.map_or(now, |drawn| rate.free_at(drawn).0.max(now));
            if now >= 1_000_000 + for_ms {
                return times;
            }
            times.push(now);
            drawn = Some(rate.draw(drawn, Timestamp(now)));
        }
    }

    #[test]
    fn a_rate_is_kept_within_one_bucket_in_any_window() {
        for (count, per) in [(20, 1_000), (1, 1_000), (5_000, 1_000), (7, 60_000), (100, 3_600_000)] {
            let rate = Rate { count, per: Span(per) };
            let times = begun(rate, 10 * per as i64);
            let bucket = (f64::from(count) * 100.0 / per as f64).ceil().max(1.0) as usize;
            assert!(times.len() >= 10 * count as usize - 1, "{rate}: {}", times.len());
            for (first, from) in times.iter().enumerate() {
                let within = times[first..].iter().take_while(|at| **at < from + per as i64).count();
                assert!(within <= count as usize + bucket, "{rate}: {within} within {per} ms");
            }
        }
    }

    #[test]
    fn a_rest_does_not_save_up_more_than_a_bucket() {
        let rate = Rate { count: 20, per: Span::seconds(1) };
        let mut drawn = Some(rate.draw(None, Timestamp(0)));
        let mut at_once = 0;
        while rate.free_at(drawn.unwrap_or_default()) <= Timestamp(3_600_000) {
            drawn = Some(rate.draw(drawn, Timestamp(3_600_000)));
            at_once += 1;
        }
        assert_eq!(at_once, 2);
    }
}
