//! Agents: who takes part, how they are reached, and when they were last heard.

use serde::{Deserialize, Serialize};

use crate::ids::{DeliveryId, SubscriptionId};
use crate::subscription::{Origin, Pause};
use crate::time::Timestamp;

/// An agent as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Its address, such as `/backend-architect`.
    pub address: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The types of events it says it publishes.
    #[serde(default)]
    pub publishes: Vec<String>,
    /// The types of commands and queries it takes.
    #[serde(default)]
    pub handles: Vec<String>,
    /// How it is reached: `exec`, `webhook`, `inbox`, or several joined by a comma; empty if it only publishes.
    #[serde(default)]
    pub transport: String,
    /// Whether it is there.
    pub state: State,
    /// Why it is paused, by whom and until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Pause>,
    /// Where it comes from: `file` or `api`.
    pub origin: Origin,
    /// When it last did anything: a pull, an answer, a heartbeat, a publish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// How many events it published.
    pub published: u64,
    /// How many deliveries it has done.
    pub consumed: u64,
    /// The deliveries it works on, 100 at most.
    #[serde(default)]
    pub processing: Vec<DeliveryId>,
    /// Its subscriptions.
    #[serde(default)]
    pub subscriptions: Vec<SubscriptionId>,
    /// Its prompt, if it has one; left out of lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
}

/// Whether an agent is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Heard lately, or started by the server itself.
    Online,
    /// Not heard for a while, and nothing is leased to it.
    Silent,
    /// It works on something for longer than it should, and still says so.
    Slow,
    /// Leases it held ended without a word.
    Dead,
    /// Never heard.
    NeverSeen,
}

/// Registers an agent, or renews what is known about a registered one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The address; the slash may be left out.
    pub agent: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The types of events it publishes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publishes: Vec<String>,
    /// The types of commands and queries it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handles: Vec<String>,
}
