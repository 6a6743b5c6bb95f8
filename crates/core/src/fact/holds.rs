//! Facts 20–29: what holds subscriptions and agents back, and seeks.

use minicbor::{Decode, Encode};

use crate::agent::AgentPattern;
use crate::ids::{DeadLetterId, DeliveryId, Position};
use crate::subscription::retry::Class;
use crate::text::Text;
use crate::time::{Span, Timestamp};

/// A subscription is held back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SubscriptionPaused {
    /// Its number.
    #[n(0)]
    pub number: u32,
    /// Why.
    #[n(1)]
    pub reason: Option<Text>,
    /// When it ends by itself.
    #[n(2)]
    pub until: Option<Timestamp>,
    /// Who.
    #[n(3)]
    pub actor: Text,
}

/// A subscription goes on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SubscriptionResumed {
    /// Its number.
    #[n(0)]
    pub number: u32,
    /// Who.
    #[n(1)]
    pub actor: Text,
}

/// A subscription was set to another place: open deliveries behind it are fenced and dropped, dead letters stay.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SubscriptionSought {
    /// Its number.
    #[n(0)]
    pub number: u32,
    /// It goes on behind this position.
    #[n(1)]
    pub after: Position,
    /// Who.
    #[n(2)]
    pub actor: Text,
}

/// Agents are parked by a subscription's pause action.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AgentsPaused {
    /// The delivery that asked for it, or None when a person did.
    #[n(0)]
    pub cause: Option<DeliveryId>,
    /// Which agents.
    #[n(1)]
    pub agents: Vec<AgentPattern>,
    /// When it ends by itself.
    #[n(2)]
    pub until: Option<Timestamp>,
    /// The filter (JSON text) of the event that ends it.
    #[n(3)]
    pub until_event: Option<Text>,
    /// The topic the ending event is awaited in; None means any.
    #[n(4)]
    pub topics: Vec<crate::topic::Pattern>,
    /// The agent whose subscription did it; it is not parked itself.
    #[n(5)]
    pub by: Text,
    /// Why.
    #[n(6)]
    pub reason: Option<Text>,
}

/// Parked agents go on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AgentsResumed {
    /// The pause: where its fact lies.
    #[n(0)]
    pub pause: Position,
    /// Who, or which event.
    #[n(1)]
    pub actor: Text,
}

/// Deliveries of a subscription failed in a row: it is held back, but for probes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BreakerOpened {
    /// The subscription's number.
    #[n(0)]
    pub number: u32,
    /// The delivery whose failure opened it.
    #[n(1)]
    pub delivery: DeliveryId,
    /// How many distinct deliveries had failed in a row.
    #[n(2)]
    pub failures: u32,
    /// The class of that failure.
    #[n(3)]
    pub class: Class,
    /// That failure in words.
    #[n(4)]
    pub message: Text,
    /// The pause in force.
    #[n(5)]
    pub pause: Span,
    /// No probe goes before then.
    #[n(6)]
    pub probe_at: Timestamp,
}

/// A probe failed: the breaker stays open.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BreakerProbed {
    /// The subscription's number.
    #[n(0)]
    pub number: u32,
    /// The delivery that probed.
    #[n(1)]
    pub delivery: DeliveryId,
    /// The class of its failure.
    #[n(2)]
    pub class: Class,
    /// Its failure in words.
    #[n(3)]
    pub message: Text,
    /// The pause in force.
    #[n(4)]
    pub pause: Span,
    /// No probe goes before then.
    #[n(5)]
    pub probe_at: Timestamp,
}

/// A subscription's breaker closed: its deliveries go on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BreakerClosed {
    /// The subscription's number.
    #[n(0)]
    pub number: u32,
    /// The delivery whose success closed it.
    #[n(1)]
    pub delivery: Option<DeliveryId>,
    /// The person who closed it.
    #[n(2)]
    pub actor: Option<Text>,
}

/// A person let an order key go on although a dead letter held it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct KeyReleased {
    /// The dead letter.
    #[n(0)]
    pub id: DeadLetterId,
    /// The hash of the key.
    #[n(1)]
    pub key: u64,
    /// Who.
    #[n(2)]
    pub actor: Text,
    /// Why.
    #[n(3)]
    pub note: Option<Text>,
}
