//! Pulling: how an agent takes deliveries from its inbox and answers them.

use serde::{Deserialize, Serialize};

use crate::error::Problem;
use crate::event::Event;
use crate::ids::{DeadLetterId, DeliveryId, Position, SubscriptionId};
use crate::receipt::Receipt;
use crate::time::{Span, Timestamp};

/// Asks for deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PullRequest {
    /// How many at most, 1 to 1000; 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// How long to hold the answer until there is one, 30 s at most; not at all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Span>,
}

/// The deliveries an agent got. Each is leased to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulled<E = Event> {
    /// None if nothing came in time.
    pub deliveries: Vec<Leased<E>>,
    /// What this inbox lost because it was not pulled in time; told until something behind it is acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<crate::stream::Gap>,
}

/// A delivery that is leased to whoever reads this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leased<E = Event> {
    /// The delivery's id.
    pub delivery: DeliveryId,
    /// The lease's token: every answer carries it.
    pub token: String,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// Until when the lease holds unless `progress` extends it.
    pub deadline: Timestamp,
    /// Whose inbox it came from.
    pub subscription: SubscriptionId,
    /// Where the event is.
    pub position: Position,
    /// Whether the event may have been handled before: an earlier attempt was begun, or this is a replay.
    pub redelivered: bool,
    /// When this delivery was handed out for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_delivered_at: Option<Timestamp>,
    /// The event.
    pub event: E,
}

/// Says that a delivery is done. `E` is how the events are held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "E: Deserialize<'de>"))]
pub struct Ack<E = Event> {
    /// The lease's token.
    pub token: String,
    /// The events to publish with it, all or none. They inherit correlation and cause.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<E>,
}

/// What became of an ack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acked {
    /// Whether it was applied.
    pub status: AckStatus,
    /// One receipt per published event.
    #[serde(default)]
    pub results: Vec<Receipt>,
}

/// Whether an answer was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AckStatus {
    /// The delivery is done.
    Acked,
    /// The lease was over: the answer is kept and shown, not applied.
    Late,
}

/// Says that a delivery failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nack {
    /// The lease's token.
    pub token: String,
    /// The class of the failure: `temporary_failure` if absent; `timeout`, `unavailable`, `throttled`, `crashed`, `invalid_payload`,
    /// `unauthorized`, `rejected`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The reason in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long to wait before the next attempt, instead of what the policy says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
}

/// What became of a nack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nacked {
    /// What follows from it.
    pub status: NackStatus,
    /// When the next attempt is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
    /// The dead letter it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeadLetterId>,
}

/// What follows from a nack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NackStatus {
    /// It will be tried again.
    Retrying,
    /// It is a dead letter.
    Dead,
    /// The lease was over: the answer is kept and shown, not applied.
    Late,
}

/// Says that somebody still works on a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The lease's token.
    pub token: String,
}

/// The lease after a progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progressed {
    /// Until when the lease holds now.
    pub deadline: Timestamp,
}

/// Says that several deliveries are done. Each stands for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "E: Deserialize<'de>"))]
pub struct AckMany<E = Event> {
    /// One per delivery, 1000 at most.
    pub acks: Vec<AckOne<E>>,
}

/// One ack among several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "E: Deserialize<'de>"))]
pub struct AckOne<E = Event> {
    /// The delivery's id.
    pub delivery: DeliveryId,
    /// The lease's token.
    pub token: String,
    /// The events to publish with it, all or none.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<E>,
}

/// What became of several acks, in the order they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckedMany {
    /// One per ack.
    pub results: Vec<AckResult>,
}

/// What became of one ack among several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckResult {
    /// The delivery's id.
    pub delivery: DeliveryId,
    /// Whether it was applied; absent if it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<AckStatus>,
    /// One receipt per published event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Receipt>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}
