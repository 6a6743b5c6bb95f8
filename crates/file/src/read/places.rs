//! Places: where the parts of a definition stand, for checks that look at all of them together.

use cantus_api::definition::AgentName;

use crate::source::Span;

/// Where an agent and its parts stand. The lists go along with the lists of the agent.
#[derive(Debug)]
pub(crate) struct AgentPlaces {
    pub agent: AgentName,
    pub name: Span,
    pub publishes: Vec<Span>,
    pub handles: Vec<Span>,
    pub subscriptions: Vec<SubscriptionPlaces>,
}

/// Where a subscription and its parts stand.
#[derive(Debug)]
pub(crate) struct SubscriptionPlaces {
    pub whole: Span,
    pub name: Option<Span>,
    pub topics: Vec<Span>,
    pub filter: Option<Span>,
    /// Where the program stands, for an exec action.
    pub program: Option<Span>,
    /// Where the prompt would be missed: `stdin: prompt` without a prompt of the action.
    pub wants_prompt: Option<Span>,
    /// Where the type of `on_success` or of a published event stands.
    pub produces: Option<Span>,
}
