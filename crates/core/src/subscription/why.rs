//! Why an event is where it is, for a subscription.

use super::lanes::{Place, lane_of};
use super::{Rate, Stage, State, SubscriptionId};
use crate::coordinator::Coordinator;
use crate::dead_letter::Status;
use crate::event::{Event, EventSubject};
use crate::filter::{Explanation, Filter};
use crate::ids::{DeadLetterId, DeliveryId, Position};
use crate::text::Text;
use crate::time::Timestamp;

/// Where an event stands for one subscription.
#[derive(Debug)]
pub struct Why {
    /// Which.
    pub subscription: SubscriptionId,
    /// Where it stands.
    pub verdict: Verdict,
    /// The delivery, when there is or will be one.
    pub delivery: Option<DeliveryId>,
    /// Its dead letters.
    pub dead_letters: Vec<DeadLetterId>,
}

/// Where an event stands for one subscription.
#[derive(Debug)]
pub enum Verdict {
    /// The subscription does not listen to its topic.
    NotInTopic,
    /// The event is older than the subscription.
    BeforeStart,
    /// The event is for another agent.
    NotAddressed {
        /// For whom.
        to: Text,
    },
    /// The filter left it out.
    FilteredOut(Explanation),
    /// It waits.
    Waiting(Vec<Cause>),
    /// A worker has it.
    Leased {
        /// Since when.
        since: Timestamp,
        /// Until when.
        deadline: Timestamp,
        /// Which attempt it is.
        attempt: u32,
    },
    /// It was acknowledged, or it expired: the log tells which.
    Settled,
    /// It is a dead letter.
    Dead,
}

/// What a delivery waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The subscription is held back.
    SubscriptionPaused(Option<Text>, Option<Timestamp>),
    /// Its agent is parked.
    AgentParked(Text, Option<Timestamp>),
    /// Its next attempt is due then.
    Retry(Timestamp),
    /// The breaker is open; the next probe goes then, or one is on its way.
    Breaker {
        /// The last failure in words.
        message: Text,
        /// When the next probe goes; None while one is on its way.
        probe_at: Option<Timestamp>,
    },
    /// An earlier one of its order key is not done.
    Key,
    /// A dead letter holds its order key until a person acts.
    KeyHeld {
        /// The dead letter.
        id: DeadLetterId,
        /// When it was opened.
        opened_at: Timestamp,
    },
    /// As many attempts have begun as the rate lets; the next may begin then.
    Rate(Rate, Timestamp),
    /// As many attempts run as may.
    Concurrency(u32),
    /// As many deliveries are in flight as may.
    MaxInFlight(u32),
    /// No worker asks for it.
    NoWorker,
    /// It was not read from the log yet.
    NotReadYet,
    /// It is not read from the log: as many deliveries wait for their keys as may.
    Crowded(usize),
    /// Its turn comes next.
    Turn,
}

impl Coordinator {
    /// Tells where an event stands for every subscription that is there, or for one.
    pub fn why(&self, event: &Event, position: Position, only: Option<&SubscriptionId>) -> Vec<Why> {
        if let Some(only) = only {
            let meant = self.state.subscription(only).into_iter();
            return meant.map(|it| self.why_one(it, event, position)).collect();
        }
        let numbers = self.state.subscription_numbers.values();
        numbers.map(|number| self.why_one(&self.state.subscriptions[number], event, position)).collect()
    }

    fn why_one(&self, subscription: &State, event: &Event, position: Position) -> Why {
        let number = subscription.number;
        let deaths = self.state.dead_letters.values();
        let here = |id: DeliveryId| id.subscription == number && id.position == position;
        let dead_letters: Vec<DeadLetterId> = deaths.filter(|it| here(it.delivery)).map(|it| it.id).collect();
        let newest = self.state.generations.get(&(number, position)).copied().unwrap_or(0);
        let why = |verdict, generation: Option<u16>| Why {
            subscription: subscription.id.clone(),
            verdict,
            delivery: generation.map(|generation| DeliveryId { subscription: number, position, generation }),
            dead_letters: dead_letters.clone(),
        };
        for generation in (0..=newest).rev() {
            if let Some(open) = subscription.open.get(&(position, generation)) {
                let verdict = match &open.stage {
                    Stage::Leased(lease) => {
                        let (since, deadline, attempt) = (lease.since, lease.deadline, lease.attempt);
                        Verdict::Leased { since, deadline, attempt }
                    }
                    Stage::Retrying(due) => {
                        let mut causes = vec![Cause::Retry(*due)];
                        causes.extend(self.held_back(subscription));
                        Verdict::Waiting(causes)
                    }
                    Stage::Waiting => {
                        Verdict::Waiting(self.causes(subscription, event, position, generation))
                    }
                };
                return why(verdict, Some(generation));
            }
        }
        let version = subscription.version_at(position);
        if !version.definition.topics.iter().any(|pattern| pattern.matches(event.topic.as_str())) {
            return why(Verdict::NotInTopic, None);
        }
        if position <= subscription.began {
            return why(Verdict::BeforeStart, None);
        }
        if dead_letters.iter().any(|id| !self.succeeded_at_last(*id, position)) {
            return why(Verdict::Dead, Some(newest));
        }
        if let Some(to) = event.to.as_ref().filter(|to| **to != subscription.id.agent) {
            return why(Verdict::NotAddressed { to: to.text().clone() }, None);
        }
        if let Some(declared) = &version.definition.filter {
            let declared = serde_json::from_str(declared).unwrap_or(serde_json::Value::Null);
            if let Ok(filter) = Filter::compile(&declared) {
                let subject = EventSubject::new(event);
                if !filter.matches(&subject) {
                    return why(Verdict::FilteredOut(filter.explain(&subject)), None);
                }
            }
        }
        if subscription.is_taken(event.priority.lane(), position) {
            return why(Verdict::Settled, Some(newest));
        }
        why(Verdict::Waiting(self.causes(subscription, event, position, 0)), Some(0))
    }

