//! What there is, and how it follows the facts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cantus_core::agent::{AgentName, AgentPattern};
use cantus_core::bulk_operation::{self, Items, Pace};
use cantus_core::dead_letter::Status;
use cantus_core::event::Event;
use cantus_core::fact::{Fact, Receipt, Recorded};
use cantus_core::ids::{BulkId, DeadLetterId, DeliveryId};
use cantus_core::subscription::{AfterDeadLetter, Subscription, SubscriptionId};
use cantus_core::topic::Topic;
use cantus_core::{Position, Text, Timestamp};

use super::delivery::{Delivery, End, Stage};
use super::ledger::{Identity, identity_of};
use crate::events;

/// What is true, as far as the log was followed.
#[derive(Default)]
pub(crate) struct Model {
    /// The last position followed.
    pub(crate) end: Position,
    /// Its log time.
    pub(crate) at: Timestamp,
    pub(crate) epoch: u32,
    pub(crate) topics: BTreeMap<Text, Topic>,
    pub(crate) agents: BTreeSet<AgentName>,
    pub(crate) subscriptions: BTreeMap<u32, Sub>,
    pub(crate) events: BTreeMap<Position, Published>,
    /// Accepted, and not published yet.
    pub(crate) deferred: BTreeMap<Position, Arc<Event>>,
    /// Where an identity was last accepted, when, and with which content; and how often it is stored.
    pub(crate) identities: BTreeMap<Identity, Seen>,
    /// How far each stream had got, and where.
    pub(crate) streams: BTreeMap<Text, Vec<(Position, u64)>>,
    pub(crate) requests: BTreeMap<u128, Vec<(Timestamp, u64, Vec<Receipt>)>>,
    pub(crate) pauses: BTreeMap<Position, Parked>,
    pub(crate) dead_letters: BTreeMap<DeadLetterId, Dead>,
    /// Per topic, up to where its events have gone.
    pub(crate) trimmed: BTreeMap<Text, Position>,
    /// Events that a later one of their key has replaced.
    pub(crate) superseded: BTreeSet<Position>,
    /// Bulk operations that run.
    pub(crate) bulks: BTreeMap<BulkId, Bulk>,
    /// Every lease there was.
    pub(crate) settled: BTreeMap<DeliveryId, Vec<(u32, Settled)>>,
}

/// A published event.
pub(crate) struct Published {
    /// When it was recorded.
    pub(crate) at: Timestamp,
    pub(crate) event: Arc<Event>,
    pub(crate) content: u64,
    pub(crate) only: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) position: Position,
    pub(crate) at: Timestamp,
    pub(crate) content: u64,
    pub(crate) copies: u64,
}

pub(crate) struct Parked {
    pub(crate) agents: Vec<AgentPattern>,
    pub(crate) by: Text,
    pub(crate) until: Option<Timestamp>,
}

/// How an attempt ended, as the log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Acked,
    Failed(Option<Timestamp>),
}

/// A bulk operation that runs.
#[derive(Clone, Debug)]
pub(crate) struct Bulk {
    pub(crate) action: bulk_operation::Action,
    pub(crate) items: Items,
    pub(crate) pace: Pace,
    /// The next item's place, and when its turn comes.
    pub(crate) next: u32,
    pub(crate) due: Timestamp,
    /// Items since the last rest.
    pub(crate) burst: u32,
}

/// A dead letter.
#[derive(Clone, Debug)]
pub(crate) struct Dead {
    pub(crate) delivery: DeliveryId,
    pub(crate) status: Status,
    pub(crate) replaying: Option<DeliveryId>,
    pub(crate) event: Arc<Event>,
    pub(crate) edit: Option<Position>,
    /// The key that waits for a person because of it.
    pub(crate) holds: Option<u64>,
}

/// A subscription.
pub(crate) struct Sub {
    pub(crate) id: SubscriptionId,
    /// What was declared, and behind which position it matches.
    pub(crate) versions: Vec<(Position, Subscription)>,
    /// Events up to here were never its business.
    pub(crate) began: Position,
    /// Events up to here that nobody got are skipped.
    pub(crate) place: Position,
    /// Where the order was last changed.
    pub(crate) reordered: Position,
    pub(crate) pause: Option<Option<Timestamp>>,
    pub(crate) removed: bool,
    pub(crate) deliveries: BTreeMap<(Position, u16), Delivery>,
    /// What it was told that it lost: from, to, the topic.
    pub(crate) lost: Vec<(Position, Position, Text)>,
}

