//! Whom the feeder asks: every subscription's versions and lanes, in one index.

use std::collections::{BTreeMap, BTreeSet};

use cantus_core::agent::AgentName;
use cantus_core::event::{Event, EventSubject};
use cantus_core::fact::{Fact, Recorded};
use cantus_core::filter::{Filter, Index};
use cantus_core::numbered::Numbered;
use cantus_core::subscription::lanes::lane_of;
use cantus_core::subscription::{Subscription, SubscriptionId};
use cantus_core::topic::Pattern;
use cantus_core::{Position, State};

use super::inbox::Feeding;
use crate::admission::filter_of;

/// Whom the feeder asks.
pub(crate) struct Subjects {
    as_of: Position,
    subscriptions: Numbered<u32, Subject>,
    /// The newest version of each, by the equalities of its filter and topic.
    index: Index<u32>,
    /// Subscriptions of which older versions still count.
    versioned: BTreeSet<u32>,
    /// Lanes that are fed from the log: where they stand.
    behind: BTreeSet<(Position, u32, usize)>,
    /// Pauses that end with an event.
    pauses: BTreeMap<Position, (Vec<Pattern>, Filter)>,
    matching: Vec<u32>,
}

struct Subject {
    agent: AgentName,
    began: Position,
    versions: Vec<Version>,
    lanes: [Lane; 4],
}

struct Version {
    since: Position,
    definition: Subscription,
    filter: Filter,
}

#[derive(Clone, Copy, Default)]
struct Lane {
    round: u32,
    stand: Stand,
}

#[derive(Clone, Copy, Default)]
enum Stand {
    /// It is not fed.
    #[default]
    Stopped,
    /// It is fed from the log, from behind here.
    Behind(Position),
    /// It keeps up.
    Live,
}

impl Subjects {
    /// Takes what the state knows.
    pub(crate) fn of(state: &State) -> Self {
        let mut subjects = Self {
            as_of: state.position,
            subscriptions: Numbered::default(),
            index: Index::new(),
            versioned: BTreeSet::new(),
            behind: BTreeSet::new(),
            pauses: BTreeMap::new(),
            matching: Vec::new(),
        };
        for (number, subscription) in state.subscriptions.iter().filter(|(_, it)| !it.removed) {
            for version in &subscription.versions {
                let (id, began) = (&subscription.id, subscription.began);
                subjects.declare(*number, id, version.since, began, &version.definition);
            }
        }
        for (position, pause) in &state.pauses {
            if let Some(filter) = &pause.until_event {
                subjects.pauses.insert(*position, (pause.topics.clone(), filter_of(Some(filter))));
            }
        }
        subjects
    }

    pub(crate) fn as_of(&self) -> Position {
        self.as_of
    }

    /// Follows a fact that changes who is asked.
    pub(crate) fn follow(&mut self, recorded: &Recorded) {
        match &recorded.fact {
            Fact::SubscriptionDeclared(fact) => {
                self.declare(fact.number, &fact.id, recorded.position, fact.after, &fact.definition);
            }
            Fact::SubscriptionRemoved(fact) => self.remove(fact.number),
            Fact::SubscriptionSought(fact) => {
                if let Some(subject) = self.subscriptions.get_mut(&fact.number) {
                    subject.began = subject.began.min(fact.after);
                }
            }
            Fact::AgentsPaused(fact) => {
                if let Some(filter) = &fact.until_event {
                    self.pauses.insert(recorded.position, (fact.topics.clone(), filter_of(Some(filter))));
                }
            }
            Fact::AgentsResumed(fact) => {
                self.pauses.remove(&fact.pause);
            }
            _ => {}
        }
    }

