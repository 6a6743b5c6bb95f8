//! How a set of definitions is put in force: what is new, what changed, what goes.

use std::collections::BTreeSet;

use super::decide::Decided;
use super::view::{Stop, View};
use crate::agent::{Agent, AgentName, Origin};
use crate::command::{Answer, Apply, Change, Install, Kind, What};
use crate::fact::{
    AgentDeclared, AgentRemoved, DefinitionsInstalled, Fact, SubscriptionRemoved, TopicDeclared, TopicRemoved,
};
use crate::refusal::Refusal;
use crate::subscription::{Place, Stage, State, Subscription, SubscriptionId, operate};
use crate::text::Text;
use crate::topic::{Topic, TopicName};

/// Who brings a set, and so what goes that is not in it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Brought {
    /// The file: what it declared before.
    File,
    /// A call: nothing.
    Call,
    /// A call that says that this is all there shall be: whatever a file or such a call declared.
    WholeByCall,
}

/// Decides what a file installs. What the file declared before and does not any more is taken away; what came by the
/// API stays. Events, dead letters and places of subscriptions that stay are untouched.
pub(super) fn decide(view: &View<'_>, install: &Install) -> Decided {
    let (facts, changes) = changes(view, install, Brought::File)?;
    let (added, changed, removed) = counts(&changes);
    Ok((facts, Answer::Installed(added, changed, removed)))
}

/// Decides what a call applies, or only says what it would change.
pub(super) fn apply(view: &View<'_>, apply: &Apply) -> Decided {
    if apply.expected.is_some_and(|expected| expected != view.state.meta.definitions) {
        return Err(Stop::Refused(Refusal::Stale));
    }
    let brought = if apply.prune { Brought::WholeByCall } else { Brought::Call };
    let (facts, changes) = changes(view, &apply.install, brought)?;
    let facts = if apply.dry_run { Vec::new() } else { facts };
    Ok((facts, Answer::Applied(changes)))
}

fn counts(changes: &[Change]) -> (u32, u32, u32) {
    let count = |what| changes.iter().filter(|change| change.what == what).count() as u32;
    (count(What::Added), count(What::Changed), count(What::Removed))
}

fn changes(view: &View<'_>, install: &Install, brought: Brought) -> Result<(Vec<Fact>, Vec<Change>), Stop> {
    let limit = view.limits.subscriptions_max;
    if install.subscriptions.len() > limit {
        return Err(Stop::Refused(Refusal::TooMany { what: "subscriptions", limit }));
    }
    let mut set = Set { view, install, brought, facts: Vec::new(), changes: Vec::new() };
    for (name, definition) in &install.topics {
        set.topic(name, definition);
    }
    for (name, definition) in &install.agents {
        set.agent(name, definition);
    }
    let kept = set.subscriptions()?;
    set.remove(&kept);
    let Set { mut facts, changes, .. } = set;
    if !facts.is_empty() || (brought == Brought::File && view.state.meta.definitions_hash != install.hash) {
        facts.push(Fact::from(DefinitionsInstalled {
            hash: install.hash.clone(),
            source: install.source.clone(),
            actor: install.actor.clone(),
            changes: counts(&changes),
        }));
    }
    Ok((facts, changes))
}

/// A set while it is compared with what is in force.
struct Set<'a> {
    view: &'a View<'a>,
    install: &'a Install,
    brought: Brought,
    facts: Vec<Fact>,
    changes: Vec<Change>,
}

