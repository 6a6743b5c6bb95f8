//! How a fact changes what is true. Nothing is decided here: recovery runs the same lines.

use super::model::{AgentsPause, Answered, Deferred, REQUESTS_KEPT, State, Timer, TopicState};
use crate::agent;
use crate::dead_letter::{DeadLetter, ImpossibleMove, Move, Replaying, Status};
use crate::event::Event;
use crate::fact::{self, Fact, Recorded};
use crate::hash;
use crate::ids::{DeadLetterId, DeliveryId, Position};
use crate::row::Key;
use crate::subscription::{self, Attempt, AttemptOutcome, Cursor, Lease, Open, PauseState, Stage, Version};
use crate::text::Text;
use crate::time::{Span, Timestamp};
use crate::topic::{Topic, dedupe};

/// How many deaths and replays a dead letter remembers by itself.
const STORIES_KEPT: usize = 64;

/// A fact that can not be true after those before it: the log is damaged, or this version is older than it.
#[derive(Debug, thiserror::Error)]
pub enum Impossible {
    /// It speaks of something that is not there.
    #[error("the fact at {position} speaks of {what}, which is not there")]
    Missing {
        /// Where the fact lies.
        position: Position,
        /// What is missing.
        what: String,
    },
    /// It makes a move that can not be made.
    #[error("the fact at {position} can not follow: {source}")]
    Move {
        /// Where the fact lies.
        position: Position,
        /// Which move.
        source: ImpossibleMove,
    },
    /// It lies behind what was applied already.
    #[error("the fact at {position} lies behind {reached}, which is applied already")]
    Order {
        /// Where the fact lies.
        position: Position,
        /// What is applied.
        reached: Position,
    },
}

impl State {
    /// Applies a fact.
    ///
    /// # Errors
    /// When the fact can not be true after those before it. State is then not to be used any more.
    pub fn apply(&mut self, recorded: &Recorded) -> Result<(), Impossible> {
        let (position, at) = (recorded.position, recorded.at);
        if position <= self.position {
            return Err(Impossible::Order { position, reached: self.position });
        }
        match &recorded.fact {
            Fact::EventPublished(fact) => self.event_published(position, at, fact),
            Fact::EventDeferred(fact) => self.event_deferred(position, at, fact),
            Fact::EventLost(fact) => self.drop_deferred(fact.deferred_at),
            Fact::RequestAnswered(fact) => self.request_answered(position, at, fact),
            Fact::TopicDeclared(fact) => self.topic_declared(fact),
            Fact::TopicRemoved(fact) => self.topic_removed(fact),
            Fact::AgentDeclared(fact) => self.agent_declared(fact),
            Fact::AgentRemoved(fact) => self.agent_removed(fact),
            Fact::AgentSeen(fact) => self.agent_seen(&fact.name, at),
            Fact::SubscriptionDeclared(fact) => self.subscription_declared(position, fact),
            Fact::SubscriptionRemoved(fact) => self.subscription_removed(position, fact.number)?,
            Fact::DefinitionsInstalled(fact) => {
                self.touch(Key::Meta);
                self.meta.definitions_hash = fact.hash.clone();
                self.meta.definitions_source = fact.source.clone();
                self.meta.definitions_at = at;
            }
            Fact::SubscriptionPaused(fact) => {
                let pause = PauseState {
                    reason: fact.reason.clone(),
                    until: fact.until,
                    since: at,
                    actor: fact.actor.clone(),
                };
                self.set_pause(position, fact.number, Some(pause))?;
            }
            Fact::SubscriptionResumed(fact) => self.set_pause(position, fact.number, None)?,
            Fact::SubscriptionSought(fact) => self.subscription_sought(position, fact)?,
            Fact::AgentsPaused(fact) => self.agents_paused(position, at, fact),
            Fact::AgentsResumed(fact) => self.agents_resumed(fact.pause),
            Fact::DeliveryLeased(fact) => self.delivery_leased(position, at, fact)?,
            Fact::DeliveryExtended(fact) => self.delivery_extended(position, fact)?,
            Fact::DeliveryAcked(fact) => self.delivery_acked(position, fact)?,
            Fact::DeliveryFailed(fact) => self.delivery_failed(position, at, fact)?,
            Fact::DeliveryAnsweredLate(fact) => self.delivery_answered_late(at, fact),
            Fact::DeliveryExpired(fact) => self.delivery_expired(position, fact)?,
            Fact::DeliveryParked(fact) => self.delivery_parked(position, fact)?,
            Fact::CursorMoved(fact) => {
                let subscription = self.subscription_mut(position, fact.number)?;
                for (lane, floor) in fact.floors.iter().enumerate() {
                    subscription.move_floor(lane, *floor);
                }
            }
            Fact::DeadLetterOpened(fact) => self.dead_letter_opened(position, at, fact)?,
            Fact::DeadLetterEdited(fact) => {
                let dead_letter = self.dead_letter_mut(position, fact.id, Move::Edit, at)?;
                dead_letter.edit = Some(position);
                if let Some(note) = &fact.note {
                    dead_letter.note = note.clone();
                }
            }
            Fact::DeadLetterReplayed(fact) => self.dead_letter_replayed(position, at, fact)?,
            Fact::DeadLetterResolved(fact) => {
                self.dead_letter_mut(position, fact.id, Move::Resolve, at)?;
                if let Some(delivery) = fact.delivery {
                    self.replaying.remove(&delivery);
                }
            }
            Fact::DeadLetterArchived(fact) => {
                self.dead_letter_mut(position, fact.id, Move::Archive, at)?.note = fact.note.clone();
            }
            Fact::DeadLetterRestored(fact) => {
                self.dead_letter_mut(position, fact.id, Move::Restore, at)?;
            }
            Fact::NodeStarted(fact) => {
                self.touch(Key::Meta);
                self.meta.epoch = fact.epoch;
                self.meta.started_at = at;
            }
            Fact::ClockJumped(_) => {}
        }
        self.position = position;
        self.at = at;
        Ok(())
    }

