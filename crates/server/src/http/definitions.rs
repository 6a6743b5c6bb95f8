//! Definitions: what is installed, with its hash and where it came from.

use std::ops::Bound;

use cantus_api::error::Problem;
use cantus_api::installed::{Definition, Definitions};
use cantus_core::agent::{Agent, AgentName, Origin};
use cantus_core::state::Meta;
use cantus_core::subscription::{Subscription, SubscriptionId};
use cantus_core::topic::{Topic, TopicName};
use serde_json::Value;

use super::answer;
use super::call::Call;
use super::route::{Answered, Route};
use crate::auth::Right;
use crate::convert::{installed, time};
use crate::problem::{self, Place};

/// How many definitions are copied in one visit of the turn.
const VISIT: usize = 2_000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/definitions", list)
            .right(Right::Consume)
            .summary("Lists what is installed: topics, agents, subscriptions.")
            .gives(200, "Definitions")
            .while_stopping(),
    ]
}

async fn list(call: Call) -> Answered {
    let failed = |failed| -> Box<Problem> { problem::of(failed, Place::Alone) };
    let handle = &call.app.handle;
    let meta = handle.read(|coordinator, _| coordinator.state.meta.clone()).await.map_err(failed)?;
    let mut items = Vec::new();
    let mut after: Option<TopicName> = None;
    loop {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let read = handle.read(move |coordinator, _| {
            let topics = coordinator.state.topics.range::<TopicName, _>((from, Bound::Unbounded)).take(VISIT);
            topics.map(|(name, it)| (name.clone(), it.definition.clone(), it.removed)).collect::<Vec<_>>()
        });
        let page: Vec<(TopicName, Topic, bool)> = read.await.map_err(failed)?;
        after = page.last().map(|(name, _, _)| name.clone());
        // A topic that its first event made was declared by nobody.
        let declared = page.iter().filter(|(_, topic, removed)| topic.declared && !removed);
        items.extend(declared.map(|(name, topic, _)| {
            definition("topic", name.to_string(), installed::topic(topic), Origin::File, &meta)
        }));
        if page.len() < VISIT {
            break;
        }
    }
    let mut after: Option<AgentName> = None;
    loop {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let read = handle.read(move |coordinator, _| {
            let agents = coordinator.state.agents.range::<AgentName, _>((from, Bound::Unbounded)).take(VISIT);
            agents.map(|(name, it)| (name.clone(), it.definition.clone())).collect::<Vec<_>>()
        });
        let page: Vec<(AgentName, Agent)> = read.await.map_err(failed)?;
        after = page.last().map(|(name, _)| name.clone());
        items.extend(page.iter().map(|(name, agent)| {
            definition("agent", name.to_string(), installed::agent(agent), agent.origin, &meta)
        }));
        if page.len() < VISIT {
            break;
        }
    }
    let mut after: Option<SubscriptionId> = None;
    loop {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let read = handle.read(move |coordinator, _| {
            let state = &coordinator.state;
            let numbers = state.subscription_numbers.range((from, Bound::Unbounded)).take(VISIT);
            let found = numbers.filter_map(|(id, number)| {
                Some((id.clone(), state.subscriptions.get(number)?.definition().clone()))
            });
            found.collect::<Vec<_>>()
        });
        let page: Vec<(SubscriptionId, Subscription)> = read.await.map_err(failed)?;
        after = page.last().map(|(id, _)| id.clone());
        items.extend(page.iter().map(|(id, it)| {
            definition("subscription", id.to_string(), installed::subscription(it), it.origin, &meta)
        }));
        if page.len() < VISIT {
            break;
        }
    }
    answer::ok(&Definitions { name: call.app.options.name.clone(), items })
}

fn definition(kind: &str, id: String, definition: Value, origin: Origin, meta: &Meta) -> Definition {
    let file = origin == Origin::File;
    Definition {
        kind: kind.to_owned(),
        id,
        hash: installed::content_hash(&definition),
        source: if file { meta.definitions_source.to_string() } else { "api".to_owned() },
        by: None,
        installed_at: file.then(|| time::text(meta.definitions_at)),
        position: None,
        definition,
    }
}
