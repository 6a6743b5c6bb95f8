//! Retries: when a failed delivery is tried again, and when it is not.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Duration;

/// How a subscription retries: by a named policy or by its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Retry {
    /// The name of an entry of `retry_policies`.
    Named(String),
    /// The policy itself.
    Inline(RetryPolicy),
}

impl<'de> Deserialize<'de> for Retry {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrPolicy;
        impl<'de> serde::de::Visitor<'de> for NameOrPolicy {
            type Value = Retry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a retry policy, or a policy")
            }
            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Retry, E> {
                Ok(Retry::Named(name.to_owned()))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Retry, A::Error> {
                RetryPolicy::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Retry::Inline)
            }
        }
        deserializer.deserialize_any(NameOrPolicy)
    }
}

/// When a failed delivery is tried again. With the defaults: at once, then after 1 s, 2 s and 4 s; a failed fourth
/// attempt is dead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RetryPolicyParts", into = "RetryPolicyParts")]
pub struct RetryPolicy {
    /// How often it is tried again after the first attempt, 0 to 1000.
    pub max_retries: u32,
    /// How the delay grows.
    pub backoff_type: Backoff,
    /// The delay before the first retry, at least 1 ms.
    pub initial_delay: Duration,
    /// The delay is never longer than this.
    pub max_delay: Duration,
    /// The failures that are tried again.
    pub retry_on: Vec<FailureClass>,
    /// The failures that are not.
    pub no_retry_on: Vec<FailureClass>,
    /// By how much an exponential delay grows each time, 1 to 100.
    pub multiplier: f64,
    /// The share of a delay that is drawn at random, 0 to 1.
    pub jitter: f64,
}

/// How the delay between attempts grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// Each delay is `multiplier` times the one before.
    #[default]
    Exponential,
    /// Each delay is `initial_delay` longer than the one before.
    Linear,
    /// Every delay is `initial_delay`.
    Fixed,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_retries: 3,
            backoff_type: Backoff::Exponential,
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(30),
            retry_on: vec![FailureClass::Timeout, FailureClass::TemporaryFailure],
            no_retry_on: vec![FailureClass::InvalidPayload, FailureClass::Unauthorized],
            multiplier: 2.0,
            jitter: 0.0,
        }
    }
}

/// A value of a policy that is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutOfBounds {
    /// The key it stands under.
    pub key: &'static str,
    /// What is wrong and what is possible.
    pub message: String,
}

impl RetryPolicy {
    /// The most retries a policy may ask for.
    pub const MAX_RETRIES: u32 = 1000;

    /// Returns every value that is out of bounds; nothing when the policy is sound.
    pub fn problems(&self) -> Vec<OutOfBounds> {
        let mut problems = Vec::new();
        let mut say = |key, message: String| problems.push(OutOfBounds { key, message });
        if self.max_retries > Self::MAX_RETRIES {
            say(
                "max_retries",
                format!("`max_retries` is {}; it can be 0 to {}", self.max_retries, Self::MAX_RETRIES),
            );
        }
        if self.initial_delay.is_zero() {
            say(
                "initial_delay",
                "`initial_delay` can not be 0: a failing delivery would spin; 1ms is the least".into(),
            );
        }
        if self.max_delay < self.initial_delay {
            let Self { max_delay, initial_delay, .. } = self;
            say(
                "max_delay",
                format!(
                    "`max_delay` ({max_delay}) is shorter than `initial_delay` ({initial_delay}); raise it"
                ),
            );
        }
        if !(1.0..=100.0).contains(&self.multiplier) {
            say("multiplier", format!("`multiplier` is {}; it can be 1 to 100", self.multiplier));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            say("jitter", format!("`jitter` is {}; it is a share from 0 to 1", self.jitter));
        }
        if let Some(class) = self.no_retry_on.iter().find(|class| self.retry_on.contains(class)) {
            say(
                "no_retry_on",
                format!("`{class}` stands in `retry_on` and in `no_retry_on`; leave one of them"),
            );
        }
        problems
    }
}

