//! Why: for one event, what became of it with every subscription.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::delivery::WaitingFor;
use crate::ids::{DeadLetterId, DeliveryId, EventId, Position, SubscriptionId};
use crate::time::Timestamp;

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// The event's id.
    pub event_id: EventId,
    /// The event's source.
    pub source: String,
    /// Where it is.
    pub position: Position,
    /// Its topic.
    pub topic: String,
    /// One entry per subscription, those that listen to the topic first.
    pub subscriptions: Vec<Verdict>,
}

/// What became of it with one subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whose answer this is.
    pub subscription: SubscriptionId,
    /// The answer.
    pub verdict: Kind,
    /// The answer as a sentence.
    pub text: String,
    /// The part of the filter that was not true, as it was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<Value>,
    /// The value the event has there; `null` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Why the filter could not be evaluated, which counts as not matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation_error: Option<String>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// Which one it waits for: the delivery that holds the key or the lease, the one who paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_on: Option<String>,
    /// Until when, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// The dead letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeadLetterId>,
}

/// What became of an event with a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It matches and was not looked at yet.
    Matched,
    /// The filter says no.
    FilteredOut,
    /// It matches and waits.
    Waiting,
    /// Somebody works on it.
    Leased,
    /// It is done.
    Delivered,
    /// It became a dead letter.
    Dead,
    /// It expired before it was delivered.
    Expired,
    /// The subscription does not listen to its topic.
    NotInTopic,
    /// The subscription began after it, or was moved past it.
    BeforeStart,
    /// It is addressed to another agent.
    NotAddressed,
}

/// The parameters of a why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhyQuery {
    /// The source, where several sources used the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Only this subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<SubscriptionId>,
}
