//! Correlations: everything that happened in one story.

use serde::{Deserialize, Serialize};

use crate::delivery::Delivery;
use crate::event::Event;
use crate::ids::Cursor;
use crate::stream::{Gap, Recorded};

/// One story: its events in the order of the log, and what became of each with every subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Correlation<E = Event> {
    /// The id that its events share.
    pub correlation_id: String,
    /// Its events, oldest first.
    pub events: Vec<Recorded<E>>,
    /// The deliveries of these events, with their attempts.
    pub deliveries: Vec<Delivery>,
    /// Places of this story that were erased, or whose retention is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// The joins that took part.
    #[serde(default)]
    pub aggregators: Vec<serde_json::Value>,
    /// The sagas that took part.
    #[serde(default)]
    pub sagas: Vec<serde_json::Value>,
    /// Where the next page begins; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
}
