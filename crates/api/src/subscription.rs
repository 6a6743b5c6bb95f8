//! Subscriptions: who wants which events, how far they have got, and how an operator moves them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::definition::{self, AfterDeadLetter, AgentName, Order, RetryPolicy};
use crate::ids::{Cursor, Position, SubscriptionId};
use crate::time::{Span, Timestamp};

/// A subscription as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id: `agent/name`.
    pub id: SubscriptionId,
    /// The agent's address, with its slash.
    pub agent: String,
    /// Its name.
    pub name: String,
    /// The topics it listens to, or patterns with `*`.
    pub topics: Vec<String>,
    /// The filter as it was declared; absent if everything matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Value>,
    /// What is done with an event.
    pub action: ActionSummary,
    /// Whether deliveries start.
    pub state: State,
    /// Why it is paused, by whom and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// Where it comes from: `file` or `api`.
    pub origin: Origin,
    /// How far it has got, one entry per priority that has moved.
    #[serde(default)]
    pub cursors: Vec<PriorityCursor>,
    /// What it lost because it did not take it in time; told until something behind it is acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<crate::stream::Gap>,
    /// Events it still has to look at.
    pub lag_events: u64,
    /// Deliveries somebody works on.
    pub in_flight: u64,
    /// Deliveries that wait for another attempt.
    pub retrying: u64,
    /// Deliveries that wait for anything else.
    pub waiting: u64,
    /// Its open dead letters.
    pub dead_letters: u64,
    /// How failures are retried.
    pub retry: RetryPolicy,
    /// How many deliveries may run at once.
    pub concurrency: u32,
    /// How many deliveries may run or wait for another attempt at once.
    #[serde(default)]
    pub max_in_flight: u32,
    /// What is kept in order.
    pub order: Order,
    /// What becomes of an order key after a dead letter.
    #[serde(default)]
    pub after_dead_letter: AfterDeadLetter,
    /// How many order keys wait for a person because of a dead letter.
    #[serde(default)]
    pub held_keys: u64,
    /// How many attempts may begin in a span of time; absent if as many as can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
    /// Its circuit breaker; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
}

/// A circuit breaker as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Whether it holds deliveries back.
    pub state: BreakerState,
    /// How many distinct deliveries have failed in a row; when it is open, those that opened it.
    pub failures: u64,
    /// How many open it.
    pub failure_threshold: u32,
    /// Since when it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When the next probe goes; absent while one is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_at: Option<Timestamp>,
    /// The class of the last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The last failure in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Whether a breaker holds deliveries back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// Deliveries go.
    Closed,
    /// Nothing goes until the next probe.
    Open,
    /// A probe is on its way.
    HalfOpen,
}

/// What is done with an event, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionSummary {
    /// `exec`, `webhook`, `inbox`, `publish`, `pause` or `in_process`.
    pub kind: String,
    /// The program, URL, topic or agents, without secrets; empty for an inbox.
    #[serde(default)]
    pub summary: String,
    /// How long an attempt may take; for an inbox, how long a lease holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// Whether deliveries start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Deliveries start as events come.
    Active,
    /// No delivery starts; running ones finish.
    Paused,
}

/// Where a definition comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The file.
    File,
    /// A request.
    Api,
    /// A set that was applied at run time.
    Applied,
}

/// A pause in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who: a token's name, or the subscription whose action paused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Until when; absent if somebody or an event must end it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The filter of the event that ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_event: Option<Value>,
}

/// How far a subscription has got within one priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorityCursor {
    /// `critical`, `high`, `normal` or `low`.
    pub priority: crate::event::Priority,
    /// Everything before it is settled.
    pub position: Position,
}

/// Creates a subscription: the agent, and then what the file would say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The agent's address; the slash may be left out.
    pub agent: AgentName,
    /// Its topics, filter, action and all else, beside `agent`.
    #[serde(flatten)]
    pub subscription: definition::Subscription,
}

/// The parameters of a list of subscriptions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionsQuery {
    /// Only those of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Only those that listen to this topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// How many at most, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

/// Pauses a subscription or an agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Until when: a time, or a span from now such as `30m`. Until somebody resumes it, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// Moves a subscription to another place.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seek {
    /// `start`, `end`, a time or a position.
    pub to: String,
    /// Only says what would happen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What a seek did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeekResult {
    /// The position it goes on from.
    pub position: Position,
    /// How many events are between it and the end; absent if counting would take too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<u64>,
    /// How many open leases are fenced off.
    pub open_leases: u64,
    /// How many deliveries that wait for another attempt are dropped.
    pub retrying: u64,
    /// How many parked deliveries are dropped.
    pub parked: u64,
    /// Whether nothing was changed.
    pub dry_run: bool,
}

/// What a test of a webhook came to. It is no delivery: nothing was counted, retried or published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookTest {
    /// Whether a delivery would have been acknowledged.
    pub acknowledged: bool,
    /// The status that was answered, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How long it took.
    pub duration_ms: u64,
    /// The class of the failure, as retry policies name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Why it failed, or why the answer would be refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The end of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// How many events the answer holds.
    pub events: u64,
    /// The id of the event that was sent.
    pub event: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_created_with_what_the_file_would_say() {
        let body =
            r#"{"agent":"coder","topic":"tasks","filter":{"type":"A"},"action":"inbox","from":"start"}"#;
        let create: Create = crate::json::read(body.as_bytes(), 128).unwrap();
        assert_eq!(create.agent.as_str(), "/coder");
        assert_eq!(create.subscription.id(&create.agent).unwrap(), "coder/tasks");
    }

    #[test]
    fn a_word_it_does_not_know_is_refused() {
        let body = br#"{"agent":"coder","topic":"tasks","fliter":{"type":"A"}}"#;
        let problem = crate::json::read::<Create>(body, 128).unwrap_err();
        assert!(problem.detail.contains("unknown field `fliter`"), "{problem}");
    }
}
