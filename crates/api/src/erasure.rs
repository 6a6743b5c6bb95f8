//! Erasing events: nobody sees them from then on, and their bytes go within a day.

use serde::{Deserialize, Serialize};

use crate::ids::Position;
use crate::time::Timestamp;

/// Asks for events to be erased. At least one of `ids`, `correlation_id`, `subject` and `filter` says which; what is said
/// must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erase {
    /// Events of these ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// Only events of this source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Events of this story.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Events about this subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Only events of this topic, or of topics that match a pattern with `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Events that match: `name=value` or an expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Why. It is kept for ever: it must not repeat what is erased.
    pub reason: String,
    /// Only says which events would go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What an erasure does, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// The erasure's id; absent when nothing was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<Position>,
    /// How many events.
    pub events: u64,
    /// Whether there are more that match: ask again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// The first of them, at most 100.
    pub items: Vec<ErasedEvent>,
}

/// An event that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedEvent {
    /// Its id.
    pub id: String,
    /// Its source.
    pub source: String,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its topic.
    pub topic: String,
    /// Where it lies.
    pub position: Position,
}

/// An erasure and how far it has got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Its id.
    pub id: Position,
    /// When it was asked for; the events are hidden since.
    pub at: Timestamp,
    /// Who asked.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// How many events.
    pub events: u64,
    /// `hidden`: nobody sees them, their bytes are still there; `done`: their bytes have gone.
    pub state: State,
    /// When their bytes had gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at: Option<Timestamp>,
}

/// How far an erasure has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody sees the events; their bytes are still there.
    Hidden,
    /// Their bytes have gone.
    Done,
}