/// A policy as it is written: every key may be left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the keys are those of RetryPolicy")]
pub struct RetryPolicyParts {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_type: Option<Backoff>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<Duration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_on: Option<Vec<FailureClass>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_retry_on: Option<Vec<FailureClass>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiplier: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
}

impl RetryPolicyParts {
    /// Returns the policy with the defaults for what is left out.
    ///
    /// A first delay beyond the default of `max_delay` raises that, and a class that stands in one list is taken from
    /// the default of the other: who writes one key need not repeat its counterpart.
    pub fn filled(self) -> RetryPolicy {
        let defaults = RetryPolicy::default();
        let initial_delay = self.initial_delay.unwrap_or(defaults.initial_delay);
        let without = |default: Vec<FailureClass>, other: &Option<Vec<FailureClass>>| {
            let named = other.as_deref().unwrap_or_default();
            default.into_iter().filter(|class| !named.contains(class)).collect()
        };
        RetryPolicy {
            max_retries: self.max_retries.unwrap_or(defaults.max_retries),
            backoff_type: self.backoff_type.unwrap_or(defaults.backoff_type),
            initial_delay,
            max_delay: self.max_delay.unwrap_or(defaults.max_delay.max(initial_delay)),
            retry_on: self.retry_on.clone().unwrap_or_else(|| without(defaults.retry_on, &self.no_retry_on)),
            no_retry_on: self.no_retry_on.unwrap_or_else(|| without(defaults.no_retry_on, &self.retry_on)),
            multiplier: self.multiplier.unwrap_or(defaults.multiplier),
            jitter: self.jitter.unwrap_or(defaults.jitter),
        }
    }
}

impl From<RetryPolicy> for RetryPolicyParts {
    fn from(policy: RetryPolicy) -> Self {
        Self {
            max_retries: Some(policy.max_retries),
            backoff_type: Some(policy.backoff_type),
            initial_delay: Some(policy.initial_delay),
            max_delay: Some(policy.max_delay),
            retry_on: Some(policy.retry_on),
            no_retry_on: Some(policy.no_retry_on),
            multiplier: Some(policy.multiplier),
            jitter: Some(policy.jitter),
        }
    }
}

impl TryFrom<RetryPolicyParts> for RetryPolicy {
    type Error = String;
    fn try_from(parts: RetryPolicyParts) -> Result<Self, String> {
        let policy = parts.filled();
        match policy.problems().into_iter().next() {
            None => Ok(policy),
            Some(problem) => Err(problem.message),
        }
    }
}

/// A kind of failure, or one exact exit code or HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FailureClass {
    /// The attempt took too long.
    Timeout,
    /// Something that may pass; in a list it covers `unavailable`, `throttled` and `crashed` too.
    TemporaryFailure,
    /// The receiver could not be reached.
    Unavailable,
    /// The receiver asked for patience.
    Throttled,
    /// The program died of a signal.
    Crashed,
    /// The receiver can not read this event.
    InvalidPayload,
    /// The receiver does not let us in.
    Unauthorized,
    /// The receiver says no.
    Rejected,
    /// One exit code, written `exit:75`.
    Exit(u8),
    /// One HTTP status, written `http:503`.
    Http(u16),
}

/// A text that names no failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no class of failure; the classes are {classes}, and `exit:N` (1 to 255) and `http:N` (300 to 599) name one outcome",
    classes = FailureClass::WORDS.join(", ")
)]
pub struct InvalidFailureClass(pub String);

impl FailureClass {
    /// The words for classes, in the order of the variants.
    pub const WORDS: [&'static str; 8] = [
        "timeout",
        "temporary_failure",
        "unavailable",
        "throttled",
        "crashed",
        "invalid_payload",
        "unauthorized",
        "rejected",
    ];