    fn event_published(&mut self, position: Position, at: Timestamp, fact: &fact::EventPublished) {
        let event = &fact.event;
        let topic = self.topic_entry(event);
        topic.events += 1;
        topic.bytes += event.data.as_ref().map_or(0, |data| data.bytes.0.len() as u64);
        topic.first.get_or_insert(position);
        topic.last = Some(position);
        match fact.deferred_at {
            None => self.remember_identity(event, fact.content, position, at),
            Some(deferred) => self.drop_deferred(deferred),
        }
        if let (Some(stream), Some(revision)) = (&event.stream, fact.revision) {
            let hash = hash::of(stream);
            self.touch(Key::Stream(hash));
            self.streams.insert(hash, revision);
        }
        self.count_published(&event.source, at);
    }

    fn event_deferred(&mut self, position: Position, at: Timestamp, fact: &fact::EventDeferred) {
        let event = &fact.event;
        self.topic_entry(event);
        self.remember_identity(event, fact.content, position, at);
        let due = event.deliver_at.unwrap_or(at);
        self.touch(Key::Deferred(position));
        self.deferred.insert(
            position,
            Deferred {
                due,
                event_id: event.id.clone(),
                topic: event.topic.text().clone(),
                actor: fact.actor.clone(),
                content: fact.content,
                answers: fact.answers,
            },
        );
        self.timers.insert((due, Timer::EventDue(position)));
    }

    fn drop_deferred(&mut self, position: Position) {
        self.touch(Key::Deferred(position));
        if let Some(gone) = self.deferred.remove(&position) {
            self.timers.remove(&(gone.due, Timer::EventDue(position)));
        }
    }

    /// Returns the event's topic, made when its declaration fact is older than the base.
    fn topic_entry(&mut self, event: &Event) -> &mut TopicState {
        self.touch(Key::Topic(event.topic.clone()));
        self.topics.entry(event.topic.clone()).or_insert_with(|| new_topic(Topic::default()))
    }

    fn remember_identity(&mut self, event: &Event, content: u64, position: Position, at: Timestamp) {
        let identity = hash::identity(&event.source, &event.id);
        let limits = self.dedupe_limits(event.topic.as_str());
        let name = event.topic.text().clone();
        // The chunk that grows and the one that may go are touched before they change.
        if self.freeze.is_some() {
            let chunks: Vec<u64> =
                self.windows.get(&name).map(|window| window.chunks_at_risk().collect()).unwrap_or_default();
            for chunk in chunks {
                self.touch(Key::Dedupe(name.clone(), chunk));
            }
        }
        let window = self.windows.entry(name.clone()).or_default();
        let changed = window.remember(identity, content, position, at, limits);
        for chunk in changed {
            self.touched.insert(Key::Dedupe(name.clone(), chunk));
        }
    }

