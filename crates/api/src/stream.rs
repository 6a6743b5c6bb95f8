//! Reading events: one, by topic, by stream. A stream is one entity's events in order.

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::ids::{Cursor, Position};
use crate::time::{Span, Timestamp};

/// An event with its place in the log. `E` is how the event is held: read as [`Event`], or written from prepared text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded<E = Event> {
    /// The event, in either shape.
    pub event: E,
    /// Where it is.
    pub position: Position,
    /// When it was stored.
    pub recorded_at: Timestamp,
}

/// A page of events. Unlike other lists it always says where to go on, so that a reader can follow the live end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events<E = Event> {
    /// The events of this page, oldest first unless asked otherwise.
    pub items: Vec<Recorded<E>>,
    /// Where to go on; also at the end.
    pub next_cursor: Cursor,
    /// Whether nothing more was there when this was read: with `wait`, the next page holds until something comes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_end: bool,
    /// Ranges that are gone, or of which something is, by retention, erasure or damage; readers have missed it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
}

/// A range of the log that cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first position that is gone.
    pub from: Position,
    /// The first position that is there again.
    pub to: Position,
    /// Why: `expired`, `erased` or `damaged`.
    pub reason: String,
}

/// The parameters of a read of events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Topics or patterns with `*`, separated by commas; not allowed where the path has the topic. Absent means all but `$system`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// A filter: `name=value` or an expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Where to begin: `start`, `end`, a time, or a position (which is itself included). Not together with `cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Where to go on, as given by `next_cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// How many events at most, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// How long to hold the answer until there is an event, 30 s at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Span>,
    /// Oldest or newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The shape of the events; the `Accept` header says it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<crate::event::Shape>,
}

/// Which way to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Oldest first.
    #[default]
    Forward,
    /// Newest first.
    Back,
}

/// The parameters of a read of one event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventQuery {
    /// The source, where several sources used the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The shape of the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<crate::event::Shape>,
}

/// A page of one stream, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream<E = Event> {
    /// The stream's name, such as `task/42`.
    pub stream: String,
    /// The revision of its newest event; revisions count from 1.
    pub revision: u64,
    /// The events of this page.
    pub items: Vec<Revised<E>>,
    /// Where the next page begins; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Cursor>,
}

/// An event with its place in its stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revised<E = Event> {
    /// The event, in either shape.
    pub event: E,
    /// Where it is in the log.
    pub position: Position,
    /// Where it is in the stream, from 1.
    pub revision: u64,
    /// When it was stored.
    pub recorded_at: Timestamp,
}

/// The parameters of a read of a stream or a correlation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamQuery {
    /// How many events at most, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on, as given by `next_cursor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// The shape of the events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<crate::event::Shape>,
}
