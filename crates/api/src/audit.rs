//! The audit: who operated and defined, from where, what was so before and is so after.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{Cursor, Position};
use crate::time::Timestamp;

/// One call that changed something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Which entry it is, counting from one.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who: `token:NAME`, or whoever else may call.
    pub actor: String,
    /// From where: the peer's address.
    pub from: String,
    /// What, such as `subscriptions.pause`.
    pub action: String,
    /// To what: the ids in the path of the call.
    pub target: String,
    /// What was so before, by thing.
    pub before: Value,
    /// What is so after, by thing.
    pub after: Value,
    /// Where the entry lies.
    pub position: Position,
    /// How many facts right before it the call led to.
    pub facts: u32,
    /// The hash of the entry before it, as hex; zeros for the first.
    pub previous_hash: String,
    /// The hash of this entry, as hex.
    pub hash: String,
}

/// The parameters of a list of entries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Only entries from this time on, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only those of this actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Only those with this action: `dead-letters.replay`, or `dead-letters` for all of its verbs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// How many at most, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

/// The parameters of a check of the chain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyQuery {
    /// Where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}

/// What a check of the chain found, from the newest entry back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// How many entries there are.
    pub entries: u64,
    /// The hash of the newest; absent when there is none. Who writes it down can tell later that nothing was cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// How many entries this answer checked.
    pub checked: u64,
    /// False when an entry does not follow the one before it.
    pub intact: bool,
    /// Where it does not, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<BrokenAt>,
    /// Where to go on; absent when the first entry was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
}

/// An entry that does not follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenAt {
    /// Which entry.
    pub number: u64,
    /// Where it lies, or should.
    pub position: Position,
    /// Why.
    pub reason: String,
}