    /// Returns the limits of a topic's dedupe window: how many ids, and how long.
    pub fn dedupe_limits(&self, topic: &str) -> (u64, Span) {
        let definition = self.topics.get(topic).map(|topic| &topic.definition);
        (
            definition.and_then(|topic| topic.dedupe_ids).unwrap_or(dedupe::IDS_DEFAULT),
            definition.and_then(|topic| topic.dedupe_age).unwrap_or(dedupe::AGE_DEFAULT),
        )
    }

    fn count_published(&mut self, source: &Text, at: Timestamp) {
        if let Some((name, _)) = self.agents.get_key_value(source.as_str()) {
            let name = name.clone();
            self.touch(Key::Agent(name.clone()));
            if let Some(agent) = self.agents.get_mut(&name) {
                agent.published += 1;
                agent.last_seen = Some(at);
            }
        }
    }

    fn request_answered(&mut self, position: Position, at: Timestamp, fact: &fact::RequestAnswered) {
        let key = (u128::from(fact.key_high) << 64) | u128::from(fact.key_low);
        self.touch(Key::Request(key));
        let answered =
            Answered { fingerprint: fact.fingerprint, receipts: fact.receipts.clone(), at, position };
        if let Some(old) = self.requests.insert(key, answered) {
            self.request_order.remove(&(old.position, key));
        }
        self.request_order.insert((position, key));
        while self.requests.len() > REQUESTS_KEPT {
            let Some((_, oldest)) = self.request_order.pop_first() else { break };
            self.touch(Key::Request(oldest));
            self.requests.remove(&oldest);
        }
    }

    fn topic_declared(&mut self, fact: &fact::TopicDeclared) {
        self.touch(Key::Topic(fact.name.clone()));
        if fact.definition.declared {
            self.definitions_changed();
        }
        match self.topics.get_mut(&fact.name) {
            Some(topic) => {
                topic.definition = fact.definition.clone();
                topic.removed = false;
            }
            None => {
                self.topics.insert(fact.name.clone(), new_topic(fact.definition.clone()));
            }
        }
    }

    fn topic_removed(&mut self, fact: &fact::TopicRemoved) {
        self.touch(Key::Topic(fact.name.clone()));
        self.definitions_changed();
        if let Some(topic) = self.topics.get_mut(&fact.name) {
            topic.definition = Topic::default();
            topic.removed = true;
        }
    }

    fn agent_declared(&mut self, fact: &fact::AgentDeclared) {
        self.touch(Key::Agent(fact.name.clone()));
        self.definitions_changed();
        match self.agents.get_mut(&fact.name) {
            Some(agent) => agent.definition = fact.definition.clone(),
            None => {
                self.agents.insert(fact.name.clone(), agent::State::new(fact.definition.clone()));
            }
        }
    }

    fn agent_removed(&mut self, fact: &fact::AgentRemoved) {
        self.touch(Key::Agent(fact.name.clone()));
        self.definitions_changed();
        self.agents.remove(&fact.name);
    }

    fn agent_seen(&mut self, name: &crate::agent::AgentName, at: Timestamp) {
        self.touch(Key::Agent(name.clone()));
        if let Some(agent) = self.agents.get_mut(name) {
            agent.last_seen = Some(at);
        }
    }

    fn definitions_changed(&mut self) {
        self.touch(Key::Meta);
        self.meta.definitions += 1;
    }

