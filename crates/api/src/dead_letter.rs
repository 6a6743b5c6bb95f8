//! Dead letters: what will not be tried again by itself, with its whole story, and how it is repaired.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::delivery::Attempt;
use crate::event::Event;
use crate::ids::{Cursor, DeadLetterId, DeliveryId, EventId, Position, SubscriptionId};
use crate::time::Timestamp;

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter<E = Event> {
    /// Its id.
    pub id: DeadLetterId,
    /// The event, with its data; the edited one if it was edited.
    pub event: E,
    /// The event as it was, if it was edited.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub original: Option<E>,
    /// Whether it was edited.
    #[serde(default)]
    pub edited: bool,
    /// What the edit changed, one entry per place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<Change>,
    /// The topic of the event.
    pub topic: String,
    /// Where the event is; null if it never got a place.
    pub position: Option<Position>,
    /// Who it was for; null for a loop or a foreign record.
    pub subscription: Option<SubscriptionId>,
    /// The delivery it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// Why it is here: `attempts_spent`, `not_retried`, `loop_detected`, …
    pub reason: String,
    /// Where it is in its repair.
    pub status: Status,
    /// What groups it with others of the same cause.
    pub fingerprint: String,
    /// The last failure.
    pub error: Failure,
    /// Every attempt, oldest first.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// What people noted.
    #[serde(default)]
    pub note: String,
    /// Whether the order key of its event waits for a person because of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub holds_key: bool,
    /// The deliveries and events it was replayed as, oldest first.
    #[serde(default)]
    pub replayed_as: Vec<Replayed>,
    /// When it became a dead letter.
    pub opened_at: Timestamp,
    /// When something last happened to it.
    pub updated_at: Timestamp,
}

fn none<E>() -> Option<E> {
    None
}

/// The last failure of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Failure {
    /// Its class, such as `timeout`.
    pub class: String,
    /// The reason in words.
    pub message: String,
    /// The HTTP status it was answered with.
    pub status: Option<u16>,
    /// The exit code of the process.
    pub exit_code: Option<i32>,
}

/// Where a dead letter is in its repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nobody has dealt with it.
    Open,
    /// It is being tried again.
    Replaying,
    /// A replay succeeded.
    Resolved,
    /// Somebody put it away, with a note.
    Archived,
}

/// What a dead letter was replayed as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// When.
    pub at: Timestamp,
    /// The new delivery, for a replay to a subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// The new event, for a replay of an edited one or to a topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// Who it was sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<SubscriptionId>,
    /// The topic it was published to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Who asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// One place an edit changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Change {
    /// A JSON pointer into the event: `/data/amount`, `/subject`.
    pub path: String,
    /// The value before, as JSON; absent if it was not there.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<RawValue>>,
    /// The value after, as JSON; absent if it is gone.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub after: Option<Box<RawValue>>,
}

impl PartialEq for Change {
    fn eq(&self, other: &Change) -> bool {
        let text = |value: &Option<Box<RawValue>>| value.as_ref().map(|raw| raw.get().to_owned());
        self.path == other.path
            && text(&self.before) == text(&other.before)
            && text(&self.after) == text(&other.after)
    }
}

impl Eq for Change {}

/// The parameters of a list of dead letters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLettersQuery {
    /// Only those in this state; open ones if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusFilter>,
    /// Only those of this subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<SubscriptionId>,
    /// Only those of this topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Only those of this group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Only those with this reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How many at most, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// The shape of the events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<crate::event::Shape>,
}

/// Which states to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatusFilter {
    /// Open ones.
    Open,
    /// Those being tried again.
    Replaying,
    /// Those a replay resolved.
    Resolved,
    /// Those put away.
    Archived,
    /// All of them.
    All,
}

impl StatusFilter {
    /// Returns the one state it stands for, or none for all.
    pub fn status(self) -> Option<Status> {
        match self {
            StatusFilter::Open => Some(Status::Open),
            StatusFilter::Replaying => Some(Status::Replaying),
            StatusFilter::Resolved => Some(Status::Resolved),
            StatusFilter::Archived => Some(Status::Archived),
            StatusFilter::All => None,
        }
    }
}

/// Changes the event of a dead letter before it is replayed. The original stays.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The new data, any JSON, `null` included; not together with `data_base64`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    /// The new data as base64, for what is not JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
    /// New attributes by their CloudEvents names; `null` removes one. `id` and `source` cannot be changed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Option<Box<RawValue>>>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

// Without this `"data": null` would be read as no data at all.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

/// Tries a dead letter again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// The subscription to send it to; its own if absent. Not together with `topic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<SubscriptionId>,
    /// The topic to publish it to, as a new event whose cause is the original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The answer to a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayStarted {
    /// The dead letter, now `replaying` or, if published to a topic, `resolved`.
    pub dead_letter: DeadLetterId,
    /// Its state now.
    pub status: Status,
    /// The new delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// The new event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// Where the new event is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// Puts a dead letter away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Why; not empty.
    pub note: String,
}

/// Brings an archived dead letter back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Lets the order key go on that a dead letter holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Dead letters of one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// What they share, such as `timeout|coder/tasks`.
    pub fingerprint: String,
    /// How many there are.
    pub count: u64,
    /// Who they were for.
    pub subscription: Option<SubscriptionId>,
    /// The class of the failure.
    pub class: String,
    /// Why they are here.
    pub reason: String,
    /// When the first came.
    pub first_at: Timestamp,
    /// When the last came.
    pub last_at: Timestamp,
    /// One of them, the newest.
    pub sample: DeadLetterId,
    /// The reason in the words of the newest.
    pub message: String,
}

/// The parameters of a list of groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupsQuery {
    /// Only dead letters in this state; open ones if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusFilter>,
    /// Only those of this subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<SubscriptionId>,
    /// How many at most, 1 to 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
}
