//! The circuit breaker: `off`, or when it opens and how it probes.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{Duration, OutOfBounds};

/// When a subscription's breaker opens, and how it probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// Never.
    Off,
    /// After failures in a row.
    On(BreakerPolicy),
}

/// When a breaker opens, and how it probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerPolicy {
    /// It opens when so many distinct deliveries have failed in a row, 1 to 1000.
    pub failure_threshold: u32,
    /// How long it waits before its first probe, at least 1 ms.
    pub initial_pause: Duration,
    /// The longest pause between two probes; each is twice the one before.
    pub max_pause: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            initial_pause: Duration::from_secs(1),
            max_pause: Duration::from_secs(300),
        }
    }
}

impl BreakerPolicy {
    /// The most failures in a row a policy may ask for.
    pub const MAX_THRESHOLD: u32 = 1000;

    /// Returns every value that is out of bounds; nothing when the policy is sound.
    pub fn problems(&self) -> Vec<OutOfBounds> {
        let mut problems = Vec::new();
        let Self { failure_threshold, initial_pause, max_pause } = self;
        if !(1..=Self::MAX_THRESHOLD).contains(failure_threshold) {
            let max = Self::MAX_THRESHOLD;
            let message = format!(
                "`failure_threshold` is {failure_threshold}; it can be 1 to {max}, and `breaker: off` never opens"
            );
            problems.push(OutOfBounds { key: "failure_threshold", message });
        }
        if initial_pause.is_zero() {
            let message = "`initial_pause` can not be 0: probes would spin; 1ms is the least".to_owned();
            problems.push(OutOfBounds { key: "initial_pause", message });
        }
        if max_pause < initial_pause {
            let message = format!(
                "`max_pause` ({max_pause}) is shorter than `initial_pause` ({initial_pause}); raise it"
            );
            problems.push(OutOfBounds { key: "max_pause", message });
        }
        problems
    }
}

impl Serialize for Breaker {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_str("off"),
            Self::On(policy) => policy.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Breaker {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OffOrPolicy;
        impl<'de> Visitor<'de> for OffOrPolicy {
            type Value = Breaker;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`off`, or a map of `failure_threshold`, `initial_pause` and `max_pause`")
            }
            fn visit_str<E: de::Error>(self, word: &str) -> Result<Breaker, E> {
                if word == "off" {
                    return Ok(Breaker::Off);
                }
                Err(E::invalid_value(de::Unexpected::Str(word), &self))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Breaker, A::Error> {
                let policy = BreakerPolicy::deserialize(MapAccessDeserializer::new(map))?;
                match policy.problems().into_iter().next() {
                    Some(problem) => Err(de::Error::custom(problem.message)),
                    None => Ok(Breaker::On(policy)),
                }
            }
        }
        deserializer.deserialize_any(OffOrPolicy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Breaker, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_left_out_is_as_by_default_and_what_is_written_is_read_again() {
        assert_eq!(read("{}").unwrap(), Breaker::On(BreakerPolicy::default()));
        for text in [r#""off""#, r#"{"failure_threshold":3,"initial_pause":"250ms","max_pause":"1m"}"#] {
            assert_eq!(serde_json::to_string(&read(text).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn a_breaker_that_makes_no_sense_is_refused() {
        for (text, says) in [
            (r#"{"failure_threshold":0}"#, "breaker: off"),
            (r#"{"failure_threshold":1001}"#, "1 to 1000"),
            (r#"{"initial_pause":"0s"}"#, "can not be 0"),
            (r#"{"max_pause":"10ms"}"#, "is shorter"),
            (r#"{"pause":"1s"}"#, "unknown field"),
            (r#""on""#, "`off`"),
            ("false", "`off`"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}
