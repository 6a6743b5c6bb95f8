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
