//! Facts from 70 on: who operated and defined.

use minicbor::{Decode, Encode};

use crate::audit::Digest;
use crate::ids::Position;
use crate::text::Text;
use crate::time::Timestamp;

/// Somebody's call changed something: the facts right before this one, in the same slice.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CallAudited {
    /// Which entry of the audit it is, counting from one.
    #[n(0)]
    pub number: u64,
    /// When.
    #[n(1)]
    pub at: Timestamp,
    /// Who.
    #[n(2)]
    pub actor: Text,
    /// From where: the peer's address.
    #[n(3)]
    pub from: Text,
    /// What, such as `subscriptions.pause`.
    #[n(4)]
    pub action: Text,
    /// To what: the ids in the path of the call.
    #[n(5)]
    pub target: Text,
    /// What was so before, as JSON text.
    #[n(6)]
    pub before: Text,
    /// What is so after, as JSON text.
    #[n(7)]
    pub after: Text,
    /// How many facts right before this one it led to.
    #[n(8)]
    pub facts: u32,
    /// Where the entry before it lies.
    #[n(9)]
    pub previous: Option<Position>,
    /// The hash of the entry before it; zeros for the first.
    #[n(10)]
    pub previous_hash: Digest,
    /// The hash of this entry: SHA-256 of this layout with zeros here.
    #[n(11)]
    pub hash: Digest,
}