    fn subscription_declared(&mut self, position: Position, fact: &fact::SubscriptionDeclared) {
        self.touch(Key::Subscription(fact.number));
        self.definitions_changed();
        self.meta.subscription_next = self.meta.subscription_next.max(fact.number + 1);
        match self.subscriptions.get_mut(&fact.number) {
            Some(subscription) => {
                if subscription.id != fact.id {
                    self.subscription_numbers.remove(&subscription.id);
                    subscription.id = fact.id.clone();
                }
                let floor = subscription.cursors.iter().map(|cursor| cursor.floor).min().unwrap_or(position);
                subscription.versions.push(Version { since: position, definition: fact.definition.clone() });
                // A version matters as long as an event that it matched may still be read again.
                while subscription.versions.len() > 1 && subscription.versions[1].since <= floor {
                    subscription.versions.remove(0);
                }
                // A program's lease has no timer; nobody but a timer ends it once the subscription is an inbox.
                let leased = subscription.open.iter().filter(|(_, open)| open.lease().is_some());
                let timers = leased.filter_map(|((position, generation), open)| {
                    let (position, generation) = (*position, *generation);
                    let id = DeliveryId { subscription: fact.number, position, generation };
                    subscription.timer_of(id, &open.stage)
                });
                self.timers.extend(timers);
            }
            None => {
                let cursor = Cursor { floor: fact.after, taken: subscription::PositionSet::default() };
                self.subscriptions.insert(
                    fact.number,
                    subscription::State {
                        number: fact.number,
                        id: fact.id.clone(),
                        versions: vec![Version { since: fact.after, definition: fact.definition.clone() }],
                        cursors: [cursor.clone(), cursor.clone(), cursor.clone(), cursor],
                        pause: None,
                        began: fact.after,
                        acked: 0,
                        died: 0,
                        removed: false,
                        open: Default::default(),
                        settled: Default::default(),
                    },
                );
            }
        }
        self.subscription_numbers.insert(fact.id.clone(), fact.number);
    }

    fn subscription_removed(&mut self, position: Position, number: u32) -> Result<(), Impossible> {
        self.definitions_changed();
        self.drop_open(number, Position(0));
        self.end_replays(number);
        self.set_pause(position, number, None)?;
        let subscription = self.subscription_mut(position, number)?;
        subscription.removed = true;
        for cursor in &mut subscription.cursors {
            cursor.taken = subscription::PositionSet::default();
        }
        let id = subscription.id.clone();
        if self.subscription_numbers.get(&id) == Some(&number) {
            self.subscription_numbers.remove(&id);
        }
        Ok(())
    }

    fn set_pause(
        &mut self,
        position: Position,
        number: u32,
        pause: Option<PauseState>,
    ) -> Result<(), Impossible> {
        let until = pause.as_ref().and_then(|pause| pause.until);
        let before = std::mem::replace(&mut self.subscription_mut(position, number)?.pause, pause);
        if let Some(before) = before.and_then(|pause| pause.until) {
            self.timers.remove(&(before, Timer::SubscriptionResumes(number)));
        }
        if let Some(until) = until {
            self.timers.insert((until, Timer::SubscriptionResumes(number)));
        }
        Ok(())
    }

    fn subscription_sought(
        &mut self,
        position: Position,
        fact: &fact::SubscriptionSought,
    ) -> Result<(), Impossible> {
        self.drop_open(fact.number, fact.after);
        let subscription = self.subscription_mut(position, fact.number)?;
        for cursor in &mut subscription.cursors {
            *cursor = Cursor { floor: fact.after, taken: subscription::PositionSet::default() };
        }
        subscription.began = subscription.began.min(fact.after);
        // What was forwarded over stays taken; what is open behind the new place keeps its row and is not read again.
        let kept: Vec<(usize, Position)> = subscription
            .open
            .iter()
            .filter(|((open, generation), _)| *open > fact.after && *generation == 0)
            .map(|((open, _), state)| (state.priority.lane(), *open))
            .collect();
        for (lane, open) in kept {
            subscription.cursors[lane].taken.0.insert(open);
        }
        Ok(())
    }

    /// Drops open deliveries behind `after`. Replays stay: nothing in the log would bring them again.
    fn drop_open(&mut self, number: u32, after: Position) {
        let Some(subscription) = self.subscriptions.get(&number) else { return };
        let behind = subscription.open.range((after.next(), 0)..);
        let slots: Vec<_> =
            behind.filter(|(_, open)| open.replay_of.is_none()).map(|(slot, _)| *slot).collect();
        for (position, generation) in slots {
            self.close(DeliveryId { subscription: number, position, generation });
        }
    }

