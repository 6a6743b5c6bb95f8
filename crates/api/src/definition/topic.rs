//! Topics: named lines of events, and what may stand in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AgentPattern, Duration, EventType, Size};

/// A declared topic.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// What the topic is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How long events are kept. Accepted and stored; not enforced yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain: Option<Duration>,
    /// How many bytes are kept. Accepted and stored; not enforced yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain_bytes: Option<Size>,
    /// Keeps only the last event per partition key. Accepted and stored; not enforced yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compact: bool,
    /// JSON Schemas of the data, by event type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub schemas: BTreeMap<EventType, serde_json::Value>,
    /// What happens to data that does not fit its schema.
    #[serde(default)]
    pub validation: Validation,
    /// Who may publish; empty means everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publishers: Vec<AgentPattern>,
    /// Who may subscribe; empty means everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subscribers: Vec<AgentPattern>,
}

/// What happens to an event whose data does not fit the schema of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validation {
    /// The event is refused.
    #[default]
    Enforce,
    /// The event is accepted and the receipt carries a warning.
    Warn,
}