impl Sub {
    pub(crate) fn definition(&self) -> &Subscription {
        &self.versions.last().expect("it begins with its first version").1
    }

    /// Tells whether an event is its business, by the definition in force at its position.
    pub(crate) fn wants(&self, position: Position, published: &Published) -> bool {
        let event = &published.event;
        let in_force = self.versions.iter().rev().find(|(since, _)| *since < position);
        let (_, definition) = in_force.unwrap_or(&self.versions[0]);
        position > self.began
            && published.only.is_none()
            && event.to.as_ref().is_none_or(|to| *to == self.id.agent)
            && definition.topics.iter().any(|pattern| pattern.matches(event.topic.as_str()))
            && definition.filter.as_ref().is_none_or(|filter| *filter == events::filter(&event.event_type))
    }

    /// Counts the leases in workers' hands.
    pub(crate) fn leased(&self) -> usize {
        self.deliveries.values().filter(|it| matches!(it.stage, Stage::Leased { .. })).count()
    }

    /// Drops what is open behind a place, and forgets what was done there: a seek.
    fn set_back(&mut self, after: Position) {
        self.deliveries
            .retain(|(position, _), it| *position <= after || (it.replay_of.is_some() && !it.is_closed()));
        self.began = self.began.min(after);
        self.place = after;
    }
}

impl Model {
    /// Returns a subscription by its id.
    pub(crate) fn subscription(&self, id: &SubscriptionId) -> Option<(u32, &Sub)> {
        let mut all = self.subscriptions.iter().filter(|(_, it)| !it.removed);
        all.find(|(_, it)| it.id == *id).map(|(number, it)| (*number, it))
    }

    /// Returns a delivery.
    pub(crate) fn delivery(&self, id: DeliveryId) -> Option<&Delivery> {
        self.subscriptions.get(&id.subscription)?.deliveries.get(&(id.position, id.generation))
    }

    /// Returns the revision of a stream.
    pub(crate) fn revision(&self, stream: &Text) -> u64 {
        self.streams.get(stream).and_then(|history| history.last()).map_or(0, |(_, revision)| *revision)
    }