    /// Takes the replays to a subscription that goes away back: their dead letters are open again.
    fn end_replays(&mut self, number: u32) {
        let ended: Vec<(DeliveryId, DeadLetterId)> = self
            .replaying
            .iter()
            .filter(|(delivery, _)| delivery.subscription == number)
            .map(|(delivery, id)| (*delivery, *id))
            .collect();
        for (delivery, id) in ended {
            self.replaying.remove(&delivery);
            self.close(delivery);
            self.touch(Key::DeadLetter(id));
            if let Some(dead_letter) = self.dead_letters.get_mut(&id) {
                dead_letter.status = Status::Open;
            }
        }
    }

    fn agents_paused(&mut self, position: Position, at: Timestamp, fact: &fact::AgentsPaused) {
        self.touch(Key::Pause(position));
        self.pauses.insert(
            position,
            AgentsPause {
                agents: fact.agents.clone(),
                until: fact.until,
                until_event: fact.until_event.clone(),
                topics: fact.topics.clone(),
                by: fact.by.clone(),
                since: at,
                by_action: fact.cause.is_some(),
            },
        );
        if let Some(until) = fact.until {
            self.timers.insert((until, Timer::AgentsResume(position)));
        }
    }

    fn agents_resumed(&mut self, pause: Position) {
        self.touch(Key::Pause(pause));
        if let Some(gone) = self.pauses.remove(&pause)
            && let Some(until) = gone.until
        {
            self.timers.remove(&(until, Timer::AgentsResume(pause)));
        }
    }

    fn delivery_leased(
        &mut self,
        position: Position,
        at: Timestamp,
        fact: &fact::DeliveryLeased,
    ) -> Result<(), Impossible> {
        let lease = Lease { token: fact.token, since: at, deadline: fact.deadline, attempt: fact.attempt };
        let id = fact.delivery;
        let slot = (id.position, id.generation);
        let known = self.subscription_at(position, id.subscription)?.open.contains_key(&slot);
        if known {
            self.set_stage(id, Stage::Leased(lease), |open| open.acquired += 1);
            return Ok(());
        }
        self.touch(Key::Open(id.subscription, id.position, id.generation));
        let subscription = self.subscription_mut(position, id.subscription)?;
        subscription.take(fact.priority.lane(), id.position);
        let open = Open {
            priority: fact.priority,
            key: fact.key,
            story: fact.story,
            acquired: 1,
            failed: 0,
            stage: Stage::Leased(lease),
            attempts: Default::default(),
            recorded_at: fact.recorded_at,
            replay_of: None,
        };
        let timer = subscription.timer_of(id, &open.stage);
        subscription.open.insert(slot, open);
        self.timers.extend(timer);
        Ok(())
    }

    fn delivery_extended(
        &mut self,
        position: Position,
        fact: &fact::DeliveryExtended,
    ) -> Result<(), Impossible> {
        let open = self.open(fact.delivery).and_then(Open::lease).copied();
        let Some(lease) = open else {
            return Err(missing_delivery(position, fact.delivery));
        };
        self.set_stage(fact.delivery, Stage::Leased(Lease { deadline: fact.deadline, ..lease }), |_| ());
        Ok(())
    }

    fn delivery_acked(&mut self, position: Position, fact: &fact::DeliveryAcked) -> Result<(), Impossible> {
        let id = fact.delivery;
        let Some(open) = self.close(id) else { return Err(missing_delivery(position, id)) };
        let subscription = self.subscription_mut(position, id.subscription)?;
        subscription.acked += 1;
        if let Some(lease) = open.lease() {
            subscription.remember_settled((id.position, id.generation), lease.token);
        }
        let agent = subscription.id.agent.clone();
        self.touch(Key::Agent(agent.clone()));
        if let Some(agent) = self.agents.get_mut(&agent) {
            agent.consumed += 1;
            agent.lease_ended_at = None;
        }
        Ok(())
    }

