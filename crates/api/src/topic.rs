//! Topics: named lines of events.

use serde::{Deserialize, Serialize};

use crate::ids::{Position, SubscriptionId};
use crate::time::Timestamp;

/// A topic as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it is in the file, or came to be by a publish.
    pub declared: bool,
    /// How many events it has.
    pub events: u64,
    /// How many bytes they take; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Where its first event is; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_position: Option<Position>,
    /// Where its last event is; absent if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_position: Option<Position>,
    /// When its last event was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event_at: Option<Timestamp>,
    /// The subscriptions that listen to it.
    #[serde(default)]
    pub subscriptions: Vec<SubscriptionId>,
    /// The schemas that are checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<Schema>,
    /// Who may publish to it; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publishers: Vec<String>,
    /// Who may subscribe to it; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subscribers: Vec<String>,
}

/// A schema that is checked for one type of event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// The type of event.
    #[serde(rename = "type")]
    pub event_type: String,
    /// `json_schema` or `avro`.
    pub format: String,
    /// `enforce` or `warn`.
    pub validation: String,
}
