//! Agents: participants with an address and what they listen to.

use serde::{Deserialize, Serialize};

use super::{EventType, Subscription};

/// A declared agent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// What the agent does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The event types it publishes. Said for readers and for checks; it limits nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publishes: Vec<EventType>,
    /// The command and query types that reach this agent when they name no address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handles: Vec<EventType>,
    /// What its exec actions with `stdin: prompt` say when they bring no prompt of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What it listens to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subscriptions: Vec<Subscription>,
}
