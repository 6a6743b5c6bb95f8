//! Latencies, and their percentiles.

use std::time::Duration;

use serde_json::{Value, json};

/// Latencies in microseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Latencies {
    sorted_us: Vec<u32>,
}

impl Latencies {
    /// Returns these latencies; one above 71 minutes counts as that.
    pub(super) fn of(durations: impl IntoIterator<Item = Duration>) -> Latencies {
        let us = |duration: Duration| u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
        let mut sorted_us: Vec<u32> = durations.into_iter().map(us).collect();
        sorted_us.sort_unstable();
        Latencies { sorted_us }
    }

    /// Returns them as JSON; `of` says what they are those of.
    pub(super) fn report(&self, of: &str) -> Value {
        json!({
            "of": of,
            "samples": self.sorted_us.len(),
            "p50": self.percentile_ms(50.0),
            "p99": self.percentile_ms(99.0),
            "max": self.percentile_ms(100.0),
        })
    }

    /// Returns the smallest latency that `percent` of all do not exceed, in milliseconds; none if there are none.
    pub(super) fn percentile_ms(&self, percent: f64) -> Option<f64> {
        let rank = (percent / 100.0 * self.sorted_us.len() as f64).ceil() as usize;
        let us = self.sorted_us.get(rank.max(1) - 1).or(self.sorted_us.last())?;
        Some(f64::from(*us) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_latency_that_so_many_do_not_exceed() {
        let latencies = Latencies::of((1..=100).rev().map(Duration::from_millis));
        assert_eq!(latencies.percentile_ms(50.0), Some(50.0));
        assert_eq!(latencies.percentile_ms(99.0), Some(99.0));
        assert_eq!(latencies.percentile_ms(100.0), Some(100.0));
        assert_eq!(Latencies::of([Duration::from_millis(7)]).percentile_ms(99.0), Some(7.0));
        assert_eq!(Latencies::default().percentile_ms(50.0), None);
    }
}
