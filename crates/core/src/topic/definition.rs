//! What is declared of a topic.

use minicbor::{Decode, Encode};

use crate::agent::AgentPattern;
use crate::text::Text;
use crate::time::Span;

/// What is declared of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Topic {
    /// For people.
    #[n(0)]
    pub description: Option<Text>,
    /// The JSON Schemas of its events, by event type.
    #[n(1)]
    pub schemas: Vec<Schema>,
    /// What happens to an event that breaks its schema.
    #[n(2)]
    pub validation: Validation,
    /// Agents that may publish here; empty means all.
    #[n(3)]
    pub publishers: Vec<AgentPattern>,
    /// Agents that may subscribe; empty means all.
    #[n(4)]
    pub subscribers: Vec<AgentPattern>,
    /// How long events are kept.
    #[n(5)]
    pub retain_age: Option<Span>,
    /// How many bytes of events are kept.
    #[n(6)]
    pub retain_bytes: Option<u64>,
    /// Whether only the last event per partition key is kept.
    #[n(7)]
    pub compact: bool,
    /// How many ids the dedupe window holds; None means 1,000,000.
    #[n(8)]
    pub dedupe_ids: Option<u64>,
    /// How long the dedupe window remembers an id; None means 24 hours.
    #[n(9)]
    pub dedupe_age: Option<Span>,
    /// True when somebody declared it; false when its first publish created it.
    #[n(10)]
    pub declared: bool,
    /// Who brought it; None is the file.
    #[n(20)]
    pub origin: Option<crate::agent::Origin>,
}

/// The schema of one event type.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Schema {
    /// The event type it is for.
    #[n(0)]
    pub event_type: Text,
    /// The JSON Schema as JSON text.
    #[n(1)]
    pub json: Text,
}

/// What happens to an event that breaks its schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Validation {
    /// It is refused.
    #[default]
    #[n(0)]
    Enforce,
    /// It is accepted and its receipt carries a warning.
    #[n(1)]
    Warn,
}
