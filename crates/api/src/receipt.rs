//! Receipts: what a publisher is told about each event.

use serde::{Deserialize, Serialize};

use crate::ids::{EventId, Position};

/// The answer to a publish: one receipt per event, in the order they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipts {
    /// One per event.
    pub results: Vec<Receipt>,
}

/// What became of one event. It is durable when this is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The event's id, chosen by the server if it came without one.
    pub id: EventId,
    /// The event's source.
    pub source: String,
    /// The topic it is in.
    pub topic: String,
    /// Where it is; for a duplicate, where the first one is.
    pub position: Position,
    /// The story it belongs to.
    pub correlation_id: String,
    /// Whether it was stored now or before.
    pub status: Status,
    /// The revision the stream has reached with it; only for an event with a `stream`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// What the topic's schema has against the data, where validation only warns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Whether an event was stored now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Stored by this request.
    Accepted,
    /// The same source and id were stored before, with the same content; nothing was stored now.
    Duplicate,
}

/// The parameters of a publish.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishQuery {
    /// The topic of events that name none; not allowed where the path has the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The revision the stream must have; 0 means that it must not exist. Only for one event with a `stream`, or a batch of one stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_revision: Option<u64>,
}
