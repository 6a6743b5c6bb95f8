//! What everybody in a campaign remembers, for the judge.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use cantus_client::api::Event;
use cantus_client::api::event::Priority;

/// An event that a client sent.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    /// Which client.
    pub(super) client: usize,
    /// Its id.
    pub(super) id: String,
    /// Its type.
    pub(super) event_type: String,
    /// The hash of its data, byte for byte.
    pub(super) data: u64,
    /// The number of the batch it was part of, among that client's.
    pub(super) batch: Option<usize>,
    /// What the client was told of it.
    pub(super) outcome: Outcome,
}

/// What a client was told of an event in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is there, at this position.
    Accepted { position: String },
    /// It is not, for a reason that has this code.
    Refused { code: String },
    /// Nothing: no answer came in time.
    InDoubt,
}

/// What one publisher remembers.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// Every event, in the order it was sent.
    pub(super) sent: Vec<Sent>,
    /// Answers that no server may give.
    pub(super) faults: Vec<String>,
    /// How often there was no answer, or no server.
    pub(super) unanswered: u64,
    /// How many events were answered as duplicates: sent again after silence, or on purpose.
    pub(super) duplicates: u64,
}

/// A delivery as a consumer got it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// The event's id.
    pub(super) id: String,
    /// The hash of the event's data.
    pub(super) data: u64,
    /// Its order key.
    pub(super) key: Option<String>,
    /// Its lane.
    pub(super) priority: Priority,
    /// Which attempt it is, from 1.
    pub(super) attempt: u32,
}

/// What a consumer was told of a delivery in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settled {
    /// It is done.
    Acked,
    /// It is a dead letter.
    Dead,
    /// Nothing, or that it is over already: this delivery has to be asked for.
    InDoubt { delivery: String },
}

/// What the consumer remembers.
#[derive(Debug, Default)]
pub(super) struct Consumed {
    /// Every delivery, in the order they came.
    pub(super) seen: Vec<Seen>,
    /// What became of each event's delivery.
    pub(super) settled: BTreeMap<String, Settled>,
    /// Answers that no server may give.
    pub(super) faults: Vec<String>,
    /// How often there was no answer, or no server.
    pub(super) unanswered: u64,
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    /// Where it lies.
    pub(super) position: String,
    /// Its id.
    pub(super) id: String,
    /// Its topic.
    pub(super) topic: String,
    /// Its type.
    pub(super) event_type: String,
    /// The hash of its data.
    pub(super) data: u64,
}

impl Stored {
    /// Takes what the judge needs from what was read.
    pub(super) fn of(recorded: &cantus_client::api::stream::Recorded) -> Stored {
        Stored {
            position: recorded.position.clone(),
            id: recorded.event.id.clone().unwrap_or_default(),
            topic: recorded.event.topic.clone().unwrap_or_default(),
            event_type: recorded.event.event_type.clone(),
            data: hash_of(&recorded.event),
        }
    }
}

/// A line that a program wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// The event's id.
    pub(super) id: String,
    /// True when it began, false when it ended.
    pub(super) began: bool,
}

/// All that is known at the end of a campaign.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// What the publishers remember.
    pub(super) published: Vec<Published>,
    /// What the consumer of the inbox remembers, its doubts resolved.
    pub(super) consumed: Consumed,
    /// What a reader saw while servers came and went.
    pub(super) followed: Vec<Stored>,
    /// All that can be read at the end, in the order of the log.
    pub(super) stored: Vec<Stored>,
    /// The events that are dead letters, and of which subscription.
    pub(super) dead: Vec<(String, String)>,
    /// What the programs wrote.
    pub(super) runs: Vec<Run>,
    /// What went wrong beside all that.
    pub(super) faults: Vec<String>,
    /// How often the server was killed.
    pub(super) kills: u32,
}

/// The hash of an event's data, byte for byte; 0 when it has none.
pub(super) fn hash_of(event: &Event) -> u64 {
    let Some(data) = &event.data else { return 0 };
    let mut hasher = DefaultHasher::new();
    data.bytes.hash(&mut hasher);
    hasher.finish()
}
