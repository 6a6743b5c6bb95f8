//! Facts from 50 on: bulk operations, and what they do to deliveries.

use minicbor::{Decode, Encode};

use crate::bulk_operation::{Action, Items, Outcome, Pace};
use crate::event::Priority;
use crate::ids::{BulkId, DeliveryId};
use crate::text::Text;
use crate::time::Timestamp;

/// A bulk operation began. Its items are frozen.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BulkStarted {
    /// What is done to every item.
    #[n(0)]
    pub action: Action,
    /// To which.
    #[n(1)]
    pub items: Items,
    /// How fast.
    #[n(2)]
    pub pace: Pace,
    /// What was asked for, as JSON text.
    #[n(3)]
    pub filter: Text,
    /// Only what was there by then is meant.
    #[n(4)]
    pub as_of: Timestamp,
    /// The hash of the ids that were shown.
    #[n(5)]
    pub hash: Text,
    /// Who.
    #[n(6)]
    pub actor: Text,
    /// Why.
    #[n(7)]
    pub reason: Text,
}

/// An item of a bulk operation had its turn. What it led to are the facts right before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BulkProgressed {
    /// The operation.
    #[n(0)]
    pub id: BulkId,
    /// The item's place, counting from zero.
    #[n(1)]
    pub item: u32,
    /// What became of it.
    #[n(2)]
    pub outcome: Outcome,
    /// Why it was not done, in words.
    #[n(3)]
    pub why: Option<Text>,
    /// When the next one has its turn.
    #[n(4)]
    pub next_at: Timestamp,
}

/// A bulk operation is over.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct BulkEnded {
    /// The operation.
    #[n(0)]
    pub id: BulkId,
    /// Who aborted it; None when every item had its turn.
    #[n(1)]
    pub by: Option<Text>,
    /// Why it was aborted.
    #[n(2)]
    pub reason: Option<Text>,
}

/// A person had a delivery that waits for a retry tried at once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeliveryHastened {
    /// Which.
    #[n(0)]
    pub delivery: DeliveryId,
    /// The hash of its correlation.
    #[n(1)]
    pub story: u64,
    /// Who.
    #[n(2)]
    pub actor: Text,
}

/// A person gave a waiting delivery up. The fact that opens its dead letter follows.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeliveryGivenUp {
    /// Which.
    #[n(0)]
    pub delivery: DeliveryId,
    /// Its lane.
    #[n(1)]
    pub priority: Priority,
    /// The hash of its order key.
    #[n(2)]
    pub key: Option<u64>,
    /// The hash of its correlation.
    #[n(3)]
    pub story: u64,
    /// When its event was recorded, where state knew.
    #[n(4)]
    pub recorded_at: Option<Timestamp>,
    /// Who.
    #[n(5)]
    pub actor: Text,
    /// Why.
    #[n(6)]
    pub note: Text,
}
