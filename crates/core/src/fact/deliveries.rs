//! Facts 30–39: deliveries.

use minicbor::{Decode, Encode};

use crate::event::Priority;
use crate::ids::{DeliveryId, Position, Token};
use crate::subscription::Attempt;
use crate::text::Text;
use crate::time::Timestamp;

/// A worker got a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeliveryLeased {
    /// Which.
    #[n(0)]
    pub delivery: DeliveryId,
    /// What its holder must show.
    #[n(1)]
    pub token: Token,
    /// When the lease ends without a word.
    #[n(2)]
    pub deadline: Timestamp,
    /// Which attempt it is.
    #[n(3)]
    pub attempt: u32,
    /// Its lane.
    #[n(4)]
    pub priority: Priority,
    /// The hash of its order key.
    #[n(5)]
    pub key: Option<u64>,
    /// The hash of its correlation.
    #[n(6)]
    pub story: u64,
    /// When its event was recorded.
    #[n(7)]
    pub recorded_at: Timestamp,
    /// The hash of its event's own order key, where that is not `key`.
    #[n(8)]
    pub own_key: Option<u64>,
    /// Not delivered from then on.
    #[n(9)]
    pub expires_at: Option<Timestamp>,
    /// True when it probes whether its subscription's breaker may close.
    #[n(10)]
    pub probe: Option<bool>,
}

/// A worker asked for more time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeliveryExtended {
    /// Which.
    #[n(0)]
    pub delivery: DeliveryId,
    /// When the lease now ends.
    #[n(1)]
    pub deadline: Timestamp,
}

/// A worker did it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeliveryAcked {
    /// Which.
    #[n(0)]
    pub delivery: DeliveryId,
    /// The hash of its correlation.
    #[n(1)]
    pub story: u64,
    /// Which attempt it was.
    #[n(2)]
    pub attempt: u32,
    /// When that began.
    #[n(3)]
    pub began: Timestamp,
    /// Who.
    #[n(4)]
    pub actor: Option<Text>,
}

/// An attempt failed, or its lease ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeliveryFailed {
    /// Which.
    #[n(0)]
    pub delivery: DeliveryId,
    /// The hash of its correlation.
    #[n(1)]
    pub story: u64,
    /// The attempt. Its `next_at` is None when it became a dead letter.
    #[n(2)]
    pub attempt: Attempt,
    /// Who.
    #[n(3)]
    pub actor: Option<Text>,
    /// True when it spends none of the retries: it ran when the breaker opened.
    #[n(4)]
    pub unspent: Option<bool>,
}

/// An answer came after its lease was over. It changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeliveryAnsweredLate {
    /// Which.
    #[n(0)]
    pub delivery: DeliveryId,
    /// The hash of its correlation.
    #[n(1)]
    pub story: u64,
    /// The token it came with.
    #[n(2)]
    pub token: Token,
    /// What it said.
    #[n(3)]
    pub said: Text,
    /// The events it would have published, as JSON lines, at most 64 KiB.
    #[n(4)]
    pub events: Option<Text>,
    /// Who.
    #[n(5)]
    pub actor: Option<Text>,
}

/// An event was not delivered because it had expired.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeliveryExpired {
    /// Which.
    #[n(0)]
    pub delivery: DeliveryId,
    /// Its lane.
    #[n(1)]
    pub priority: Priority,
    /// The hash of its correlation.
    #[n(2)]
    pub story: u64,
}

/// A waiting delivery is kept in state, so that its lane's floor can go on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DeliveryParked {
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
    /// When its event was recorded.
    #[n(4)]
    pub recorded_at: Timestamp,
    /// The hash of its event's own order key, where that is not `key`.
    #[n(5)]
    pub own_key: Option<u64>,
    /// Not delivered from then on.
    #[n(6)]
    pub expires_at: Option<Timestamp>,
}

/// Everything up to these positions was taken from the subscription's lanes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CursorMoved {
    /// The subscription's number.
    #[n(0)]
    pub number: u32,
    /// Per lane.
    #[n(1)]
    pub floors: [Position; 4],
}
