//! Rates as text: `20/s`, `600/m`, `1000/h`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Duration;

/// So many per second, minute or hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    count: u32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
    Hour,
}

const UNITS: [(&str, Unit); 3] = [("s", Unit::Second), ("m", Unit::Minute), ("h", Unit::Hour)];

/// A text that is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no rate; write a whole number from 1 to 1000000 and a unit, such as 20/s, 600/m or 1000/h")]
pub struct InvalidRate(String);

impl Rate {
    /// The most there may be per unit.
    pub const MAX_COUNT: u32 = 1_000_000;

    /// Reads text such as `20/s`.
    ///
    /// # Errors
    ///
    /// When it is no whole number within bounds, a slash, and `s`, `m` or `h`.
    pub fn parse(text: &str) -> Result<Self, InvalidRate> {
        let invalid = || {
            InvalidRate(text.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect())
        };
        let (count, unit) = text.trim().split_once('/').ok_or_else(invalid)?;
        let (count, unit) = (count.trim_end(), unit.trim_start());
        let digits = count.bytes().all(|byte| byte.is_ascii_digit());
        let count: u32 = Some(count).filter(|_| digits).and_then(|it| it.parse().ok()).ok_or_else(invalid)?;
        let unit = UNITS.into_iter().find_map(|(name, known)| (name == unit).then_some(known));
        match unit {
            Some(unit) if (1..=Self::MAX_COUNT).contains(&count) => Ok(Self { count, unit }),
            _ => Err(invalid()),
        }
    }

    /// Returns how many.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Returns per which span.
    pub const fn per(self) -> Duration {
        Duration::from_secs(match self.unit {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3_600,
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find_map(|(name, unit)| (*unit == self.unit).then_some(*name));
        write!(f, "{}/{}", self.count, unit.unwrap_or_default())
    }
}

impl TryFrom<String> for Rate {
    type Error = InvalidRate;
    fn try_from(text: String) -> Result<Self, InvalidRate> {
        Self::parse(&text)
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> String {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_written_in_the_same_words() {
        for (text, count, seconds) in [("20/s", 20, 1), ("600/m", 600, 60), ("1/h", 1, 3_600)] {
            let rate = Rate::parse(text).unwrap();
            assert_eq!((rate.count(), rate.per()), (count, Duration::from_secs(seconds)));
            assert_eq!(rate.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_rate_is_refused_with_what_to_write() {
        for text in
            ["", "20", "20/", "/s", "0/s", "-1/s", "+1/s", "1.5/s", "20/d", "1000001/s", "99999999999/s"]
        {
            assert!(Rate::parse(text).unwrap_err().to_string().contains("such as 20/s"), "{text}");
        }
    }
}