    /// Tells whether a dead letter is resolved by a replay of this very event, not of an edited one.
    fn succeeded_at_last(&self, id: DeadLetterId, position: Position) -> bool {
        self.state.dead_letters.get(&id).is_some_and(|dead_letter| {
            let last = dead_letter.replays.last().and_then(|replay| replay.delivery);
            let resolved = dead_letter.status == Status::Resolved;
            resolved && last.is_some_and(|delivery| delivery.position == position)
        })
    }

    fn causes(&self, subscription: &State, event: &Event, position: Position, generation: u16) -> Vec<Cause> {
        let mut causes = self.held_back(subscription);
        let definition = subscription.definition();
        let Some(lanes) = self.lanes.get(&subscription.number) else { return causes };
        let lane = lane_of(definition, event.priority);
        let key = super::lanes::key_of(definition, event);
        let slot = (position, generation);
        let passes = subscription.open.get(&slot).is_some_and(|open| subscription.passes_hold(open));
        let holders = key.filter(|_| !passes).and_then(|key| subscription.held.get(&key));
        match lanes.place(lane, slot, key) {
            Place::BehindKey => match holders.and_then(|holders| holders.first()) {
                Some(id) => {
                    let opened_at = self.state.dead_letters.get(id).map(|it| it.opened_at);
                    causes.push(Cause::KeyHeld { id: *id, opened_at: opened_at.unwrap_or_default() });
                }
                None => causes.push(Cause::Key),
            },
            Place::NotFedYet if lanes.is_stuck(lane) && self.room_to_park(subscription.number) == 0 => {
                causes.push(Cause::Crowded(subscription.open.len()));
            }
            Place::NotFedYet => causes.push(Cause::NotReadYet),
            Place::Ready => {}
        }
        if lanes.leased >= definition.concurrency as usize {
            causes.push(Cause::Concurrency(definition.concurrency));
        } else if lanes.leased + lanes.retrying >= definition.max_in_flight as usize {
            causes.push(Cause::MaxInFlight(definition.max_in_flight));
        } else if let Some((rate, at)) = self.rate_frees(subscription) {
            causes.push(Cause::Rate(rate, at));
        } else if !super::decide::is_pushed(&definition.action) && lanes.waiters() == 0 {
            causes.push(Cause::NoWorker);
        }
        if causes.is_empty() {
            causes.push(Cause::Turn);
        }
        causes
    }

    /// Returns when a subscription's rate lets the next attempt begin, if it holds attempts back.
    fn rate_frees(&self, subscription: &State) -> Option<(Rate, Timestamp)> {
        let (rate, drawn) = subscription.definition().rate.zip(subscription.drawn)?;
        let at = rate.free_at(drawn);
        (at > self.state.at).then_some((rate, at))
    }

    /// Tells who holds a whole subscription back.
    pub fn held_back(&self, subscription: &State) -> Vec<Cause> {
        let mut causes = Vec::new();
        if let Some(pause) = &subscription.pause {
            causes.push(Cause::SubscriptionPaused(pause.reason.clone(), pause.until));
        }
        if let Some((_, pause)) = self.state.parked_by(&subscription.id.agent) {
            causes.push(Cause::AgentParked(pause.by.clone(), pause.until));
        }
        if let Some(opened) = subscription.breaker.as_ref().and_then(|breaker| breaker.opened.as_ref()) {
            let probe_at = opened.probe.is_none().then_some(opened.probe_at);
            causes.push(Cause::Breaker { message: opened.message.clone(), probe_at });
        }
        causes
    }

    /// Returns what waits, runs and waits for a retry in a subscription, as its lanes know it.
    pub fn counts(&self, number: u32) -> Counts {
        let Some(lanes) = self.lanes.get(&number) else { return Counts::default() };
        Counts {
            waiting: lanes.waiting(),
            leased: lanes.leased,
            retrying: lanes.retrying,
            waiters: lanes.waiters(),
            oldest: self.oldest(number),
            floors: lanes.floors(),
            heads: [0, 1, 2, 3].map(|lane| lanes.head(lane)),
        }
    }

    fn oldest(&self, number: u32) -> Option<Timestamp> {
        let open = self.state.subscriptions.get(&number)?.open.values().next().map(|open| open.recorded_at);
        let waits = self.lanes.get(&number)?.oldest();
        open.into_iter().chain(waits).min()
    }
}

/// What waits, runs and waits for a retry in a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many wait in memory.
    pub waiting: usize,
    /// How many a worker has.
    pub leased: usize,
    /// How many wait for a retry.
    pub retrying: usize,
    /// How many workers wait.
    pub waiters: usize,
    /// When the oldest event was recorded that waits, is worked on, or waits for a retry.
    pub oldest: Option<Timestamp>,
    /// Everything up to here was taken.
    pub floors: [Position; 4],
    /// Everything up to here was read.
    pub heads: [Position; 4],
}
