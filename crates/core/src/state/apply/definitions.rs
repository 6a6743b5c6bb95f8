//! Definitions: topics, agents, subscriptions, declared and taken away.

use super::Impossible;
use crate::agent;
use crate::fact;
use crate::ids::{DeliveryId, Position};
use crate::row::Key;
use crate::state::State;
use crate::state::model::{Timer, TopicState};
use crate::subscription::{self, AfterDeadLetter, Cursor, Order, Stage, Version};
use crate::time::Timestamp;
use crate::topic::Topic;

impl State {
    pub(super) fn topic_declared(&mut self, fact: &fact::TopicDeclared) {
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

    pub(super) fn topic_removed(&mut self, fact: &fact::TopicRemoved) {
        self.touch(Key::Topic(fact.name.clone()));
        self.definitions_changed();
        if let Some(topic) = self.topics.get_mut(&fact.name) {
            topic.definition = Topic::default();
            topic.removed = true;
        }
    }

    pub(super) fn agent_declared(&mut self, fact: &fact::AgentDeclared) {
        self.touch(Key::Agent(fact.name.clone()));
        self.definitions_changed();
        match self.agents.get_mut(&fact.name) {
            Some(agent) => agent.definition = fact.definition.clone(),
            None => {
                self.agents.insert(fact.name.clone(), agent::State::new(fact.definition.clone()));
            }
        }
    }

    pub(super) fn agent_removed(&mut self, fact: &fact::AgentRemoved) {
        self.touch(Key::Agent(fact.name.clone()));
        self.definitions_changed();
        self.agents.remove(&fact.name);
    }

    pub(super) fn agent_seen(&mut self, name: &crate::agent::AgentName, at: Timestamp) {
        self.touch(Key::Agent(name.clone()));
        if let Some(agent) = self.agents.get_mut(name) {
            agent.last_seen = Some(at);
        }
    }

    pub(super) fn definitions_changed(&mut self) {
        self.touch(Key::Meta);
        self.meta.definitions += 1;
    }

    pub(super) fn subscription_declared(&mut self, position: Position, fact: &fact::SubscriptionDeclared) {
        self.touch(Key::Subscription(fact.number));
        self.definitions_changed();
        self.meta.subscription_next = self.meta.subscription_next.max(fact.number + 1);
        match self.subscriptions.get_mut(&fact.number) {
            Some(subscription) => {
                if subscription.id != fact.id {
                    self.subscription_numbers.remove(&subscription.id);
                    subscription.id = fact.id.clone();
                }
                // What failed, failed by the definition before.
                for timer in subscription.flow_timers() {
                    self.timers.remove(&timer);
                }
                subscription.breaker = None;
                if subscription.definition().rate != fact.definition.rate {
                    subscription.drawn = None;
                }
                let was_inbox = subscription.is_inbox();
                let reordered = subscription.definition().order != fact.definition.order;
                let floor = subscription.cursors.iter().map(|cursor| cursor.floor).min().unwrap_or(position);
                subscription.versions.push(Version { since: position, definition: fact.definition.clone() });
                // A version matters as long as an event that it matched may still be read again.
                while subscription.versions.len() > 1 && subscription.versions[1].since <= floor {
                    subscription.versions.remove(0);
                }
                let by_timers = was_inbox || subscription.is_inbox();
                self.timers.extend(subscription.flow_timers());
                if by_timers {
                    self.end_leases_by_timers(fact.number);
                }
                if reordered {
                    self.rekey(fact.number, fact.definition.order);
                }
                if reordered || fact.definition.after_dead_letter == AfterDeadLetter::Continue {
                    self.release_holds(fact.number);
                }
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
                        expired: None,
                        breaker: None,
                        drawn: None,
                        open: Default::default(),
                        settled: Default::default(),
                        held: Default::default(),
                    },
                );
            }
        }
        self.subscription_numbers.insert(fact.id.clone(), fact.number);
    }

    /// What an inbox has given out, and what it takes over from agents that were pushed to, ends by its timer, whatever
    /// the action is from now on: whoever was to carry out an attempt may have found an inbox and let it be.
    fn end_leases_by_timers(&mut self, number: u32) {
        let open = self.subscriptions.get(&number).into_iter().flat_map(|it| &it.open);
        let leased = open.filter(|(_, open)| open.lease().is_some());
        let slots: Vec<_> = leased.map(|(slot, _)| *slot).collect();
        for (position, generation) in slots {
            let id = DeliveryId { subscription: number, position, generation };
            self.touch_open(id);
            let subscription = self.subscriptions.get_mut(&number);
            let open = subscription.and_then(|it| it.open.get_mut(&(position, generation)));
            let Some(Stage::Leased(lease)) = open.map(|open| &mut open.stage) else { continue };
            lease.pulled = Some(true);
            self.timers.insert((lease.deadline, Timer::LeaseEnds(id)));
        }
    }

    /// Computes the keys of what is open anew for an order that was declared.
    fn rekey(&mut self, number: u32, order: Order) {
        let slots: Vec<_> =
            self.subscriptions.get(&number).into_iter().flat_map(|it| it.open.keys().copied()).collect();
        for (position, generation) in slots {
            self.touch_open(DeliveryId { subscription: number, position, generation });
            let subscription = self.subscriptions.get_mut(&number);
            if let Some(open) = subscription.and_then(|it| it.open.get_mut(&(position, generation))) {
                open.rekey(order);
            }
        }
    }

    pub(super) fn subscription_removed(&mut self, position: Position, number: u32) -> Result<(), Impossible> {
        self.definitions_changed();
        self.drop_open(number, Position(0));
        self.end_replays(number);
        self.set_pause(position, number, None)?;
        self.release_holds(number);
        self.change_flow(number, |subscription| (subscription.breaker, subscription.drawn) = (None, None));
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
}

pub(super) fn new_topic(definition: Topic) -> TopicState {
    TopicState {
        definition,
        events: 0,
        bytes: 0,
        first: None,
        last: None,
        removed: false,
        trimmed: None,
        compacted: None,
        compacted_bytes: None,
        gone: None,
    }
}
