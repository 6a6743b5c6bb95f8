//! What is declared of an agent, and when it was last heard of.

use minicbor::{Decode, Encode};

use crate::text::Text;
use crate::time::{Span, Timestamp};

/// An agent's being seen is written down at most once per step, so that polling does not fill the log.
pub const SEEN_STEP: Span = Span::seconds(30);

/// What is declared of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Agent {
    /// For people and other agents.
    #[n(0)]
    pub description: Option<Text>,
    /// Event types it says it publishes.
    #[n(1)]
    pub publishes: Vec<Text>,
    /// Command types it takes.
    #[n(2)]
    pub handles: Vec<Text>,
    /// Instructions for a language model, when it is one.
    #[n(3)]
    pub prompt: Option<Text>,
    /// Who brought it.
    #[n(4)]
    pub origin: Origin,
}

/// Who brought a definition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Origin {
    /// The file.
    #[default]
    #[n(0)]
    File,
    /// A call to the API.
    #[n(1)]
    Api,
    /// A set that a call applied.
    #[n(2)]
    Applied,
}

/// An agent as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct State {
    /// What is declared.
    #[n(0)]
    pub definition: Agent,
    /// When it last pulled, answered or sent a heartbeat, to within [`SEEN_STEP`].
    #[n(1)]
    pub last_seen: Option<Timestamp>,
    /// Events it published.
    #[n(2)]
    pub published: u64,
    /// Deliveries it acknowledged.
    #[n(3)]
    pub consumed: u64,
    /// When it was last asked to do something it has not yet answered, by a lease that then ended.
    #[n(4)]
    pub lease_ended_at: Option<Timestamp>,
}

/// How alive an agent is. An exec or publish action is always within reach; a pulling agent must show itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Liveness {
    /// Nobody has heard of it yet.
    NeverSeen,
    /// Heard of within the last minute and a half, or run by us.
    Online,
    /// Holds a delivery longer than its lease's half without a word.
    Slow,
    /// Not heard of for a while; it may come back.
    Silent,
    /// A lease of it ended without an answer and nothing was heard since.
    Dead,
}

impl State {
    /// Creates the state of a newly declared agent.
    pub fn new(definition: Agent) -> Self {
        Self { definition, last_seen: None, published: 0, consumed: 0, lease_ended_at: None }
    }

    /// Judges a pulling agent. `oldest_half_spent` tells whether it holds a lease that is more than half over.
    pub fn liveness(&self, now: Timestamp, oldest_half_spent: bool) -> Liveness {
        let Some(seen) = self.last_seen else { return Liveness::NeverSeen };
        if self.lease_ended_at.is_some_and(|ended| ended >= seen) {
            return Liveness::Dead;
        }
        if oldest_half_spent {
            return Liveness::Slow;
        }
        // Three steps: one may be missed without alarm.
        if now.since(seen) > Span(SEEN_STEP.0 * 3) { Liveness::Silent } else { Liveness::Online }
    }
}
