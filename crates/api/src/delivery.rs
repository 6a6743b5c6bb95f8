//! Deliveries: one event for one subscription, with every attempt at it.

use serde::{Deserialize, Serialize};

use crate::ids::{Cursor, DeadLetterId, DeliveryId, EventId, Position, SubscriptionId};
use crate::stream::Gap;
use crate::time::{Span, Timestamp};

/// A page of deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryList {
    /// The deliveries, newest first.
    pub items: Vec<Delivery>,
    /// Ranges of the log of this page that are gone; what lay there is not among the items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// Where the next page begins; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
}

/// One event for one subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// Who it is for.
    pub subscription: SubscriptionId,
    /// The event's id.
    pub event_id: EventId,
    /// The event's source.
    pub event_source: String,
    /// The event's type.
    pub event_type: String,
    /// The event's topic.
    pub topic: String,
    /// Where the event is.
    pub position: Position,
    /// The story the event belongs to.
    pub correlation_id: String,
    /// How far it has come.
    pub state: State,
    /// What is being waited for, while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// When the next attempt is due, while it waits for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// How often it was leased.
    pub acquired: u32,
    /// How often an attempt failed.
    pub failed: u32,
    /// Until when the lease in force holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// Its attempts, oldest first. Lists may leave them out.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// The dead letter it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeadLetterId>,
    /// The delivery this one does again, if it is a replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay_of: Option<DeliveryId>,
    /// The ids of the events that were published with its ack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<EventId>,
}

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It will be tried; `waiting_for` says what it waits for.
    Waiting,
    /// Somebody is working on it.
    Leased,
    /// Done.
    Delivered,
    /// It will not be tried again by itself.
    Dead,
    /// The event expired before it was delivered.
    Expired,
}

/// What a delivery waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingFor {
    /// Another event of the same order key.
    Key,
    /// The circuit breaker is open.
    Breaker,
    /// The subscription or its agent is paused.
    Pause,
    /// The rate limit.
    Rate,
    /// The next attempt is not due yet.
    Retry,
    /// A free place among those that run at once.
    Concurrency,
    /// Somebody holds the lease.
    Lease,
    /// The agent to come and pull.
    Offline,
    /// The time the event is to be delivered at.
    Due,
}

/// One try at a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Its number, from 1.
    pub n: u32,
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// How it ended; absent while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The class of its failure, such as `timeout` or `invalid_payload`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The HTTP status it was answered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The exit code of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The reason in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The end of what its process wrote to stderr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_tail: Option<String>,
    /// When the next attempt is due because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It succeeded.
    Acked,
    /// It failed.
    Failed,
    /// The lease was over before an answer came.
    LeaseEnded,
    /// An answer came after the lease was over; it is kept and shown, not applied.
    Late,
}

/// The parameters of a list of deliveries; newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveriesQuery {
    /// Only those of this subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<SubscriptionId>,
    /// Only those in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Only those of this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// Only those of this story.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// How many at most, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

/// Which output of an attempt's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Output {
    /// What it said.
    #[default]
    Stdout,
    /// What it said besides.
    Stderr,
}

/// The parameters of a read of an attempt's output.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsQuery {
    /// The attempt's number; the newest if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Which output; stdout if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Output>,
    /// The byte to begin at; 0 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// How long to hold the answer until there is more, 30 s at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Span>,
}

/// A piece of an attempt's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogChunk {
    /// The attempt's number.
    pub attempt: u32,
    /// Which output.
    pub stream: Output,
    /// The text; bytes that are not UTF-8 are replaced by U+FFFD.
    pub text: String,
    /// The byte after this piece.
    pub next_offset: u64,
    /// Whether nothing more will come.
    pub ended: bool,
    /// Whether output was cut off at the cap.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}