    /// Returns the events that are a subscription's business and that nobody skipped, in order, without those that have
    /// gone before it got them.
    pub(crate) fn owed<'a>(&'a self, sub: &'a Sub) -> impl Iterator<Item = (Position, &'a Published)> + 'a {
        let behind = self.events.range(sub.place.next()..).filter(|(position, it)| sub.wants(**position, it));
        let there = behind.filter(|(position, it)| {
            !self.is_gone(**position, &it.event) || sub.deliveries.contains_key(&(**position, 0))
        });
        there.map(|(position, it)| (*position, it))
    }

    /// Tells whether an event has gone: its retention is over, or a later one has its key.
    pub(crate) fn is_gone(&self, position: Position, event: &Event) -> bool {
        self.is_trimmed(position, event) || self.superseded.contains(&position)
    }

    /// Tells whether the retention of an event is over.
    pub(crate) fn is_trimmed(&self, position: Position, event: &Event) -> bool {
        self.trimmed.get(event.topic.text()).is_some_and(|through| position <= *through)
    }

    /// Returns the events of a topic up to a place that are there still.
    pub(crate) fn kept<'a>(
        &'a self,
        topic: &'a Text,
        through: Position,
    ) -> impl Iterator<Item = (Position, &'a Published)> + 'a {
        let all = self.events.range(..=through).filter(move |(_, it)| it.event.topic.text() == topic);
        let there = all.filter(|(position, it)| !self.is_gone(**position, &it.event));
        there.map(|(position, it)| (*position, it))
    }

    /// Tells whether somebody still needs what lies at a place: a delivery that is open, or a dead letter.
    pub(crate) fn is_pinned(&self, position: Position) -> bool {
        let dead = |(id, dead): (&DeadLetterId, &Dead)| {
            id.0 == position || dead.edit == Some(position) || dead.delivery.position == position
        };
        let open = |sub: &Sub| {
            let mut slots = sub.deliveries.range((position, 0)..=(position, u16::MAX));
            slots.any(|(_, it)| !it.is_closed())
        };
        self.deferred.contains_key(&position)
            || self.dead_letters.iter().any(dead)
            || self.subscriptions.values().any(open)
    }

    /// Returns the events of a topic that a compaction up to a place replaces: a later one up to there has their key.
    pub(crate) fn replaced(&self, topic: &Text, through: Position) -> Vec<Position> {
        let mut last: BTreeMap<&Text, Position> = BTreeMap::new();
        let mut replaced = Vec::new();
        for (position, it) in self.kept(topic, through) {
            let Some(key) = &it.event.partition_key else { continue };
            // What somebody still needs stays.
            replaced.extend(last.insert(key, position).filter(|before| !self.is_pinned(*before)));
        }
        replaced
    }

    /// Tells whether somebody parks an agent.
    pub(crate) fn is_parked(&self, agent: &AgentName) -> bool {
        self.pauses.values().any(|pause| {
            *pause.by != *agent.as_str() && pause.agents.iter().any(|pattern| pattern.matches(agent))
        })
    }

    fn delivery_mut(&mut self, id: DeliveryId) -> Option<&mut Delivery> {
        self.subscriptions.get_mut(&id.subscription)?.deliveries.get_mut(&(id.position, id.generation))
    }

    fn remember(&mut self, position: Position, at: Timestamp, content: u64, event: &Event) {
        let seen =
            self.identities.entry(identity_of(event)).or_insert(Seen { position, at, content, copies: 0 });
        (seen.position, seen.at, seen.content) = (position, at, content);
        seen.copies += 1;
    }

    /// Follows a fact.
    pub(crate) fn follow(&mut self, recorded: &Recorded) {
        let (position, at) = (recorded.position, recorded.at);
        match &recorded.fact {
            Fact::EventPublished(fact) => {
                match fact.deferred_at {
                    Some(deferred) => drop(self.deferred.remove(&deferred)),
                    None => self.remember(position, at, fact.content, &fact.event),
                }
                self.topics.entry(fact.event.topic.text().clone()).or_default();
                if let (Some(stream), Some(revision)) = (&fact.event.stream, fact.revision) {
                    self.streams.entry(stream.clone()).or_default().push((position, revision));
                }
                let (event, content) = (fact.event.clone(), fact.content);
                let published = Published { at, event, content, only: fact.only };
                self.events.insert(position, published);
            }
            Fact::EventDeferred(fact) => {
                self.remember(position, at, fact.content, &fact.event);
                self.topics.entry(fact.event.topic.text().clone()).or_default();
                self.deferred.insert(position, fact.event.clone());
            }
            Fact::EventLost(fact) => drop(self.deferred.remove(&fact.deferred_at)),
            Fact::RequestAnswered(fact) => {
                let key = (u128::from(fact.key_high) << 64) | u128::from(fact.key_low);
                self.requests.entry(key).or_default().push((at, fact.fingerprint, fact.receipts.clone()));
            }
            Fact::TopicDeclared(fact) => {
                self.topics.insert(fact.name.text().clone(), fact.definition.clone());
            }
            Fact::TopicRemoved(fact) => drop(self.topics.remove(fact.name.text())),
            Fact::AgentDeclared(fact) => drop(self.agents.insert(fact.name.clone())),
            Fact::AgentRemoved(fact) => drop(self.agents.remove(&fact.name)),
            Fact::SubscriptionDeclared(fact) => self.declared(position, fact),
            Fact::SubscriptionRemoved(fact) => {
                if let Some(sub) = self.subscriptions.get_mut(&fact.number) {
                    (sub.removed, sub.pause) = (true, None);
                    sub.deliveries.clear();
                }
                for dead in self.dead_letters.values_mut() {
                    if dead.delivery.subscription == fact.number {
                        dead.holds = None;
                    }
                    if dead.replaying.is_some_and(|delivery| delivery.subscription == fact.number) {
                        (dead.status, dead.replaying) = (Status::Open, None);
                    }
                }
            }
            Fact::SubscriptionPaused(fact) => {
                if let Some(sub) = self.subscriptions.get_mut(&fact.number) {
                    sub.pause = Some(fact.until);
                }
            }
            Fact::SubscriptionResumed(fact) => {
                if let Some(sub) = self.subscriptions.get_mut(&fact.number) {
                    sub.pause = None;
                }
            }
            Fact::SubscriptionSought(fact) => {
                if let Some(sub) = self.subscriptions.get_mut(&fact.number) {
                    sub.set_back(fact.after);
                }
            }
            Fact::AgentsPaused(fact) => {
                let (agents, by, until) = (fact.agents.clone(), fact.by.clone(), fact.until);
                self.pauses.insert(position, Parked { agents, by, until });
            }
            Fact::AgentsResumed(fact) => drop(self.pauses.remove(&fact.pause)),
            Fact::NodeStarted(fact) => self.epoch = fact.epoch,
            Fact::EventsExpired(fact) => {
                if let Some(sub) = self.subscriptions.get_mut(&fact.number) {
                    sub.lost.push((fact.from, fact.to, fact.topic.text().clone()));
                }
            }
            Fact::TopicTrimmed(fact) => {
                let topic = fact.topic.text();
                if let Some(reach) = fact.compacted {
                    self.superseded.extend(self.replaced(topic, reach));
                }
                if let Some(through) = fact.through {
                    self.trimmed.insert(topic.clone(), through);
                }
            }
            _ => self.follow_delivery(recorded),
        }
        (self.end, self.at) = (position, at);
    }

    fn declared(&mut self, position: Position, fact: &cantus_core::fact::SubscriptionDeclared) {
        let Some(sub) = self.subscriptions.get_mut(&fact.number) else {
            let sub = Sub {
                id: fact.id.clone(),
                versions: vec![(fact.after, fact.definition.clone())],
                began: fact.after,
                place: fact.after,
                reordered: Position(0),
                pause: None,
                removed: false,
                deliveries: BTreeMap::new(),
                lost: Vec::new(),
            };
            self.subscriptions.insert(fact.number, sub);
            return;
        };
        let reordered = sub.definition().order != fact.definition.order;
        if reordered {
            sub.reordered = position;
        }
        if reordered || fact.definition.after_dead_letter == AfterDeadLetter::Continue {
            let all = self.dead_letters.values_mut();
            all.filter(|dead| dead.delivery.subscription == fact.number).for_each(|dead| dead.holds = None);
        }
        sub.id = fact.id.clone();
        sub.versions.push((position, fact.definition.clone()));
    }

    fn follow_delivery(&mut self, recorded: &Recorded) {
        let (position, at) = (recorded.position, recorded.at);
        match &recorded.fact {
            Fact::DeliveryLeased(fact) => {
                let id = fact.delivery;
                let Some(sub) = self.subscriptions.get_mut(&id.subscription) else { return };
                let new = || Delivery::new(fact.key);
                let it = sub.deliveries.entry((id.position, id.generation)).or_insert_with(new);
                it.stage = Stage::Leased { token: fact.token, since: at, deadline: fact.deadline };
                it.acquired += 1;
                it.key = fact.key;
                if it.first_leased == Position(0) {
                    it.first_leased = position;
                }
            }
            Fact::DeliveryExtended(fact) => {
                if let Some(Delivery { stage: Stage::Leased { deadline, .. }, .. }) =
                    self.delivery_mut(fact.delivery)
                {
                    *deadline = fact.deadline;
                }
            }
            Fact::DeliveryAcked(fact) => self.close(fact.delivery, End::Acked, Settled::Acked),
            Fact::DeliveryFailed(fact) => {
                let next = fact.attempt.next_at;
                if let Some(it) = self.delivery_mut(fact.delivery) {
                    it.failed += u32::from(fact.unspent != Some(true));
                    it.stage = next.map_or(Stage::Waiting, Stage::Retrying);
                    let attempt = it.acquired;
                    self.settled.entry(fact.delivery).or_default().push((attempt, Settled::Failed(next)));
                }
            }
            Fact::DeliveryExpired(fact) => {
                let id = fact.delivery;
                let Some(sub) = self.subscriptions.get_mut(&id.subscription) else { return };
                let new = || Delivery::new(None);
                let it = sub.deliveries.entry((id.position, id.generation)).or_insert_with(new);
                it.stage = Stage::Closed(End::Expired);
            }
            Fact::DeliveryParked(fact) => {
                let id = fact.delivery;
                let Some(sub) = self.subscriptions.get_mut(&id.subscription) else { return };
                let it = Delivery::new(fact.key);
                sub.deliveries.insert((id.position, id.generation), it);
            }
            _ => self.follow_dead_letter(recorded),
        }
    }

    fn close(&mut self, id: DeliveryId, end: End, settled: Settled) {
        if let Some(it) = self.delivery_mut(id) {
            it.stage = Stage::Closed(end);
            let attempt = it.acquired;
            self.settled.entry(id).or_default().push((attempt, settled));
        }
    }

    fn follow_dead_letter(&mut self, recorded: &Recorded) {
        let position = recorded.position;
        match &recorded.fact {
            Fact::DeadLetterOpened(fact) => {
                if let Some(it) = self.delivery_mut(fact.delivery) {
                    it.stage = Stage::Closed(End::Dead);
                }
                match fact.reopens.and_then(|id| self.dead_letters.get_mut(&id)) {
                    Some(dead) => (dead.status, dead.replaying) = (Status::Open, None),
                    None => {
                        let (delivery, event) = (fact.delivery, fact.event.clone());
                        let dead = Dead {
                            delivery,
                            status: Status::Open,
                            replaying: None,
                            event,
                            edit: None,
                            holds: fact.holds,
                        };
                        self.dead_letters.insert(DeadLetterId(position), dead);
                    }
                }
            }
            Fact::DeadLetterEdited(fact) => {
                if let Some(dead) = self.dead_letters.get_mut(&fact.id) {
                    (dead.event, dead.edit) = (fact.event.clone(), Some(position));
                }
            }
            Fact::DeadLetterReplayed(fact) => {
                if let Some(dead) = self.dead_letters.get_mut(&fact.id) {
                    (dead.status, dead.replaying) = (Status::Replaying, fact.delivery);
                }
                if let Some(id) = fact.delivery
                    && let Some(sub) = self.subscriptions.get_mut(&id.subscription)
                {
                    let mut it = Delivery::new(fact.key);
                    it.replay_of = Some(fact.id);
                    sub.deliveries.insert((id.position, id.generation), it);
                }
            }
            Fact::DeadLetterResolved(fact) => self.set_status(fact.id, Status::Resolved),
            Fact::DeadLetterArchived(fact) => self.set_status(fact.id, Status::Archived),
            Fact::DeadLetterRestored(fact) => self.set_status(fact.id, Status::Open),
            Fact::KeyReleased(fact) => self.let_go(fact.id),
            _ => self.follow_bulk(recorded),
        }
    }

    fn follow_bulk(&mut self, recorded: &Recorded) {
        match &recorded.fact {
            Fact::BulkStarted(fact) => {
                let (action, items, pace) = (fact.action, fact.items.clone(), fact.pace);
                let bulk = Bulk { action, items, pace, next: 0, due: recorded.at, burst: 0 };
                self.bulks.insert(BulkId(recorded.position), bulk);
            }
            Fact::BulkProgressed(fact) => {
                if let Some(bulk) = self.bulks.get_mut(&fact.id) {
                    bulk.burst = if fact.next_at > recorded.at { 0 } else { bulk.burst + 1 };
                    (bulk.next, bulk.due) = (fact.item + 1, fact.next_at);
                }
            }
            Fact::BulkEnded(fact) => drop(self.bulks.remove(&fact.id)),
            Fact::DeliveryHastened(fact) => {
                if let Some(it) = self.delivery_mut(fact.delivery) {
                    it.stage = Stage::Retrying(recorded.at);
                }
            }
            Fact::DeliveryGivenUp(fact) => {
                let id = fact.delivery;
                let Some(sub) = self.subscriptions.get_mut(&id.subscription) else { return };
                let new = || Delivery::new(fact.key);
                sub.deliveries.entry((id.position, id.generation)).or_insert_with(new).stage = Stage::Waiting;
            }
            _ => {}
        }
    }

    /// A dead letter holds its key no longer.
    fn let_go(&mut self, id: DeadLetterId) {
        if let Some(dead) = self.dead_letters.get_mut(&id) {
            dead.holds = None;
        }
    }

    /// Dead letters of a subscription that hold a key.
    pub(crate) fn holders(&self, number: u32, key: u64) -> impl Iterator<Item = DeadLetterId> + '_ {
        let all = self.dead_letters.iter();
        let own =
            all.filter(move |(_, dead)| dead.delivery.subscription == number && dead.holds == Some(key));
        own.map(|(id, _)| *id)
    }

    fn set_status(&mut self, id: DeadLetterId, status: Status) {
        if let Some(dead) = self.dead_letters.get_mut(&id) {
            (dead.status, dead.replaying) = (status, None);
            if status != Status::Open {
                dead.holds = None;
            }
        }
    }
}

/// How a failure that is tried again at a time is remembered.
pub(crate) fn settled_failed(next: Option<Timestamp>) -> Settled {
    Settled::Failed(next)
}
