//! Definitions as they are installed: what the log says, not what a file says.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::Position;
use crate::time::Timestamp;

/// Everything that is installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definitions {
    /// The name the file gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One entry per definition, by kind and then id.
    pub items: Vec<Definition>,
}

/// One installed definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// `topic`, `agent`, `subscription`, …
    pub kind: String,
    /// Its id within the kind.
    pub id: String,
    /// A hash of its content, as hex.
    pub hash: String,
    /// Where it comes from: a file's path, or `api`.
    pub source: String,
    /// Who installed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When it was installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed_at: Option<Timestamp>,
    /// Where in the log it was installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// What it says, without secrets.
    pub definition: Value,
}

/// The definitions in force, in the words of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Export {
    /// The hash of what they say, as hex.
    pub hash: String,
    /// What they say. Values of variables are `***`.
    pub definitions: Value,
}

/// The parameters of an apply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplyQuery {
    /// Only say what would change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// Take away what a file or an apply declared and the set does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<bool>,
    /// The hash of the definitions the caller looked at: refused with `DEFINITIONS_CHANGED` when others are in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Where the set comes from, for people: a file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// What an apply changed, or would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// True when nothing was changed.
    pub dry_run: bool,
    /// The hash of the definitions in force now.
    pub hash: String,
    /// How many are new.
    pub added: u64,
    /// How many say something else.
    pub changed: u64,
    /// How many go.
    pub removed: u64,
    /// The changes, at most 10,000.
    pub changes: Vec<Change>,
}

/// What becomes of one definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `topic`, `agent`, `subscription`, …
    pub kind: String,
    /// Its id within the kind.
    pub id: String,
    /// What becomes of it.
    pub change: ChangeKind,
    /// What that means for what runs and waits, in words.
    #[serde(default)]
    pub effects: Vec<String>,
}

/// What becomes of a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It says something else.
    Changed,
    /// It goes.
    Removed,
}
