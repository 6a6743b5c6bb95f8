//! How a whole set of definitions is put in force: what is new, what changed, what goes.

use std::collections::BTreeSet;

use super::decide::Decided;
use super::view::{Stop, View};
use crate::agent::{AgentName, Origin};
use crate::command::{Answer, Install};
use crate::fact::{
    AgentDeclared, AgentRemoved, DefinitionsInstalled, Fact, SubscriptionRemoved, TopicDeclared, TopicRemoved,
};
use crate::refusal::Refusal;
use crate::subscription::operate;

/// Decides an installation. What the file declared before and does not any more is taken away; what came by the API
/// stays. Events, dead letters and places of subscriptions that stay are untouched.
pub(super) fn decide(view: &View<'_>, install: &Install) -> Decided {
    let (mut facts, mut added, mut changed, mut removed) = (Vec::new(), 0u32, 0u32, 0u32);
    let limit = view.limits.subscriptions_max;
    if install.subscriptions.len() > limit {
        return Err(Stop::Refused(Refusal::TooMany { what: "subscriptions", limit }));
    }
    for (name, definition) in &install.topics {
        let known = view.state.topics.get(name);
        if known.is_some_and(|topic| topic.definition == *definition && !topic.removed) {
            continue;
        }
        if known.is_none() {
            added += 1
        } else {
            changed += 1
        }
        let (name, definition, actor) = (name.clone(), definition.clone(), install.actor.clone());
        facts.push(Fact::from(TopicDeclared { name, definition, actor }));
    }
    for (name, definition) in &install.agents {
        let known = view.state.agents.get(name);
        if known.is_some_and(|agent| agent.definition == *definition) {
            continue;
        }
        if known.is_none() {
            added += 1
        } else {
            changed += 1
        }
        let (name, definition, actor) = (name.clone(), definition.clone(), install.actor.clone());
        facts.push(Fact::from(AgentDeclared { name, definition, actor }));
    }
    let mut number_next = view.state.meta.subscription_next;
    let mut kept = BTreeSet::new();
    for (id, definition, start) in &install.subscriptions {
        let known = view.state.subscription(id).is_some();
        let before = number_next;
        if let Some(fact) = operate::declare(view, id, definition, *start, &install.actor, &mut number_next)?
        {
            if before == number_next {
                changed += 1
            } else {
                added += 1
            }
            kept.insert(fact.number);
            facts.push(Fact::from(fact));
        } else if known {
            kept.extend(view.state.subscription_numbers.get(id));
        }
    }
    for number in view.state.subscription_numbers.values() {
        let from_file = view.state.subscriptions[number].definition().origin == Origin::File;
        if from_file && !kept.contains(number) {
            removed += 1;
            facts.push(Fact::from(SubscriptionRemoved { number: *number, actor: install.actor.clone() }));
        }
    }
    let agents: BTreeSet<&AgentName> = install.agents.iter().map(|(name, _)| name).collect();
    for (name, agent) in &view.state.agents {
        if agent.definition.origin == Origin::File && !agents.contains(name) {
            removed += 1;
            facts.push(Fact::from(AgentRemoved { name: name.clone(), actor: install.actor.clone() }));
        }
    }
    for (name, topic) in &view.state.topics {
        let declared = topic.definition.declared && !topic.removed;
        if declared && !install.topics.iter().any(|(kept, _)| kept == name) {
            removed += 1;
            facts.push(Fact::from(TopicRemoved { name: name.clone(), actor: install.actor.clone() }));
        }
    }
    if !facts.is_empty() || view.state.meta.definitions_hash != install.hash {
        facts.push(Fact::from(DefinitionsInstalled {
            hash: install.hash.clone(),
            source: install.source.clone(),
            actor: install.actor.clone(),
            changes: (added, changed, removed),
        }));
    }
    Ok((facts, Answer::Installed(added, changed, removed)))
}
