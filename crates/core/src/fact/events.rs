//! Facts 1–4: events, and the requests that brought them.

use std::sync::Arc;

use minicbor::{Decode, Encode};

use super::shared;
use crate::event::Event;
use crate::ids::{DeliveryId, Position};
use crate::text::Text;

/// Somebody published an event.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EventPublished {
    /// The event.
    #[cbor(n(0), with = "shared")]
    pub event: Arc<Event>,
    /// Who.
    #[n(1)]
    pub actor: Text,
    /// The hash of what the client sent.
    #[n(2)]
    pub content: u64,
    /// Its number in its stream, counting from one.
    #[n(3)]
    pub revision: Option<u64>,
    /// The only subscription that may receive it.
    #[n(4)]
    pub only: Option<u32>,
    /// The delivery it answers.
    #[n(5)]
    pub answers: Option<DeliveryId>,
    /// Where it was deferred, when it was.
    #[n(6)]
    pub deferred_at: Option<Position>,
}

/// An event was accepted that is published later. Its identity counts from now on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EventDeferred {
    /// The event, with `deliver_at`.
    #[cbor(n(0), with = "shared")]
    pub event: Arc<Event>,
    /// Who.
    #[n(1)]
    pub actor: Text,
    /// The hash of what the client sent.
    #[n(2)]
    pub content: u64,
    /// The delivery it answers.
    #[n(3)]
    pub answers: Option<DeliveryId>,
}

/// An accepted event could not be published when it was due: the part of the log that holds it is lost.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EventLost {
    /// Where it was deferred.
    #[n(0)]
    pub deferred_at: Position,
    /// Its id.
    #[n(1)]
    pub event_id: Text,
    /// Its topic.
    #[n(2)]
    pub topic: Text,
}

/// A request with an idempotency key was answered.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RequestAnswered {
    /// The hash of who asked and the key, upper half.
    #[n(0)]
    pub key_high: u64,
    /// Lower half.
    #[n(1)]
    pub key_low: u64,
    /// The hash of method, path and body.
    #[n(2)]
    pub fingerprint: u64,
    /// The positions that the answer names.
    #[n(3)]
    pub receipts: Vec<Receipt>,
}

/// What became of one event of a publish.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Receipt {
    /// The event's id.
    #[n(0)]
    pub id: Text,
    /// The event's source.
    #[n(1)]
    pub source: Text,
    /// Its topic.
    #[n(2)]
    pub topic: Text,
    /// Where it lies; for a duplicate, where the first one lies.
    #[n(3)]
    pub position: Position,
    /// Its correlation.
    #[n(4)]
    pub correlation_id: Text,
    /// True when it was there before.
    #[n(5)]
    pub duplicate: bool,
    /// Its number in its stream.
    #[n(6)]
    pub revision: Option<u64>,
    /// What is not as it should be, though accepted.
    #[n(7)]
    pub warnings: Vec<Text>,
}
