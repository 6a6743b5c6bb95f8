//! Times and durations for people.

use std::time::{SystemTime, UNIX_EPOCH};

use cantus_api::time::Instant;
use clap::ValueEnum;

/// How times are printed in tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimeStyle {
    /// `3m ago`, `in 5s`
    Relative,
    /// RFC 3339
    Iso,
}

/// Returns the time now in milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns a time as seen from now: `3m ago`, `in 5s`. What is no time stays as it is.
pub(crate) fn relative(timestamp: &str, now_ms: i64) -> String {
    let Ok(instant) = Instant::parse(timestamp) else { return timestamp.to_owned() };
    let past = now_ms.saturating_sub(instant.unix_ms());
    if past.unsigned_abs() < 1000 {
        return "now".to_owned();
    }
    let length = rough(past.unsigned_abs());
    if past > 0 { format!("{length} ago") } else { format!("in {length}") }
}

/// Returns a length of time as one or two units: `3m`, `2d 4h`.
fn rough(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    match small {
        0 => format!("{large}{large_unit}"),
        _ => format!("{large}{large_unit} {small}{small_unit}"),
    }
}

/// Returns a duration: `12ms`, `1.25s`, `3m 20s`, `2h 5m`.
pub(crate) fn duration_ms(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms}ms"),
        1000..60_000 => {
            let text = format!("{}.{:03}", ms / 1000, ms % 1000);
            format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
        }
        60_000..3_600_000 => two(ms / 60_000, "m", ms % 60_000 / 1000, "s"),
        _ => two(ms / 3_600_000, "h", ms % 3_600_000 / 60_000, "m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seen_from_now() {
        let now = Instant::parse("2026-01-02T00:00:00Z").unwrap().unix_ms();
        for (time, expected) in [
            ("2026-01-02T00:00:00.400Z", "now"),
            ("2026-01-01T23:59:57Z", "3s ago"),
            ("2026-01-01T23:50:30Z", "9m ago"),
            ("2026-01-01T21:30:00Z", "2h 30m ago"),
            ("2025-12-30T00:00:00Z", "3d ago"),
            ("2026-01-02T00:00:05Z", "in 5s"),
            ("never", "never"),
        ] {
            assert_eq!(relative(time, now), expected, "{time}");
        }
    }

    #[test]
    fn durations_have_the_units_they_need() {
        for (ms, expected) in [
            (0, "0ms"),
            (812, "812ms"),
            (1000, "1s"),
            (1250, "1.25s"),
            (200_000, "3m 20s"),
            (7_500_000, "2h 5m"),
        ] {
            assert_eq!(duration_ms(ms), expected);
        }
    }
}
