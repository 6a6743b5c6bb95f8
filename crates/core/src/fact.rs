//! Facts: what the log says. Every fact there is, with its number.
//!
//! A number's meaning is frozen: new optional fields may come, a new meaning is a new number. Numbers are never
//! reused. The layouts are the `#[n(..)]` numbers of the fields, in CBOR; `docs/formats.md` lists them. There is a file
//! per ten numbers.

mod audit;
mod bulk;
mod dead_letters;
mod definitions;
mod deliveries;
mod events;
mod holds;
mod node;
mod retention;

use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::event::Event;
use crate::ids::Position;
use crate::time::Timestamp;

pub use audit::*;
pub use bulk::*;
pub use dead_letters::*;
pub use definitions::*;
pub use deliveries::*;
pub use events::*;
pub use holds::*;
pub use node::*;
pub use retention::*;

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

/// What a fact holds: itself, or for the few long ones a box. Facts are moved from hand to hand on their way to the disk, and
/// each is as long as the longest.
macro_rules! held {
    (TopicDeclared) => { Box<TopicDeclared> };
    (SubscriptionDeclared) => { Box<SubscriptionDeclared> };
    (DeliveryFailed) => { Box<DeliveryFailed> };
    (BulkStarted) => { Box<BulkStarted> };
    (CallAudited) => { Box<CallAudited> };
    ($name:ident) => { $name };
}

macro_rules! facts {
    ($($number:literal => $name:ident),+ $(,)?) => {
        /// What the log says.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Fact {
            $(#[doc = concat!("Fact ", stringify!($number), ".")] $name(held!($name)),)+
        }

        $(impl From<$name> for Fact {
            fn from(fact: $name) -> Fact {
                Fact::$name(fact.into())
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
                    $($number => minicbor::decode::<$name>(bytes).map(Fact::from).map_err(damaged),)+
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
    5 => EventsExpired,
    6 => TopicTrimmed,
    7 => EventsErased,
    8 => ErasureAdvanced,
    9 => GapDeclared,
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
    26 => BreakerOpened,
    27 => BreakerProbed,
    28 => BreakerClosed,
    29 => KeyReleased,
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
    50 => BulkStarted,
    51 => BulkProgressed,
    52 => BulkEnded,
    53 => DeliveryHastened,
    54 => DeliveryGivenUp,
    60 => NodeStarted,
    61 => ClockJumped,
    70 => CallAudited,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_fact_makes_all_others_long() {
        assert!(size_of::<Fact>() <= 160, "{} bytes: box the longest one", size_of::<Fact>());
    }
}
