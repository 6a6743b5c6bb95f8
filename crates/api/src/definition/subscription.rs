//! Subscriptions: a durable interest of an agent in topics.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{Action, AgentName, Breaker, Duration, Rate, Retry, SubscriptionName, TopicPattern};

/// A declared subscription. Its id is `agent/name`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// The topics it listens to; `topic: x` is one. Never empty.
    #[serde(alias = "topic", deserialize_with = "one_or_many")]
    pub topics: Vec<TopicPattern>,
    /// Its name under the agent; left out, it is called after its topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SubscriptionName>,
    /// The name it had before: it keeps that one's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed_from: Option<SubscriptionName>,
    /// Which events it wants, in any filter dialect; left out, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<serde_json::Value>,
    /// What happens with each event.
    #[serde(default)]
    pub action: Action,
    /// How failures are retried; left out, as `RetryPolicy::default` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How many deliveries run at the same time, 1 to 10,000; left out, what suits the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How many deliveries are leased at the same time, 1 to 65,536.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// What must not overtake what.
    #[serde(default)]
    pub order: Order,
    /// What becomes of an order key after one of its deliveries is dead.
    #[serde(default)]
    pub after_dead_letter: AfterDeadLetter,
    /// How long a delivery is leased; left out, what suits the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Duration>,
    /// Where a new subscription starts.
    #[serde(default)]
    pub from: Start,
    /// When its circuit breaker opens; left out, as `BreakerPolicy::default` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    /// How many attempts may begin in a span of time, such as `20/s`; left out, as many as can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// How long a lease lasts at most, however often `progress` extends it; left out, 12 hours. For an inbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<Duration>,
}

impl Subscription {
    /// The most deliveries a subscription may run at the same time.
    pub const MAX_CONCURRENCY: u32 = 10_000;
    /// The most deliveries a subscription may have leased at the same time.
    pub const MAX_IN_FLIGHT: u32 = 65_536;

    /// Returns the name it goes by: its own, or the one its only topic gives it. `None` when it has several topics
    /// and no name.
    pub fn effective_name(&self) -> Option<SubscriptionName> {
        match (&self.name, self.topics.as_slice()) {
            (Some(name), _) => Some(name.clone()),
            (None, [topic]) => SubscriptionName::for_topic(topic),
            (None, _) => None,
        }
    }

    /// Returns the id `agent/name`, without the agent's slash. `None` when it has no name.
    pub fn id(&self, agent: &AgentName) -> Option<String> {
        Some(format!("{}/{}", agent.bare(), self.effective_name()?))
    }

    /// Returns how many deliveries run at the same time: the subscription's number, the action's, or the default
    /// of the action.
    pub fn effective_concurrency(&self) -> u32 {
        self.concurrency.or(self.action.concurrency()).unwrap_or(self.action.default_concurrency())
    }
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TopicPattern>, D::Error> {
    struct OneOrMany;
    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<TopicPattern>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a topic or a list of topics")
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            TopicPattern::parse(text).map(|topic| vec![topic]).map_err(E::custom)
        }
        fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
            let topics = Vec::deserialize(SeqAccessDeserializer::new(items))?;
            if topics.is_empty() {
                return Err(de::Error::custom("a subscription needs at least one topic"));
            }
            Ok(topics)
        }
    }
    deserializer.deserialize_any(OneOrMany)
}

/// What must not overtake what within a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// One delivery in flight per order key; keys run in parallel.
    #[default]
    Key,
    /// No order.
    None,
    /// One delivery in flight at all; priorities are ignored.
    Topic,
}

/// What becomes of an order key after one of its deliveries is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterDeadLetter {
    /// The key goes on with its next event.
    #[default]
    Continue,
    /// The key waits until a person has repaired the dead letter, put it away, or let the key go.
    HoldKey,
}

/// Where a new subscription starts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Start {
    /// With the oldest event kept.
    Start,
    /// With the next event.
    #[default]
    End,
    /// With the first event at or after this time.
    Time(jiff::Timestamp),
    /// After the place this cursor names.
    Cursor(String),
}

/// A text that names no place to start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no place to start; write start, end, a time such as 2025-11-29T14:30:00Z, or a cursor")]
pub struct InvalidStart(String);

impl Start {
    /// Reads `start`, `end`, a time of RFC 3339, or a cursor.
    pub fn parse(text: &str) -> Result<Self, InvalidStart> {
        match text {
            "start" => return Ok(Self::Start),
            "end" => return Ok(Self::End),
            _ => {}
        }
        if let Ok(time) = text.parse() {
            return Ok(Self::Time(time));
        }
        // Cursors are opaque, but they always carry digits: a misspelled word or a broken time is not taken for one.
        let cursor = (1..=512).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'=' | b'~' | b':'))
            && text.bytes().any(|b| b.is_ascii_digit())
            && !looks_like_a_date(text);
        if cursor {
            Ok(Self::Cursor(text.to_owned()))
        } else {
            Err(InvalidStart(text.chars().take(60).collect()))
        }
    }
}

fn looks_like_a_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 8
        && bytes[..4].iter().all(u8::is_ascii_digit)
        && bytes[4] == b'-'
        && bytes[5].is_ascii_digit()
}

impl TryFrom<String> for Start {
    type Error = InvalidStart;
    fn try_from(text: String) -> Result<Self, InvalidStart> {
        Self::parse(&text)
    }
}

impl From<Start> for String {
    fn from(start: Start) -> String {
        match start {
            Start::Start => "start".to_owned(),
            Start::End => "end".to_owned(),
            Start::Time(time) => time.to_string(),
            Start::Cursor(cursor) => cursor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_topic_and_a_list_of_topics_mean_the_same() {
        let one: Subscription = serde_json::from_str(r#"{"topic": "a"}"#).unwrap();
        let many: Subscription = serde_json::from_str(r#"{"topics": ["a"]}"#).unwrap();
        assert_eq!(one, many);
        assert_eq!(one.effective_name().unwrap().as_str(), "a");
        assert!(serde_json::from_str::<Subscription>(r#"{"topics": []}"#).is_err());
        assert!(serde_json::from_str::<Subscription>(r#"{"topic": "a", "topics": ["b"]}"#).is_err());
        assert!(serde_json::from_str::<Subscription>(r#"{"topic": "a", "fliter": {}}"#).is_err());
    }

    #[test]
    fn several_topics_need_a_name() {
        let both: Subscription = serde_json::from_str(r#"{"topics": ["a", "b"]}"#).unwrap();
        assert_eq!(both.effective_name(), None);
    }

    #[test]
    fn a_misspelled_word_is_no_cursor() {
        assert!(matches!(Start::parse("2025-11-29T14:30:00Z"), Ok(Start::Time(_))));
        assert_eq!(Start::parse("AAEC_w0"), Ok(Start::Cursor("AAEC_w0".into())));
        for bad in ["beginning", "2025-13-45", "", "a b1"] {
            assert!(Start::parse(bad).is_err(), "{bad}");
        }
    }
}
