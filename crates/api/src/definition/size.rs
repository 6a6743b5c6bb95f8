//! Sizes in bytes: a whole number, or text such as `64KiB`, `1MiB`, `8MB`.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// A number of bytes, from 1 to 1 TiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// A value that is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSize {
    /// No number with a unit we know.
    #[error("`{0}` is no size; write bytes as a number, or a number with KiB, MiB, GiB, KB, MB or GB")]
    NoSize(String),
    /// Zero, or more than 1 TiB.
    #[error("a size is at least 1 byte and at most 1024GiB")]
    OutOfBounds,
}

const UNITS: [(&str, u64); 7] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("b", 1),
];

impl Size {
    /// Returns the size of so many bytes.
    pub fn new(bytes: u64) -> Result<Self, InvalidSize> {
        if bytes == 0 || bytes > 1 << 40 {
            return Err(InvalidSize::OutOfBounds);
        }
        Ok(Self(bytes))
    }

    /// Reads text such as `64KiB`.
    pub fn parse(text: &str) -> Result<Self, InvalidSize> {
        let none = || InvalidSize::NoSize(text.chars().take(40).collect());
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim().to_ascii_lowercase();
        let factor = if unit.is_empty() {
            1
        } else {
            UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(none)?.1
        };
        if digits == 0 {
            return Err(none());
        }
        let number: u64 = number.parse().map_err(|_| InvalidSize::OutOfBounds)?;
        Self::new(number.checked_mul(factor).ok_or(InvalidSize::OutOfBounds)?)
    }

    /// Returns the number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, factor) in [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
            if self.0.is_multiple_of(factor) {
                return write!(f, "{}{unit}", self.0 / factor);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrText;
        impl Visitor<'_> for NumberOrText {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of bytes or text such as 64KiB")
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                Size::new(bytes).map_err(E::custom)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                Size::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(NumberOrText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_of_bytes_or_text_with_a_unit() {
        assert_eq!(Size::parse("64KiB").unwrap().bytes(), 65_536);
        assert_eq!(Size::parse("8 MB").unwrap().bytes(), 8_000_000);
        assert_eq!(Size::parse("123").unwrap().bytes(), 123);
        assert_eq!(Size::parse("1MiB").unwrap().to_string(), "1MiB");
        assert_eq!(serde_json::from_str::<Size>("1024").unwrap().to_string(), "1KiB");
    }

    #[test]
    fn what_is_no_size_is_refused() {
        assert_eq!(Size::parse("0"), Err(InvalidSize::OutOfBounds));
        assert_eq!(Size::parse("99999999999999999999"), Err(InvalidSize::OutOfBounds));
        assert_eq!(Size::parse("9999999999GiB"), Err(InvalidSize::OutOfBounds));
        assert!(matches!(Size::parse("a lot"), Err(InvalidSize::NoSize(_))));
        assert!(matches!(Size::parse("5 parsec"), Err(InvalidSize::NoSize(_))));
    }
}
