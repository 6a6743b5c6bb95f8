//! Definitions: everything that can be declared, as it travels in JSON and stands in the file.
//!
//! Read `name` and `duration` (the words of one kind), then `topic`, `agent`, `subscription`, `action`, `retry`, `breaker` and `rate`
//! (what is declared), and `server` (how the process behaves). Every type refuses unknown keys and out-of-bounds
//! values when it is read, so whoever holds one can trust it.

mod action;
mod agent;
mod breaker;
mod confinement;
mod duration;
mod exec;
mod name;
mod rate;
mod retry;
mod server;
mod size;
mod subscription;
mod topic;
mod url;
mod webhook;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use action::{Action, Inbox, Pause, PauseUntil, Publish, ValueText};
pub use agent::Agent;
pub use breaker::{Breaker, BreakerPolicy};
pub use confinement::{ExecLimits, Network, Sandbox};
pub use duration::{Duration, InvalidDuration};
pub use exec::{Announce, Exec, OnSuccess, Stdin, SuccessData};
pub use name::{
    AgentName, AgentPattern, EventType, HookName, InvalidName, SubscriptionName, TopicName, TopicPattern,
};
pub use rate::{InvalidRate, Rate};
pub use retry::{
    Backoff, FailureClass, InvalidFailureClass, OutOfBounds, Retry, RetryPolicy, RetryPolicyParts,
};
pub use server::{Dedupe, Hook, Limits, Permission, Reach, Retention, Server, Token, Webhooks};
pub use size::{InvalidSize, Size};
pub use subscription::{AfterDeadLetter, InvalidStart, Order, Start, Subscription};
pub use topic::{Topic, Validation};
pub use url::{InvalidUrl, UrlHost, WebhookUrl};
pub use webhook::{
    HeaderKey, HeaderTemplate, InvalidHeader, InvalidVariable, Variable, Webhook, WebhookMode,
};

/// Everything a file, or a call to the definitions interface, declares.
///
/// Sections are maps by id. Named retry policies stay visible here, while a loader replaces their names in
/// subscriptions by the policy itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definitions {
    /// The name of the whole, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Retry policies that subscriptions may name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub retry_policies: BTreeMap<String, RetryPolicy>,
    /// Topics by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub topics: BTreeMap<TopicName, Topic>,
    /// Agents by address.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub agents: BTreeMap<AgentName, Agent>,
}

impl Definitions {
    /// Returns every subscription with its agent, in the order of agents and then of their lists.
    pub fn subscriptions(&self) -> impl Iterator<Item = (&AgentName, &Subscription)> {
        self.agents.iter().flat_map(|(name, agent)| {
            agent.subscriptions.iter().map(move |subscription| (name, subscription))
        })
    }

    /// Returns the policy a subscription follows: its own, the one it names, or the defaults. `None` when it names
    /// one that is not declared.
    pub fn retry_policy(&self, subscription: &Subscription) -> Option<RetryPolicy> {
        match &subscription.retry {
            None => Some(RetryPolicy::default()),
            Some(Retry::Inline(policy)) => Some(policy.clone()),
            Some(Retry::Named(name)) => self.retry_policies.get(name).cloned(),
        }
    }
}