    fn delivery_failed(
        &mut self,
        position: Position,
        at: Timestamp,
        fact: &fact::DeliveryFailed,
    ) -> Result<(), Impossible> {
        let id = fact.delivery;
        if self.open(id).is_none() {
            return Err(missing_delivery(position, id));
        }
        if fact.attempt.outcome == AttemptOutcome::LeaseEnded {
            let agent = self.subscription_at(position, id.subscription)?.id.agent.clone();
            self.touch(Key::Agent(agent.clone()));
            if let Some(agent) = self.agents.get_mut(&agent) {
                agent.lease_ended_at = Some(at);
            }
        }
        // A dead delivery's row goes with the fact that opens its dead letter, which follows in the same slice.
        let stage = fact.attempt.next_at.map_or(Stage::Waiting, Stage::Retrying);
        let attempt: Attempt = fact.attempt.clone();
        self.set_stage(id, stage, |open| {
            open.failed += 1;
            open.remember(attempt);
        });
        Ok(())
    }

    fn delivery_answered_late(&mut self, at: Timestamp, fact: &fact::DeliveryAnsweredLate) {
        let id = fact.delivery;
        let key = Key::Open(id.subscription, id.position, id.generation);
        if self.open(id).is_none() {
            return;
        }
        self.touch(key);
        let subscription = self.subscriptions.get_mut(&id.subscription);
        if let Some(open) = subscription.and_then(|it| it.open.get_mut(&(id.position, id.generation))) {
            let number = open.acquired;
            open.remember(Attempt {
                number,
                at,
                ended: at,
                outcome: AttemptOutcome::Late,
                failure: None,
                next_at: None,
            });
        }
    }

    fn delivery_expired(
        &mut self,
        position: Position,
        fact: &fact::DeliveryExpired,
    ) -> Result<(), Impossible> {
        let id = fact.delivery;
        self.close(id);
        let subscription = self.subscription_mut(position, id.subscription)?;
        subscription.take(fact.priority.lane(), id.position);
        Ok(())
    }

    fn delivery_parked(&mut self, position: Position, fact: &fact::DeliveryParked) -> Result<(), Impossible> {
        let id = fact.delivery;
        self.touch(Key::Open(id.subscription, id.position, id.generation));
        let subscription = self.subscription_mut(position, id.subscription)?;
        subscription.take(fact.priority.lane(), id.position);
        subscription.open.insert(
            (id.position, id.generation),
            waiting(fact.priority, fact.key, fact.story, fact.recorded_at),
        );
        Ok(())
    }

    fn dead_letter_opened(
        &mut self,
        position: Position,
        at: Timestamp,
        fact: &fact::DeadLetterOpened,
    ) -> Result<(), Impossible> {
        self.close(fact.delivery);
        self.subscription_mut(position, fact.delivery.subscription)?.died += 1;
        let failure = fact.attempts.last().and_then(|attempt| attempt.failure.as_ref());
        let message: String =
            failure.map_or(fact.reason.as_str(), |failure| &failure.message).chars().take(200).collect();
        if let Some(id) = fact.reopens {
            self.replaying.remove(&fact.delivery);
            let class = failure.map(|failure| failure.class);
            let dead_letter = self.dead_letter_mut(position, id, Move::DieAgain, at)?;
            dead_letter.reason = fact.reason;
            dead_letter.class = class;
            dead_letter.message = Text::from(message);
            dead_letter.fingerprint = fact.fingerprint.clone();
            if dead_letter.deaths.len() >= STORIES_KEPT {
                dead_letter.deaths.remove(1);
            }
            dead_letter.deaths.push(position);
            return Ok(());
        }
        let id = DeadLetterId(position);
        self.touch(Key::DeadLetter(id));
        self.dead_letters.insert(
            id,
            DeadLetter {
                id,
                opened_at: at,
                delivery: fact.delivery,
                event_id: fact.event.id.clone(),
                event_type: fact.event.event_type.clone(),
                topic: fact.event.topic.text().clone(),
                story: hash::of(&fact.event.correlation_id),
                status: Status::Open,
                reason: fact.reason,
                class: failure.map(|failure| failure.class),
                message: Text::from(message),
                fingerprint: fact.fingerprint.clone(),
                note: Text::default(),
                deaths: vec![position],
                edit: None,
                replays: Vec::new(),
                moved_at: at,
            },
        );
        Ok(())
    }

