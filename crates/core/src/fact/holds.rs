//! Facts 20–29: what holds subscriptions and agents back, and seeks.

use minicbor::{Decode, Encode};

use crate::agent::AgentPattern;
use crate::ids::{DeliveryId, Position};
use crate::text::Text;
use crate::time::Timestamp;

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
