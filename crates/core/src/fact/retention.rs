//! Facts 5–9: what is not kept any more, and what is lost.

use minicbor::{Decode, Encode};

use crate::ids::Position;
use crate::text::Text;
use crate::topic::TopicName;

/// A subscription did not take events in time: retention took those of a topic up to a place, as they had been held
/// for it as long as they may be.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EventsExpired {
    /// The subscription's number.
    #[n(0)]
    pub number: u32,
    /// The first place it may have lost.
    #[n(1)]
    pub from: Position,
    /// The last one.
    #[n(2)]
    pub to: Position,
    /// The topic whose events went.
    #[n(3)]
    pub topic: TopicName,
}

/// Events of a topic are not kept any more: its retention took the oldest, or a later event of their key those before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TopicTrimmed {
    /// Which topic.
    #[n(0)]
    pub topic: TopicName,
    /// Every event up to here has gone.
    #[n(1)]
    pub through: Option<Position>,
    /// Up to here only the last event of each key is kept.
    #[n(2)]
    pub compacted: Option<Position>,
    /// How many events went.
    #[n(3)]
    pub events: u64,
    /// How many bytes of payload they had.
    #[n(4)]
    pub bytes: u64,
    /// Where the first event lies that is left.
    #[n(5)]
    pub first: Option<Position>,
}

/// Events were erased: nobody may see them from now on, and their bytes go.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EventsErased {
    /// Which.
    #[n(0)]
    pub items: Vec<ErasedEvent>,
    /// Why.
    #[n(1)]
    pub reason: Text,
    /// Who.
    #[n(2)]
    pub actor: Text,
}

/// An event that was erased. Nothing of what it said is here.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ErasedEvent {
    /// Where it lay.
    #[n(0)]
    pub position: Position,
    /// The hash of its id.
    #[n(1)]
    pub id: u64,
    /// The hash of its correlation.
    #[n(2)]
    pub story: u64,
    /// Its topic.
    #[n(3)]
    pub topic: TopicName,
    /// How many bytes of payload it had.
    #[n(4)]
    pub bytes: u64,
    /// True when it had been accepted and was to be published later.
    #[n(5)]
    pub deferred: bool,
}

/// An erasure has got further.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ErasureAdvanced {
    /// Which: where its fact lies.
    #[n(0)]
    pub erasure: Position,
    /// How far.
    #[n(1)]
    pub stage: ErasureStage,
}

/// How far an erasure has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum ErasureStage {
    /// Nobody sees the events any more; their bytes are still there.
    #[n(0)]
    Masked,
    /// The part of the log that holds them is closed.
    #[n(1)]
    Sealed,
    /// All state was written anew without them.
    #[n(2)]
    Based,
    /// Their bytes have gone.
    #[n(3)]
    Done,
}

/// A part of the log is lost, and that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GapDeclared {
    /// The first place lost.
    #[n(0)]
    pub from: Position,
    /// The last one.
    #[n(1)]
    pub to: Position,
    /// What happened to it.
    #[n(2)]
    pub reason: Text,
    /// How many facts behind it spoke of what was lost and could not be followed.
    #[n(3)]
    pub orphans: u64,
    /// Who.
    #[n(4)]
    pub actor: Text,
}
