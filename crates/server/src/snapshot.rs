//! All definitions as they are installed, at one version: what a plan is compared with and an export is made of.

use std::collections::BTreeMap;
use std::ops::Bound;

use cantus_core::agent::{Agent, AgentName};
use cantus_core::hash;
use cantus_core::subscription::{Subscription, SubscriptionId};
use cantus_core::topic::{Topic, TopicName};
use cantus_runtime::{Failed, Handle};
use serde_json::{Map, Value, json};

use crate::convert::installed;

/// How many definitions are copied in one visit of the turn.
const VISIT: usize = 2_000;
/// How often a reading is begun anew because definitions changed meanwhile.
const TRIES_MAX: usize = 8;

/// All definitions at one version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// The version.
    pub(crate) version: u64,
    /// Declared topics.
    pub(crate) topics: BTreeMap<TopicName, Topic>,
    /// Agents.
    pub(crate) agents: BTreeMap<AgentName, Agent>,
    /// Subscriptions.
    pub(crate) subscriptions: BTreeMap<SubscriptionId, Subscription>,
}

/// Reads all definitions, in visits that the turn can afford.
///
/// # Errors
/// When the runtime does not answer, or they change all the time.
pub(crate) async fn take(handle: &Handle) -> Result<Snapshot, Failed> {
    for _ in 0..TRIES_MAX {
        let before = handle.read(|coordinator, _| coordinator.state.meta.definitions).await?;
        let snapshot = Snapshot {
            version: before,
            topics: topics(handle).await?,
            agents: agents(handle).await?,
            subscriptions: subscriptions(handle).await?,
        };
        let after = handle.read(|coordinator, _| coordinator.state.meta.definitions).await?;
        if before == after {
            return Ok(snapshot);
        }
    }
    Err(Failed::Overloaded)
}

async fn topics(handle: &Handle) -> Result<BTreeMap<TopicName, Topic>, Failed> {
    let (mut all, mut after) = (BTreeMap::new(), None::<TopicName>);
    loop {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = handle.read(move |coordinator, _| {
            let topics = coordinator.state.topics.range::<TopicName, _>((from, Bound::Unbounded)).take(VISIT);
            topics.map(|(name, it)| (name.clone(), it.definition.clone(), it.removed)).collect::<Vec<_>>()
        });
        let page = page.await?;
        after = page.last().map(|(name, ..)| name.clone());
        let full = page.len() == VISIT;
        // A topic that its first event made was declared by nobody.
        let declared = page.into_iter().filter(|(_, topic, removed)| topic.declared && !removed);
        all.extend(declared.map(|(name, topic, _)| (name, topic)));
        if !full {
            return Ok(all);
        }
    }
}

async fn agents(handle: &Handle) -> Result<BTreeMap<AgentName, Agent>, Failed> {
    let (mut all, mut after) = (BTreeMap::new(), None::<AgentName>);
    loop {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = handle.read(move |coordinator, _| {
            let agents = coordinator.state.agents.range::<AgentName, _>((from, Bound::Unbounded)).take(VISIT);
            agents.map(|(name, it)| (name.clone(), it.definition.clone())).collect::<Vec<_>>()
        });
        let page = page.await?;
        after = page.last().map(|(name, _)| name.clone());
        let full = page.len() == VISIT;
        all.extend(page);
        if !full {
            return Ok(all);
        }
    }
}

async fn subscriptions(handle: &Handle) -> Result<BTreeMap<SubscriptionId, Subscription>, Failed> {
    let (mut all, mut after) = (BTreeMap::new(), None::<SubscriptionId>);
    loop {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = handle.read(move |coordinator, _| {
            let state = &coordinator.state;
            let numbers = state.subscription_numbers.range((from, Bound::Unbounded)).take(VISIT);
            let found = numbers.filter_map(|(id, number)| {
                Some((id.clone(), state.subscriptions.get(number)?.definition().clone()))
            });
            found.collect::<Vec<_>>()
        });
        let page = page.await?;
        after = page.last().map(|(id, _)| id.clone());
        let full = page.len() == VISIT;
        all.extend(page);
        if !full {
            return Ok(all);
        }
    }
}

impl Snapshot {
    /// Returns the definitions in the words of the file. Values of variables are `***`.
    pub(crate) fn document(&self) -> Value {
        let mut out = Map::new();
        if !self.topics.is_empty() {
            let topics = self.topics.iter().map(|(name, it)| (name.to_string(), installed::topic(it)));
            out.insert("topics".to_owned(), Value::Object(topics.collect()));
        }
        let mut agents: Map<String, Value> =
            self.agents.iter().map(|(name, it)| (name.to_string(), installed::agent(it))).collect();
        for (id, it) in &self.subscriptions {
            let mut subscription = installed::subscription(it);
            subscription["name"] = json!(id.name.as_str());
            // Where it took over from, and where it began, is history.
            if let Some(members) = subscription.as_object_mut() {
                members.remove("renamed_from");
            }
            let Some(agent) = agents.get_mut(id.agent.as_str()).and_then(Value::as_object_mut) else {
                continue;
            };
            let list = agent.entry("subscriptions").or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(subscription);
            }
        }
        if !agents.is_empty() {
            out.insert("agents".to_owned(), Value::Object(agents));
        }
        Value::Object(out)
    }

    /// Returns the hash of what the document says.
    pub(crate) fn hash(&self) -> String {
        format!("{:032x}", hash::parts(&[self.document().to_string().as_bytes()]))
    }
}