impl Set<'_> {
    /// Whoever brought a definition first keeps it, also when a call changes it: so the file goes on to own what it
    /// declares.
    fn origin(&self, known: Option<Origin>) -> Origin {
        match self.brought {
            Brought::File => Origin::File,
            Brought::Call | Brought::WholeByCall => known.unwrap_or(Origin::Applied),
        }
    }

    fn note(&mut self, kind: Kind, id: impl Into<Text>, known: bool, effects: Vec<String>) {
        let what = if known { What::Changed } else { What::Added };
        let effects = effects.into_iter().map(Text::from).collect();
        self.changes.push(Change { kind, id: id.into(), what, effects });
    }

    fn topic(&mut self, name: &TopicName, definition: &Topic) {
        let known = self.view.state.topics.get(name);
        let origin =
            known.filter(|it| it.definition.declared && !it.removed).map(|it| topic_origin(&it.definition));
        let origin = self.origin(origin);
        let mut definition = definition.clone();
        definition.origin = (origin != Origin::File).then_some(origin);
        if known.is_some_and(|topic| topic.definition == definition && !topic.removed) {
            return;
        }
        let schemas = known.is_some_and(|it| it.definition.schemas != definition.schemas);
        let effects = schemas.then(|| "events published from now on must satisfy its schemas".to_owned());
        let declared = known.is_some_and(|it| it.definition.declared && !it.removed);
        self.note(Kind::Topic, name.text().clone(), declared, effects.into_iter().collect());
        let actor = self.install.actor.clone();
        self.facts.push(Fact::from(TopicDeclared { name: name.clone(), definition, actor }));
    }

    fn agent(&mut self, name: &AgentName, definition: &Agent) {
        let known = self.view.state.agents.get(name);
        let origin = self.origin(known.map(|it| it.definition.origin));
        let definition = Agent { origin, ..definition.clone() };
        if known.is_some_and(|agent| agent.definition == definition) {
            return;
        }
        self.note(Kind::Agent, name.text().clone(), known.is_some(), Vec::new());
        let actor = self.install.actor.clone();
        self.facts.push(Fact::from(AgentDeclared { name: name.clone(), definition, actor }));
    }

    /// Declares the subscriptions; returns the numbers of those that are in the set.
    fn subscriptions(&mut self) -> Result<BTreeSet<u32>, Stop> {
        let mut number_next = self.view.state.meta.subscription_next;
        let mut kept = BTreeSet::new();
        let declared = &self.install.subscriptions;
        for (id, definition, start) in declared {
            // Both would have the same place.
            let before = definition.renamed_from.as_ref();
            let before = before.map(|name| SubscriptionId { agent: id.agent.clone(), name: name.clone() });
            if let Some(before) = before.filter(|before| declared.iter().any(|(it, ..)| it == before)) {
                let (id, before) = (Text::from(id.to_string()), Text::from(before.to_string()));
                return Err(Stop::Refused(Refusal::RenamedFromKept { id, before }));
            }
            let known = operate::known(self.view, id, definition);
            let origin = self.origin(known.map(|it| it.definition().origin));
            let definition = Subscription { origin, ..definition.clone() };
            kept.extend(known.map(|it| it.number));
            let actor = &self.install.actor;
            let declared = operate::declare(self.view, id, &definition, *start, actor, &mut number_next)?;
            let Some(fact) = declared else { continue };
            let effects = match known {
                Some(known) => changed(known, &id.to_string(), &definition),
                None => vec![begins(&definition)],
            };
            kept.insert(fact.number);
            self.note(Kind::Subscription, id.to_string(), known.is_some(), effects);
            self.facts.push(Fact::from(fact));
        }
        Ok(kept)
    }

    fn goes(&self, origin: Origin) -> bool {
        match self.brought {
            Brought::File => origin == Origin::File,
            Brought::Call => false,
            Brought::WholeByCall => origin != Origin::Api,
        }
    }

    /// Takes away what is not in the set, as far as the set is all there shall be.
    fn remove(&mut self, kept: &BTreeSet<u32>) {
        let (state, actor) = (self.view.state, &self.install.actor);
        let removed = |kind, id: String, effects: Vec<String>| Change {
            kind,
            id: Text::from(id),
            what: What::Removed,
            effects: effects.into_iter().map(Text::from).collect(),
        };
        for number in state.subscription_numbers.values() {
            let it = &state.subscriptions[number];
            if self.goes(it.definition().origin) && !kept.contains(number) {
                let leaves = state.dead_letters.values().filter(|dead| dead.delivery.subscription == *number);
                self.changes.push(removed(Kind::Subscription, it.id.to_string(), gone(it, leaves.count())));
                let fact = SubscriptionRemoved { number: *number, actor: actor.clone() };
                self.facts.push(Fact::from(fact));
            }
        }
        let agents: BTreeSet<&AgentName> = self.install.agents.iter().map(|(name, _)| name).collect();
        for (name, agent) in &state.agents {
            if self.goes(agent.definition.origin) && !agents.contains(name) {
                self.changes.push(removed(Kind::Agent, name.to_string(), Vec::new()));
                self.facts.push(Fact::from(AgentRemoved { name: name.clone(), actor: actor.clone() }));
            }
        }
        let topics: BTreeSet<&TopicName> = self.install.topics.iter().map(|(name, _)| name).collect();
        for (name, topic) in &state.topics {
            let declared = topic.definition.declared && !topic.removed;
            if declared && self.goes(topic_origin(&topic.definition)) && !topics.contains(name) {
                let effects = vec![format!("its {} events stay", topic.events)];
                self.changes.push(removed(Kind::Topic, name.to_string(), effects));
                self.facts.push(Fact::from(TopicRemoved { name: name.clone(), actor: actor.clone() }));
            }
        }
    }
}

fn topic_origin(topic: &Topic) -> Origin {
    topic.origin.unwrap_or(Origin::File)
}

fn begins(definition: &Subscription) -> String {
    match definition.from {
        Place::End => "begins with the next event".to_owned(),
        Place::Start => "begins with the oldest event that is kept".to_owned(),
        Place::Time(time) => format!("begins with the first event since {}", time.rfc3339()),
        Place::After(position) => format!("begins behind {position}"),
    }
}

/// What a change means for what runs and waits.
fn changed(known: &State, id: &str, new: &Subscription) -> Vec<String> {
    let old = known.definition();
    let mut effects = vec!["keeps its place".to_owned()];
    if known.id.to_string() != id {
        effects.push(format!("takes over from {}", known.id));
    }
    if old.topics != new.topics || old.filter != new.filter {
        effects.push("events that were published so far are matched as before".to_owned());
    }
    let leased = known.leased();
    if old.action != new.action && leased > 0 {
        effects.push(format!("{leased} running attempts go on as they were begun"));
    }
    if old.order != new.order {
        effects.push(format!(
            "its line is made anew: order {} becomes {}",
            old.order.as_str(),
            new.order.as_str()
        ));
    }
    let retrying = known.open.values().filter(|open| matches!(open.stage, Stage::Retrying(_))).count();
    if old.retry != new.retry && retrying > 0 {
        effects.push(format!(
            "{retrying} retries keep their times; the new policy counts from their next failure"
        ));
    }
    effects
}

/// What is lost with a subscription.
fn gone(it: &State, dead_letters: usize) -> Vec<String> {
    let leased = it.leased();
    let mut effects = vec!["its place is lost".to_owned()];
    if leased > 0 {
        effects.push(format!("{leased} running attempts are ended"));
    }
    if it.open.len() > leased {
        effects.push(format!("{} deliveries that wait are dropped", it.open.len() - leased));
    }
    if dead_letters > 0 {
        effects.push(format!("{dead_letters} dead letters stay"));
    }
    effects
}