    fn declare(
        &mut self,
        number: u32,
        id: &SubscriptionId,
        since: Position,
        began: Position,
        definition: &Subscription,
    ) {
        let filter = filter_of(definition.filter.as_ref());
        self.index.remove(&number);
        self.index.insert(number, with_topic(definition, &filter));
        let version = Version { since, definition: definition.clone(), filter };
        match self.subscriptions.get_mut(&number) {
            Some(subject) => {
                subject.agent = id.agent.clone();
                subject.versions.push(version);
                self.versioned.insert(number);
            }
            None => {
                let agent = id.agent.clone();
                let subject = Subject { agent, began, versions: vec![version], lanes: Default::default() };
                self.subscriptions.insert(number, subject);
            }
        }
    }

    fn remove(&mut self, number: u32) {
        self.index.remove(&number);
        self.versioned.remove(&number);
        self.subscriptions.remove(&number);
        self.behind.retain(|(_, behind, _)| *behind != number);
    }

    /// Changes how a lane is fed.
    pub(crate) fn feed(&mut self, feeding: Feeding) {
        let Some(subject) = self.subscriptions.get_mut(&feeding.subscription) else { return };
        let lane = &mut subject.lanes[feeding.lane];
        if feeding.round < lane.round {
            return;
        }
        if let Stand::Behind(position) = lane.stand {
            self.behind.remove(&(position, feeding.subscription, feeding.lane));
        }
        lane.round = feeding.round;
        lane.stand = match feeding.after {
            Some(position) => {
                self.behind.insert((position, feeding.subscription, feeding.lane));
                Stand::Behind(position)
            }
            None => Stand::Stopped,
        };
    }

    /// Finds the lanes that keep up and want an event.
    pub(crate) fn match_live(&mut self, position: Position, event: &Event, mut offer: impl FnMut(u32, u32)) {
        let subject = EventSubject::new(event);
        let mut matching = std::mem::take(&mut self.matching);
        matching.clear();
        self.index.matching(&subject, &mut matching);
        for number in &matching {
            let Some(known) = self.subscriptions.get(number) else { continue };
            let Some(version) = known.versions.last() else { continue };
            if !known.may_have(version, position, event) {
                continue;
            }
            let lane = known.lanes[lane_of(&version.definition, event.priority)];
            if matches!(lane.stand, Stand::Live) {
                offer(*number, lane.round);
            }
        }
        self.matching = matching;
    }

    /// Finds the lanes that are fed from the log and want an event.
    pub(crate) fn match_behind(
        &mut self,
        position: Position,
        event: &Event,
        mut offer: impl FnMut(u32, u32),
    ) {
        let subject = EventSubject::new(event);
        let mut matching = std::mem::take(&mut self.matching);
        matching.clear();
        self.index.matching(&subject, &mut matching);
        matching.extend(&self.versioned);
        matching.sort_unstable();
        matching.dedup();
        for number in &matching {
            let Some(known) = self.subscriptions.get(number) else { continue };
            let Some(newest) = known.versions.last() else { continue };
            let lane = known.lanes[lane_of(&newest.definition, event.priority)];
            if !matches!(lane.stand, Stand::Behind(after) if position > after) {
                continue;
            }
            let Some(version) = known.version_at(position) else { continue };
            // The index has judged by the newest version; an older one judges for itself.
            let by_index = known.versions.len() == 1;
            if known.may_have(version, position, event) && (by_index || version.filter.matches(&subject)) {
                offer(*number, lane.round);
            }
        }
        self.matching = matching;
    }

    /// Says that the log was read up to `reached` for the lanes that were behind it. Those that have come to `tail`
    /// keep up from now on.
    pub(crate) fn reached(
        &mut self,
        reached: Position,
        tail: Position,
        fed: &mut Vec<(u32, usize, u32, Position)>,
    ) {
        while let Some((position, number, index)) = self.behind.first().copied() {
            if position >= reached && reached < tail {
                return;
            }
            self.behind.pop_first();
            let Some(subject) = self.subscriptions.get_mut(&number) else { continue };
            let lane = &mut subject.lanes[index];
            let up_to = reached.max(position);
            fed.push((number, index, lane.round, up_to));
            if up_to >= tail {
                lane.stand = Stand::Live;
            } else {
                lane.stand = Stand::Behind(up_to);
                self.behind.insert((up_to, number, index));
            }
        }
    }