    fn dead_letter_replayed(
        &mut self,
        position: Position,
        at: Timestamp,
        fact: &fact::DeadLetterReplayed,
    ) -> Result<(), Impossible> {
        let replay = Replaying { delivery: fact.delivery, event_id: fact.event_id.clone(), at };
        let dead_letter = self.dead_letter_mut(position, fact.id, Move::Replay, at)?;
        if let Some(note) = &fact.note {
            dead_letter.note = note.clone();
        }
        if dead_letter.replays.len() >= STORIES_KEPT {
            dead_letter.replays.remove(0);
        }
        dead_letter.replays.push(replay);
        let Some(id) = fact.delivery else { return Ok(()) };
        self.replaying.insert(id, fact.id);
        if id.generation > 0 {
            let newest = self.generations.entry((id.subscription, id.position)).or_default();
            *newest = (*newest).max(id.generation);
        }
        self.touch(Key::Open(id.subscription, id.position, id.generation));
        let subscription = self.subscription_mut(position, id.subscription)?;
        let mut open = waiting(fact.priority, fact.key, fact.story, fact.recorded_at);
        open.replay_of = Some(fact.id);
        subscription.open.insert((id.position, id.generation), open);
        Ok(())
    }

    /// Changes where an open delivery stands, with its timer.
    fn set_stage(&mut self, id: DeliveryId, stage: Stage, change: impl FnOnce(&mut Open)) {
        self.touch(Key::Open(id.subscription, id.position, id.generation));
        let Some(subscription) = self.subscriptions.get_mut(&id.subscription) else { return };
        let Some(open) = subscription.open.get(&(id.position, id.generation)) else { return };
        let before = subscription.timer_of(id, &open.stage);
        let after = subscription.timer_of(id, &stage);
        if let Some(open) = subscription.open.get_mut(&(id.position, id.generation)) {
            open.stage = stage;
            change(open);
        }
        if let Some(before) = before {
            self.timers.remove(&before);
        }
        self.timers.extend(after);
    }

    /// Takes an open delivery away, with its timer.
    fn close(&mut self, id: DeliveryId) -> Option<Open> {
        self.touch(Key::Open(id.subscription, id.position, id.generation));
        let subscription = self.subscriptions.get_mut(&id.subscription)?;
        let open = subscription.open.remove(&(id.position, id.generation))?;
        if let Some(timer) = subscription.timer_of(id, &open.stage) {
            self.timers.remove(&timer);
        }
        Some(open)
    }

    fn subscription_at(&self, position: Position, number: u32) -> Result<&subscription::State, Impossible> {
        self.subscriptions
            .get(&number)
            .ok_or_else(|| Impossible::Missing { position, what: format!("subscription {number}") })
    }

    fn subscription_mut(
        &mut self,
        position: Position,
        number: u32,
    ) -> Result<&mut subscription::State, Impossible> {
        self.touch(Key::Subscription(number));
        self.subscriptions
            .get_mut(&number)
            .ok_or_else(|| Impossible::Missing { position, what: format!("subscription {number}") })
    }

    fn dead_letter_mut(
        &mut self,
        position: Position,
        id: DeadLetterId,
        what: Move,
        at: Timestamp,
    ) -> Result<&mut DeadLetter, Impossible> {
        self.touch(Key::DeadLetter(id));
        let dead_letter = self
            .dead_letters
            .get_mut(&id)
            .ok_or_else(|| Impossible::Missing { position, what: format!("dead letter {}", id.0) })?;
        dead_letter.status =
            dead_letter.status.after(what).map_err(|source| Impossible::Move { position, source })?;
        dead_letter.moved_at = at;
        Ok(dead_letter)
    }
}

fn new_topic(definition: Topic) -> TopicState {
    TopicState { definition, events: 0, bytes: 0, first: None, last: None, removed: false }
}

fn waiting(priority: crate::event::Priority, key: Option<u64>, story: u64, recorded_at: Timestamp) -> Open {
    Open {
        priority,
        key,
        story,
        acquired: 0,
        failed: 0,
        stage: Stage::Waiting,
        attempts: Default::default(),
        recorded_at,
        replay_of: None,
    }
}

fn missing_delivery(position: Position, id: DeliveryId) -> Impossible {
    let what = format!("delivery {}/{}/{}", id.subscription, id.position, id.generation);
    Impossible::Missing { position, what }
}
