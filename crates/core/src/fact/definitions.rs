//! Facts 10–19: definitions.

use minicbor::{Decode, Encode};

use crate::agent::{Agent, AgentName};
use crate::ids::Position;
use crate::subscription::{Subscription, SubscriptionId};
use crate::text::Text;
use crate::topic::{Topic, TopicName};

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