    pub(crate) fn has_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Returns where the lane stands that is furthest behind.
    pub(crate) fn furthest_behind(&self) -> Option<Position> {
        self.behind.first().map(|(position, ..)| *position)
    }

    /// Returns the only topic that lanes behind listen to, so that frames without it are passed over.
    pub(crate) fn only_topic_behind(&self) -> Option<String> {
        let mut only: Option<String> = None;
        for (_, number, _) in self.behind.iter().take(256) {
            for version in &self.subscriptions.get(number)?.versions {
                let [pattern] = version.definition.topics.as_slice() else { return None };
                let literal = pattern.literal()?;
                if only.as_deref().is_some_and(|only| only != literal) {
                    return None;
                }
                only = Some(literal.to_owned());
            }
        }
        only.filter(|_| self.behind.len() <= 256)
    }

    /// Returns how many lanes there are.
    pub(crate) fn lanes(&self) -> u64 {
        self.subscriptions.len() as u64 * 4
    }

    /// Lists the lanes that keep up, as read up to a position.
    pub(crate) fn live_lanes(
        &self,
        up_to: Position,
    ) -> impl Iterator<Item = (u32, usize, u32, Position)> + '_ {
        self.subscriptions.iter().flat_map(move |(number, subject)| {
            let lanes = subject.lanes.iter().enumerate();
            lanes
                .filter(|(_, lane)| matches!(lane.stand, Stand::Live))
                .map(move |(index, lane)| (*number, index, lane.round, up_to))
        })
    }

    /// Returns the pauses that an event ends.
    pub(crate) fn ended_pauses(&self, position: Position, event: &Event) -> Vec<Position> {
        if self.pauses.is_empty() {
            return Vec::new();
        }
        let subject = EventSubject::new(event);
        let awaiting = self.pauses.range(..position);
        let ended = awaiting.filter(|(_, (topics, filter))| {
            let here = topics.is_empty() || topics.iter().any(|topic| topic.matches(event.topic.as_str()));
            here && filter.matches(&subject)
        });
        ended.map(|(pause, _)| *pause).collect()
    }

    /// Returns where the oldest pause lies that ends with an event.
    pub(crate) fn oldest_awaiting_pause(&self) -> Option<Position> {
        self.pauses.keys().next().copied()
    }
}

impl Subject {
    /// Returns the version that judges an event.
    fn version_at(&self, position: Position) -> Option<&Version> {
        let newest_first = self.versions.iter().rev();
        newest_first.clone().find(|version| version.since < position).or_else(|| self.versions.first())
    }

    /// Tells whether an event is within the subscription's reach, its filter apart.
    fn may_have(&self, version: &Version, position: Position, event: &Event) -> bool {
        position > self.began
            && event.to.as_ref().is_none_or(|to| *to == self.agent)
            && version.definition.topics.iter().any(|pattern| pattern.matches(event.topic.as_str()))
    }
}

/// Adds a subscription's only topic to its filter, so that the index can tell by it.
fn with_topic(definition: &Subscription, filter: &Filter) -> Filter {
    let [pattern] = definition.topics.as_slice() else { return filter.clone() };
    let Some(topic) = pattern.literal() else { return filter.clone() };
    let declared: serde_json::Value = match &definition.filter {
        Some(declared) => serde_json::from_str(declared).unwrap_or(serde_json::Value::Null),
        None => serde_json::Value::Null,
    };
    let joined = match declared {
        serde_json::Value::Null => serde_json::json!({ "exact": { "topic": topic } }),
        declared => serde_json::json!([{ "exact": { "topic": topic } }, declared]),
    };
    // A filter so long that it has no room for one more clause stands by itself.
    Filter::compile(&joined).unwrap_or_else(|_| filter.clone())
}
