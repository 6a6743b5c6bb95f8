//! The server's own state.

use serde::{Deserialize, Serialize};

use crate::ids::Position;
use crate::time::Timestamp;

/// The state of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// `dev` or `serve`.
    pub mode: String,
    /// The node's id.
    pub node: String,
    /// The engine: `local`.
    pub engine: String,
    /// When it started.
    pub started_at: Timestamp,
    /// Everything before it is durable.
    pub durable: Position,
    /// How much there is.
    pub counts: Counts,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Topics.
    pub topics: u64,
    /// Events.
    pub events: u64,
    /// Agents.
    pub agents: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Deliveries somebody works on.
    pub in_flight: u64,
    /// Deliveries that wait for another attempt.
    pub retrying: u64,
    /// Open dead letters.
    pub dead_letters: u64,
}

/// The answer of `/readyz`: whether the server takes requests, and what it checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Whether every check passed.
    pub ok: bool,
    /// The text as the server wrote it, one line per check such as `[+]store ok`.
    pub text: String,
}
