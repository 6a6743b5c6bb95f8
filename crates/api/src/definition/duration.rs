//! Durations as text: `250ms`, `1s`, `30m`, `2h`, `30d`, or several in falling order such as `1h30m`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A length of time in whole milliseconds, from 0 to 36,500 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Duration {
    millis: u64,
}

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    /// Nothing stands there.
    #[error("an empty text is no duration; write a number and a unit, such as 30s")]
    Empty,
    /// It begins with a minus.
    #[error("a duration can not be negative; write it without the minus")]
    Negative,
    /// A number without its unit.
    #[error("`{0}` has no unit; write {0}s, {0}m, {0}h or {0}d (units: ms s m h d)")]
    NoUnit(String),
    /// A fraction.
    #[error("`{0}` is a fraction; write a whole number of a smaller unit, such as 1500ms")]
    Fraction(String),
    /// A unit we do not know.
    #[error("`{0}` is no unit of time; the units are ms s m h d")]
    Unit(String),
    /// Units repeated or not in falling order.
    #[error("the units of a duration go from the longest to the shortest, each once, such as 1h30m")]
    Order,
    /// Longer than 36,500 days.
    #[error("a duration can not be longer than 36500d; write a shorter one")]
    TooLong,
    /// Anything else.
    #[error("`{0}` is no duration; write a number and a unit, such as 250ms, 30s, 5m, 2h or 30d")]
    NoDuration(String),
}

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const MAX_MILLIS: u64 = 36_500 * 86_400_000;

impl Duration {
    /// No time at all.
    pub const ZERO: Self = Self { millis: 0 };

    /// Returns the duration of so many milliseconds, at most 36,500 days.
    pub const fn from_millis(millis: u64) -> Self {
        Self { millis: if millis > MAX_MILLIS { MAX_MILLIS } else { millis } }
    }

    /// Returns the duration of so many seconds, at most 36,500 days.
    pub const fn from_secs(secs: u64) -> Self {
        Self::from_millis(secs.saturating_mul(1_000))
    }

    /// Reads text such as `250ms`, `30m` or `1h30m`.
    pub fn parse(text: &str) -> Result<Self, InvalidDuration> {
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(InvalidDuration::Empty);
        }
        if rest.starts_with('-') {
            return Err(InvalidDuration::Negative);
        }
        let mut millis: u64 = 0;
        let mut longest = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return Err(InvalidDuration::NoDuration(shown(text)));
            }
            let (number, after) = rest.split_at(digits);
            if after.starts_with(['.', ',']) {
                return Err(InvalidDuration::Fraction(shown(text)));
            }
            let after = after.trim_start();
            let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
            let (unit, tail) = after.split_at(letters);
            if unit.is_empty() && tail.is_empty() {
                return Err(InvalidDuration::NoUnit(shown(number)));
            }
            if unit.is_empty() {
                return Err(InvalidDuration::NoDuration(shown(text)));
            }
            let place = UNITS
                .iter()
                .position(|(name, _)| *name == unit)
                .ok_or_else(|| InvalidDuration::Unit(shown(unit)))?;
            if place < longest {
                return Err(InvalidDuration::Order);
            }
            longest = place + 1;
            let number: u64 = number.parse().map_err(|_| InvalidDuration::TooLong)?;
            millis = number
                .checked_mul(UNITS[place].1)
                .and_then(|part| millis.checked_add(part))
                .filter(|sum| *sum <= MAX_MILLIS)
                .ok_or(InvalidDuration::TooLong)?;
            rest = tail.trim_start();
        }
        Ok(Self { millis })
    }

    /// Returns the length in milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.millis
    }

    /// Tells whether no time passes at all.
    pub const fn is_zero(self) -> bool {
        self.millis == 0
    }
}

fn shown(text: &str) -> String {
    text.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.millis == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.millis;
        for (unit, size) in UNITS {
            if rest >= size {
                write!(f, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for Duration {
    type Error = InvalidDuration;
    fn try_from(text: String) -> Result<Self, InvalidDuration> {
        Self::parse(&text)
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> String {
        duration.to_string()
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        Self::from_millis(duration.millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_in_the_same_words() {
        for (text, millis) in [
            ("250ms", 250),
            ("1s", 1_000),
            ("30m", 1_800_000),
            ("2h", 7_200_000),
            ("30d", 2_592_000_000),
            ("1h30m", 5_400_000),
            ("0s", 0),
        ] {
            let duration = Duration::parse(text).unwrap();
            assert_eq!(duration.as_millis(), millis, "{text}");
            assert_eq!(duration.to_string(), text);
        }
        assert_eq!(Duration::parse(" 30 s ").unwrap(), Duration::from_secs(30));
        assert_eq!(Duration::parse("90s").unwrap().to_string(), "1m30s");
    }

    #[test]
    fn what_is_no_duration_is_refused_with_what_to_write() {
        let refused = |text: &str| Duration::parse(text).unwrap_err();
        assert_eq!(refused(""), InvalidDuration::Empty);
        assert_eq!(refused("-5s"), InvalidDuration::Negative);
        assert_eq!(refused("30"), InvalidDuration::NoUnit("30".into()));
        assert_eq!(refused("1.5s"), InvalidDuration::Fraction("1.5s".into()));
        assert_eq!(refused("3 weeks"), InvalidDuration::Unit("weeks".into()));
        assert_eq!(refused("5m1h"), InvalidDuration::Order);
        assert_eq!(refused("1s1s"), InvalidDuration::Order);
        assert_eq!(refused("99999999999999999999999s"), InvalidDuration::TooLong);
        assert_eq!(refused("40000d"), InvalidDuration::TooLong);
        assert_eq!(refused("soon"), InvalidDuration::NoDuration("soon".into()));
    }
}
