//! Facts: what the log says. Every fact there is, with its number.
//!
//! A number's meaning is frozen: new optional fields may come, a new meaning is a new number. Numbers are never
//! reused. The layouts are the `#[n(..)]` numbers of the fields, in CBOR; `docs/formats.md` lists them.

use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::agent::{Agent, AgentName, AgentPattern};
use crate::event::{Data, Event, Priority};
use crate::ids::{DeadLetterId, DeliveryId, Position, Token};
use crate::subscription::retry::Reason;
use crate::subscription::{Attempt, Subscription, SubscriptionId};
use crate::text::Text;
use crate::time::Timestamp;
use crate::topic::{Topic, TopicName};

/// A fact in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Where it lies.
    pub position: Position,
    /// The log time of its frame.
    pub at: Timestamp,
    /// What it says.
    pub fact: Fact,
}

/// A fact that can not be read: its number is unknown or its layout is damaged.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableFact {
    /// Written by a newer version.
    #[error(
        "fact number {0} is not known to this version of Cantus; start a version that is at least as new as the one that wrote it"
    )]
    Unknown(u16),
    /// The bytes do not follow the layout.
    #[error("fact number {number} does not follow its layout: {reason}")]
    Damaged {
        /// The fact's number.
        number: u16,
        /// What the decoder says.
        reason: String,
    },
}

macro_rules! facts {
    ($($number:literal => $name:ident),+ $(,)?) => {
        /// What the log says.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Fact {
            $(#[doc = concat!("Fact ", stringify!($number), ".")] $name($name),)+
        }

        $(impl From<$name> for Fact {
            fn from(fact: $name) -> Fact {
                Fact::$name(fact)
            }
        })+

        impl Fact {
            /// Every number there is.
            pub const NUMBERS: &'static [(u16, &'static str)] = &[$(($number, stringify!($name)),)+];

            /// Returns the fact's number.
            pub fn number(&self) -> u16 {
                match self {
                    $(Fact::$name(_) => $number,)+
                }
            }

            /// Returns the fact's name.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Fact::$name(_) => stringify!($name),)+
                }
            }

            /// Appends the fact's layout to `buffer`.
            pub fn encode(&self, buffer: &mut Vec<u8>) {
                let written = match self {
                    $(Fact::$name(fact) => minicbor::encode(fact, buffer),)+
                };
                written.expect("writing to memory can not fail");
            }

            /// Reads a fact.
            ///
            /// # Errors
            /// When the number is unknown or the layout is damaged.
            pub fn decode(number: u16, bytes: &[u8]) -> Result<Fact, UnreadableFact> {
                let damaged = |error: minicbor::decode::Error| UnreadableFact::Damaged {
                    number,
                    reason: error.to_string(),
                };
                match number {
                    $($number => minicbor::decode(bytes).map(Fact::$name).map_err(damaged),)+
                    unknown => Err(UnreadableFact::Unknown(unknown)),
                }
            }
        }
    };
}

facts! {
    1 => EventPublished,
    2 => EventDeferred,
    3 => RequestAnswered,
    4 => EventLost,
    10 => TopicDeclared,
    11 => TopicRemoved,
    12 => AgentDeclared,
    13 => AgentRemoved,
    14 => AgentSeen,
    15 => SubscriptionDeclared,
    16 => SubscriptionRemoved,
    17 => DefinitionsInstalled,
    20 => SubscriptionPaused,
    21 => SubscriptionResumed,
    22 => SubscriptionSought,
    23 => AgentsPaused,
    24 => AgentsResumed,
    30 => DeliveryLeased,
    31 => DeliveryExtended,
    32 => DeliveryAcked,
    33 => DeliveryFailed,
    34 => DeliveryAnsweredLate,
    35 => DeliveryExpired,
    36 => DeliveryParked,
    37 => CursorMoved,
    40 => DeadLetterOpened,
    41 => DeadLetterEdited,
    42 => DeadLetterReplayed,
    43 => DeadLetterResolved,
    44 => DeadLetterArchived,
    45 => DeadLetterRestored,
    60 => NodeStarted,
    61 => ClockJumped,
}

/// How an `Arc` is stored: as what it points to.
mod shared {
    use super::*;

    pub(super) fn encode<C, W: minicbor::encode::Write>(
        event: &Arc<Event>,
        e: &mut minicbor::Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        event.as_ref().encode(e, ctx)
    }

    pub(super) fn decode<'b, C>(
        d: &mut minicbor::Decoder<'b>,
        ctx: &mut C,
    ) -> Result<Arc<Event>, minicbor::decode::Error> {
        Event::decode(d, ctx).map(Arc::new)
    }
}

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

/// A topic was declared, or declared anew, or made by its first publish.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TopicDeclared {
    /// Which.
    #[n(0)]
    pub name: TopicName,
    /// What.
    #[n(1)]
    pub definition: Topic,
    /// Who.
    #[n(2)]
    pub actor: Text,
}

/// A topic's declaration was taken away; its events stay.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct TopicRemoved {
    /// Which.
    #[n(0)]
    pub name: TopicName,
    /// Who.
    #[n(1)]
    pub actor: Text,
}

/// An agent was declared or registered, or declared anew.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AgentDeclared {
    /// Which.
    #[n(0)]
    pub name: AgentName,
    /// What.
    #[n(1)]
    pub definition: Agent,
    /// Who.
    #[n(2)]
    pub actor: Text,
}

/// An agent was taken away.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AgentRemoved {
    /// Which.
    #[n(0)]
    pub name: AgentName,
    /// Who.
    #[n(1)]
    pub actor: Text,
}

/// An agent showed itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct AgentSeen {
    /// Which.
    #[n(0)]
    pub name: AgentName,
}

/// A subscription was declared, or declared anew.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SubscriptionDeclared {
    /// Its number.
    #[n(0)]
    pub number: u32,
    /// Its id.
    #[n(1)]
    pub id: SubscriptionId,
    /// What.
    #[n(2)]
    pub definition: Subscription,
    /// Where it starts when it is new: behind this position.
    #[n(3)]
    pub after: Position,
    /// Who.
    #[n(4)]
    pub actor: Text,
}

/// A subscription was taken away, with what it had open; its dead letters stay.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SubscriptionRemoved {
    /// Its number.
    #[n(0)]
    pub number: u32,
    /// Who.
    #[n(1)]
    pub actor: Text,
}

/// A set of definitions was installed; the facts before this one say what changed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct DefinitionsInstalled {
    /// The hash of the whole set.
    #[n(0)]
    pub hash: Text,
    /// Where it came from: a file's name, or `api`.
    #[n(1)]
    pub source: Text,
    /// Who.
    #[n(2)]
    pub actor: Text,
    /// How many definitions were added, changed and removed.
    #[n(3)]
    pub changes: (u32, u32, u32),
}

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
}

/// The server started.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct NodeStarted {
    /// Which start it is, counting from one.
    #[n(0)]
    pub epoch: u32,
    /// Which version.
    #[n(1)]
    pub version: Text,
    /// What the wall clock said.
    #[n(2)]
    pub wall: Timestamp,
}

/// The wall clock jumped by more than a second.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ClockJumped {
    /// By how many milliseconds.
    #[n(0)]
    pub by_ms: i64,
    /// What it says now.
    #[n(1)]
    pub wall: Timestamp,
}
