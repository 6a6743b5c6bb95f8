//! What is remembered of events that are not kept.

use minicbor::{Decode, Encode};

use crate::fact::{ErasedEvent, ErasureStage};
use crate::ids::Position;
use crate::text::Text;
use crate::time::{Span, Timestamp};
use crate::topic::TopicName;

/// How many erased events are remembered, so that whoever asks for one hears that it was erased. Beyond, the oldest
/// erasures that are done are forgotten.
pub const ERASED_KEPT: usize = 200_000;

/// Events that were erased together.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Erasure {
    /// Which.
    #[n(0)]
    pub items: Vec<ErasedEvent>,
    /// Why.
    #[n(1)]
    pub reason: Text,
    /// Who.
    #[n(2)]
    pub actor: Text,
    /// When.
    #[n(3)]
    pub at: Timestamp,
    /// How far it has got.
    #[n(4)]
    pub stage: ErasureStage,
    /// When it last got further.
    #[n(5)]
    pub moved_at: Timestamp,
}

/// A part of the log that is lost, and that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Gap {
    /// The last place lost.
    #[n(0)]
    pub to: Position,
    /// What happened to it.
    #[n(1)]
    pub reason: Text,
    /// How many facts behind it could not be followed.
    #[n(2)]
    pub orphans: u64,
    /// When that was noticed.
    #[n(3)]
    pub at: Timestamp,
}

/// What a subscription lost because it did not take it in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Expired {
    /// The first place it may have lost.
    #[n(0)]
    pub from: Position,
    /// The last one.
    #[n(1)]
    pub to: Position,
    /// When.
    #[n(2)]
    pub at: Timestamp,
}

/// How a topic is kept, and how far that has got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Which topic.
    pub topic: TopicName,
    /// How long its events are kept.
    pub age: Option<Span>,
    /// How many bytes of payload are kept.
    pub max_bytes: Option<u64>,
    /// Whether only the last event of each key is kept.
    pub compact: bool,
    /// How many events it has.
    pub events: u64,
    /// How many bytes of payload they have.
    pub bytes: u64,
    /// Every event up to here has gone.
    pub trimmed: Position,
    /// Up to here only the last event of each key is kept.
    pub compacted: Position,
    /// How many bytes were left when it was last compacted.
    pub compacted_bytes: u64,
    /// Every active subscription that listens has passed what lies up to here.
    pub passed: Position,
}