    /// Reads a class, `exit:N` or `http:N`.
    pub fn parse(text: &str) -> Result<Self, InvalidFailureClass> {
        let invalid = || InvalidFailureClass(text.chars().take(60).collect());
        if let Some(code) = text.strip_prefix("exit:") {
            let code: u8 = code.parse().map_err(|_| invalid())?;
            return if code == 0 { Err(invalid()) } else { Ok(Self::Exit(code)) };
        }
        if let Some(status) = text.strip_prefix("http:") {
            let status: u16 = status.parse().map_err(|_| invalid())?;
            return if (300..600).contains(&status) { Ok(Self::Http(status)) } else { Err(invalid()) };
        }
        Ok(match text {
            "timeout" => Self::Timeout,
            "temporary_failure" => Self::TemporaryFailure,
            "unavailable" => Self::Unavailable,
            "throttled" => Self::Throttled,
            "crashed" => Self::Crashed,
            "invalid_payload" => Self::InvalidPayload,
            "unauthorized" => Self::Unauthorized,
            "rejected" => Self::Rejected,
            _ => return Err(invalid()),
        })
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => "timeout",
            Self::TemporaryFailure => "temporary_failure",
            Self::Unavailable => "unavailable",
            Self::Throttled => "throttled",
            Self::Crashed => "crashed",
            Self::InvalidPayload => "invalid_payload",
            Self::Unauthorized => "unauthorized",
            Self::Rejected => "rejected",
            Self::Exit(code) => return write!(f, "exit:{code}"),
            Self::Http(status) => return write!(f, "http:{status}"),
        })
    }
}

impl TryFrom<String> for FailureClass {
    type Error = InvalidFailureClass;
    fn try_from(text: String) -> Result<Self, InvalidFailureClass> {
        Self::parse(&text)
    }
}

impl From<FailureClass> for String {
    fn from(class: FailureClass) -> String {
        class.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_the_documented_default() {
        let policy: RetryPolicy = serde_json::from_str(r#"{"max_retries": 5}"#).unwrap();
        assert_eq!(policy, RetryPolicy { max_retries: 5, ..RetryPolicy::default() });
    }

    #[test]
    fn a_written_key_wins_over_the_default_of_its_counterpart() {
        let read = |text| serde_json::from_str::<RetryPolicy>(text).unwrap();
        assert_eq!(read(r#"{"initial_delay": "1m"}"#).max_delay, Duration::from_secs(60));
        assert_eq!(read(r#"{"retry_on": ["unauthorized"]}"#).no_retry_on, [FailureClass::InvalidPayload]);
        assert_eq!(read(r#"{"no_retry_on": ["timeout"]}"#).retry_on, [FailureClass::TemporaryFailure]);
    }

    #[test]
    fn impossible_policies_are_refused_by_key() {
        for (text, key) in [
            (r#"{"max_retries": 1001}"#, "max_retries"),
            (r#"{"initial_delay": "0s"}"#, "initial_delay"),
            (r#"{"initial_delay": "1m", "max_delay": "1s"}"#, "max_delay"),
            (r#"{"multiplier": 0.5}"#, "multiplier"),
            (r#"{"jitter": -0.1}"#, "jitter"),
            (r#"{"retry_on": ["exit:75"], "no_retry_on": ["exit:75"]}"#, "no_retry_on"),
        ] {
            let refused = serde_json::from_str::<RetryPolicy>(text).unwrap_err().to_string();
            assert!(refused.contains(key), "{text}: {refused}");
        }
        assert!(serde_json::from_str::<RetryPolicy>(r#"{"max_retries": 18446744073709551616}"#).is_err());
        assert!(serde_json::from_str::<RetryPolicy>(r#"{"retries": 1}"#).is_err());
    }

    #[test]
    fn every_class_is_read_as_it_is_written() {
        for word in FailureClass::WORDS.iter().copied().chain(["exit:75", "http:503"]) {
            assert_eq!(FailureClass::parse(word).unwrap().to_string(), word);
        }
        for bad in ["exit:0", "exit:256", "http:200", "http:", "flaky"] {
            assert!(FailureClass::parse(bad).is_err(), "{bad}");
        }
    }
}
