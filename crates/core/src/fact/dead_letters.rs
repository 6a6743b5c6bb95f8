//! Facts 40–49: dead letters.

use std::sync::Arc;

use minicbor::{Decode, Encode};

use super::shared;
use crate::event::{Data, Event, Priority};
use crate::ids::{DeadLetterId, DeliveryId};
use crate::subscription::Attempt;
use crate::subscription::retry::Reason;
use crate::text::Text;
use crate::time::Timestamp;

/// A delivery will not be tried again by itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeadLetterOpened {
    /// Which.
    #[n(0)]
    pub delivery: DeliveryId,
    /// The event with its body.
    #[cbor(n(1), with = "shared")]
    pub event: Arc<Event>,
    /// Why.
    #[n(2)]
    pub reason: Reason,
    /// Every attempt that is remembered.
    #[n(3)]
    pub attempts: Vec<Attempt>,
    /// What it has in common with others of the same cause.
    #[n(4)]
    pub fingerprint: Text,
    /// The dead letter whose replay died, when it was one.
    #[n(5)]
    pub reopens: Option<DeadLetterId>,
    /// The hash of the order key that waits for a person because of it.
    #[n(6)]
    pub holds: Option<u64>,
}

/// A person changed a dead letter's event. The original stays.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeadLetterEdited {
    /// Which.
    #[n(0)]
    pub id: DeadLetterId,
    /// The new payload; None leaves it.
    #[n(1)]
    pub data: Option<Data>,
    /// Attributes to set, or to take away where the value is None, as JSON text.
    #[n(2)]
    pub attributes: Vec<(Text, Option<Text>)>,
    /// Who.
    #[n(3)]
    pub actor: Text,
    /// Why.
    #[n(4)]
    pub note: Option<Text>,
    /// The edited event as a whole.
    #[cbor(n(5), with = "shared")]
    pub event: Arc<Event>,
}

/// A dead letter is on its way again.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeadLetterReplayed {
    /// Which.
    #[n(0)]
    pub id: DeadLetterId,
    /// The new delivery; None when it goes to a topic.
    #[n(1)]
    pub delivery: Option<DeliveryId>,
    /// The new event's id, when one was published.
    #[n(2)]
    pub event_id: Option<Text>,
    /// The replayed event's lane.
    #[n(3)]
    pub priority: Priority,
    /// The hash of its order key.
    #[n(4)]
    pub key: Option<u64>,
    /// The hash of its correlation.
    #[n(5)]
    pub story: u64,
    /// When the event was recorded.
    #[n(6)]
    pub recorded_at: Timestamp,
    /// Who.
    #[n(7)]
    pub actor: Text,
    /// Why.
    #[n(8)]
    pub note: Option<Text>,
    /// The hash of its event's own order key, where that is not `key`.
    #[n(9)]
    pub own_key: Option<u64>,
}

/// A dead letter's replay succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeadLetterResolved {
    /// Which.
    #[n(0)]
    pub id: DeadLetterId,
    /// The delivery that succeeded; None when a topic took it.
    #[n(1)]
    pub delivery: Option<DeliveryId>,
}

/// A person put a dead letter away.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeadLetterArchived {
    /// Which.
    #[n(0)]
    pub id: DeadLetterId,
    /// Why.
    #[n(1)]
    pub note: Text,
    /// Who.
    #[n(2)]
    pub actor: Text,
}

/// A person took a dead letter back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeadLetterRestored {
    /// Which.
    #[n(0)]
    pub id: DeadLetterId,
    /// Who.
    #[n(1)]
    pub actor: Text,
    /// Why.
    #[n(2)]
    pub note: Option<Text>,
}
