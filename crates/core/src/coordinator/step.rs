//! How facts are applied and lanes follow.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::view::{Limits, Stop, View};
use crate::command::{Answer, Command, Now};
use crate::effect::{Deliver, Effect};
use crate::event::Event;
use crate::fact::{ErasedEvent, Fact, Recorded};
use crate::ids::{DeadLetterId, DeliveryId, Position};
use crate::numbered::Numbered;
use crate::row::{Key, Loaded};
use crate::state::{Impossible, State, Timer};
use crate::subscription::decide::is_pushed;
use crate::subscription::lanes::{BODIES_MAX, Feeding, Lanes, Waiting, lane_of};
use crate::subscription::{self, Order, Stage};
use crate::time::Timestamp;

/// State, and who waits for what in it.
#[derive(Debug, Default)]
pub struct Coordinator {
    /// What is true.
    pub state: State,
    /// Who is next, per subscription.
    pub(crate) lanes: Numbered<u32, Lanes>,
    /// Subscriptions that may have something to give out.
    pub(super) dirty: BTreeSet<u32>,
    /// The subscription that was served last.
    pub(super) served_last: u32,
    /// Bodies of deliveries that are leased or wait for a retry, while memory allows.
    pub(super) bodies: Numbered<DeliveryId, Arc<Event>>,
    pub(super) bodies_bytes: usize,
    /// How many bytes waited in lanes when that was last added up, and what came since.
    pub(super) waiting_bytes: usize,
    /// How many offers may come before it is added up again.
    pub(super) waiting_bytes_age: usize,
    loaded: HashMap<Key, Loaded>,
    limits: Limits,
}

/// What a step led to. Its answer and effects leave once the facts' end is durable.
#[derive(Debug, Default)]
pub struct Stepped {
    /// What is to be appended, in order.
    pub facts: Vec<Recorded>,
    /// What somebody must then do.
    pub effects: Vec<Effect>,
    /// What the caller is told; None for steps nobody asked for.
    pub answer: Option<Answer>,
}

impl Coordinator {
    /// Takes over a state that is complete: all facts are applied.
    pub fn new(state: State, limits: Limits) -> Self {
        let mut coordinator = Coordinator { state, limits, ..Coordinator::default() };
        let numbers: Vec<u32> = coordinator.state.subscription_numbers.values().copied().collect();
        for number in numbers {
            let floors = coordinator.floors(number);
            coordinator.lanes.insert(number, Lanes::new(floors));
            coordinator.add_open(number);
        }
        coordinator
    }

    /// Returns what is owed to the outside: attempts that were leased, and lanes to be filled.
    pub fn owed(&self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (number, subscription) in &self.state.subscriptions {
            if !is_pushed(&subscription.definition().action) {
                continue;
            }
            for ((position, generation), open) in &subscription.open {
                // What a worker pulled before the action changed is with that worker until its lease ends.
                let Some(lease) = open.lease().filter(|lease| lease.pulled != Some(true)) else { continue };
                effects.push(Effect::Deliver(Deliver {
                    delivery: DeliveryId {
                        subscription: *number,
                        position: *position,
                        generation: *generation,
                    },
                    token: lease.token,
                    attempt: lease.attempt,
                    deadline: lease.deadline,
                    recorded_at: open.recorded_at,
                    event: None,
                    survivor: true,
                    replay: open.replay_of.is_some(),
                    first_at: open.first_at.unwrap_or(lease.since),
                    redelivered: lease.attempt > 1 || open.replay_of.is_some(),
                }));
            }
        }
        for number in self.state.subscription_numbers.values() {
            let Some(lanes) = self.lanes.get(number) else { continue };
            effects.extend(lanes.feedings().into_iter().map(|feeding| feed(*number, feeding)));
        }
        effects
    }

    /// Returns the deliveries of a subscription that wait in memory for their turn, with when their events were
    /// recorded. Those that state keeps are not among them.
    pub fn waiting(&self, subscription: u32) -> impl Iterator<Item = (DeliveryId, Timestamp)> + '_ {
        let lanes = self.lanes.get(&subscription).into_iter();
        lanes.flat_map(Lanes::iter).filter(|waiting| !waiting.kept).map(move |waiting| {
            let (position, generation) = (waiting.position, waiting.generation);
            (DeliveryId { subscription, position, generation }, waiting.recorded_at)
        })
    }

    /// Returns the limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Gives a decision what it asked for.
    pub fn load(&mut self, key: Key, loaded: Loaded) {
        self.loaded.insert(key, loaded);
    }

    /// Decides a command and applies what follows.
    ///
    /// # Errors
    /// When it is refused, something must be loaded first, or the log is damaged. Nothing was applied then, but for
    /// damage, after which the coordinator is not to be used any more.
    pub fn step(&mut self, command: &Command, now: Now) -> Result<Stepped, Stop> {
        let mut stepped = Stepped::default();
        match command {
            Command::Pull(pull) => self.pull(pull, now, &mut stepped)?,
            Command::Trim(trim) => self.trim(trim, now, &mut stepped)?,
            Command::StopWaiting { subscription, waiter } => {
                if let Some(number) = self.state.subscription_numbers.get(subscription)
                    && let Some(lanes) = self.lanes.get_mut(number)
                {
                    lanes.stop_waiting(*waiter);
                }
                stepped.answer = Some(Answer::Done);
            }
            command => {
                let (facts, answer) = super::decide::decide(&self.view(now), command)?;
                stepped.facts.reserve(facts.len());
                for fact in facts {
                    self.record(fact, now, &mut stepped)?;
                }
                stepped.answer = Some(answer);
            }
        }
        self.loaded.clear();
        Ok(stepped)
    }

    /// Does what is due, up to `timers_max` timers. Returns whether more is due.
    ///
    /// # Errors
    /// As [`Coordinator::step`]; what was done before a need stays done and is in `stepped`.
    pub fn fire(&mut self, now: Now, timers_max: usize, stepped: &mut Stepped) -> Result<bool, Stop> {
        for _ in 0..timers_max {
            let Some((due, timer)) = self.state.timers.first().copied() else { return Ok(false) };
            if due > now.at {
                return Ok(false);
            }
            for fact in super::dispatch::timer(&self.view(now), timer)? {
                self.record(fact, now, stepped)?;
            }
            // A retry's timer only moves it to its lane; any other is gone with its fact.
            if self.state.timers.remove(&(due, timer)) {
                match timer {
                    Timer::RetryDue(id) => {
                        if let Some(lanes) = self.lanes.get_mut(&id.subscription) {
                            lanes.retry((id.position, id.generation));
                        }
                        self.dirty.insert(id.subscription);
                    }
                    Timer::ProbeDue(number) | Timer::RateFrees(number) => {
                        self.dirty.insert(number);
                    }
                    _ => {}
                }
            }
            self.loaded.clear();
        }
        Ok(self.state.next_due().is_some_and(|due| due <= now.at))
    }

    pub(super) fn view(&self, now: Now) -> View<'_> {
        View { state: &self.state, now, loaded: &self.loaded, bodies: &self.bodies, limits: &self.limits }
    }

    /// Applies a fact that was just decided, and lets the lanes follow.
    pub(crate) fn record(&mut self, fact: Fact, now: Now, stepped: &mut Stepped) -> Result<(), Stop> {
        let recorded = Recorded { position: self.state.position.next(), at: now.at, fact };
        let before = self.before(&recorded.fact);
        self.state.apply(&recorded).map_err(|impossible: Impossible| Stop::Broken(impossible.to_string()))?;
        self.follow(&recorded, before, &mut stepped.effects);
        stepped.facts.push(recorded);
        Ok(())
    }

    /// Remembers of the state what lanes need to know once the fact has changed it.
    fn before(&self, fact: &Fact) -> Before {
        let open = |id: &DeliveryId| {
            let open = self.state.open(*id)?;
            Some(WasOpen { key: open.key, retrying: matches!(open.stage, Stage::Retrying(_)) })
        };
        match fact {
            Fact::DeliveryLeased(fact) => Before { open: open(&fact.delivery), ..Before::default() },
            Fact::DeliveryAcked(fact) => Before { open: open(&fact.delivery), ..Before::default() },
            Fact::DeliveryFailed(fact) => Before { open: open(&fact.delivery), ..Before::default() },
            Fact::DeliveryExpired(fact) => Before { open: open(&fact.delivery), ..Before::default() },
            Fact::DeadLetterOpened(fact) => Before { open: open(&fact.delivery), ..Before::default() },
            Fact::DeliveryGivenUp(fact) => Before { open: open(&fact.delivery), ..Before::default() },
            Fact::DeadLetterResolved(fact) => Before { held: self.held_by(fact.id), ..Before::default() },
            Fact::DeadLetterArchived(fact) => Before { held: self.held_by(fact.id), ..Before::default() },
            Fact::KeyReleased(fact) => Before { held: self.held_by(fact.id), ..Before::default() },
            Fact::SubscriptionRemoved(fact) => {
                Before { leased: self.leased_attempts(fact.number), ..Before::default() }
            }
            Fact::SubscriptionSought(fact) => {
                Before { leased: self.leased_attempts(fact.number), ..Before::default() }
            }
            Fact::EventsErased(fact) => Before { leased: self.leased_of(&fact.items), ..Before::default() },
            _ => Before::default(),
        }
    }

    /// The key that a dead letter holds, with its subscription.
    fn held_by(&self, id: DeadLetterId) -> Option<(u32, u64)> {
        let dead_letter = self.state.dead_letters.get(&id)?;
        Some((dead_letter.delivery.subscription, dead_letter.holds?))
    }

    fn leased_attempts(&self, number: u32) -> Vec<(DeliveryId, u32)> {
        let Some(subscription) = self.state.subscriptions.get(&number) else { return Vec::new() };
        let open = subscription.open.iter();
        open.filter_map(|((position, generation), open)| {
            let id = DeliveryId { subscription: number, position: *position, generation: *generation };
            Some((id, open.lease()?.attempt))
        })
        .collect()
    }

    /// Returns the attempts that run with these events.
    fn leased_of(&self, items: &[ErasedEvent]) -> Vec<(DeliveryId, u32)> {
        let mut leased = Vec::new();
        for (number, subscription) in &self.state.subscriptions {
            for item in items {
                let open = subscription.open.range((item.position, 0)..=(item.position, u16::MAX));
                leased.extend(open.filter_map(|((position, generation), open)| {
                    let (position, generation) = (*position, *generation);
                    let id = DeliveryId { subscription: *number, position, generation };
                    Some((id, open.lease()?.attempt))
                }));
            }
        }
        leased
    }

    /// Takes erased events from memory, wherever they wait.
    fn forget(&mut self, items: &[ErasedEvent], effects: &mut Vec<Effect>) {
        let gone: HashSet<Position> = items.iter().map(|item| item.position).collect();
        let held = self.bodies.keys().filter(|id| gone.contains(&id.position)).copied();
        for id in held.collect::<Vec<_>>() {
            self.drop_body(id);
        }
        // Lanes are filled anew: what was erased is not read again.
        let held = self.lanes.iter().filter(|(_, lanes)| lanes.waiting() + lanes.leased + lanes.retrying > 0);
        let numbers: Vec<u32> = held.map(|(number, _)| *number).collect();
        for number in numbers {
            self.restart(number, effects);
        }
    }

    fn follow(&mut self, recorded: &Recorded, before: Before, effects: &mut Vec<Effect>) {
        match &recorded.fact {
            Fact::DeliveryLeased(fact) => {
                let Some(lanes) = self.lanes.get_mut(&fact.delivery.subscription) else { return };
                lanes.leased += 1;
                match before.open {
                    Some(WasOpen { retrying: true, .. }) => lanes.retrying = lanes.retrying.saturating_sub(1),
                    Some(_) | None => lanes.hold(fact.key),
                }
            }
            Fact::DeliveryAcked(fact) => self.let_go(fact.delivery, before.open),
            Fact::DeliveryFailed(fact) => {
                let Some(lanes) = self.lanes.get_mut(&fact.delivery.subscription) else { return };
                lanes.leased = lanes.leased.saturating_sub(1);
                if fact.attempt.next_at.is_some() {
                    lanes.retrying += 1;
                }
                self.dirty.insert(fact.delivery.subscription);
            }
            Fact::DeadLetterOpened(fact) => {
                self.drop_body(fact.delivery);
                if let Some(lanes) = self.lanes.get_mut(&fact.delivery.subscription) {
                    // Held first: what waits behind it is not let go in between.
                    if let Some(key) = fact.holds {
                        lanes.hold_key(key);
                    }
                    lanes.release(before.open.and_then(|open| open.key));
                }
                self.dirty.insert(fact.delivery.subscription);
            }
            Fact::DeliveryGivenUp(fact) => {
                let subscription = self.state.subscriptions.get(&fact.delivery.subscription);
                let Some(definition) = subscription.map(subscription::State::definition) else { return };
                let Some(lanes) = self.lanes.get_mut(&fact.delivery.subscription) else { return };
                // The fact that opens its dead letter follows and lets go of the key.
                match before.open {
                    Some(WasOpen { retrying: true, .. }) => lanes.retrying = lanes.retrying.saturating_sub(1),
                    Some(_) | None => {
                        let slot = (fact.delivery.position, fact.delivery.generation);
                        lanes.withdraw(lane_of(definition, fact.priority), slot, fact.key);
                    }
                }
            }
            Fact::DeliveryExpired(fact) => {
                // What only waited was let go by whoever took it from its lane.
                let retrying = before.open.filter(|open| open.retrying);
                if let (Some(open), Some(lanes)) = (retrying, self.lanes.get_mut(&fact.delivery.subscription))
                {
                    lanes.retrying = lanes.retrying.saturating_sub(1);
                    lanes.release(open.key);
                }
                self.drop_body(fact.delivery);
            }
            Fact::DeadLetterResolved(_) | Fact::DeadLetterArchived(_) | Fact::KeyReleased(_) => {
                self.release_key(before.held);
            }
            Fact::BreakerOpened(fact) => {
                self.dirty.insert(fact.number);
            }
            Fact::BreakerProbed(fact) => {
                self.dirty.insert(fact.number);
            }
            Fact::BreakerClosed(fact) => {
                self.dirty.insert(fact.number);
            }
            Fact::SubscriptionDeclared(fact) => self.declared(fact.number, effects),
            Fact::SubscriptionRemoved(fact) => {
                if let Some(mut lanes) = self.lanes.remove(&fact.number) {
                    effects.extend((0..4).map(|lane| feed(fact.number, lanes.close(lane))));
                    while let Some((waiter, _)) = lanes.pop_waiter() {
                        effects.push(Effect::AnswerPull { waiter, deliveries: Vec::new() });
                    }
                }
                self.fence(before.leased, effects);
            }
            Fact::SubscriptionSought(fact) => {
                self.fence(before.leased, effects);
                self.restart(fact.number, effects);
            }
            Fact::EventsExpired(fact) => self.restart(fact.number, effects),
            Fact::EventsErased(fact) => {
                self.fence(before.leased, effects);
                self.forget(&fact.items, effects);
            }
            Fact::DeadLetterReplayed(fact) => {
                if let Some(id) = fact.delivery {
                    self.add_waiting(id);
                }
            }
            Fact::SubscriptionPaused(fact) => {
                self.dirty.insert(fact.number);
            }
            Fact::SubscriptionResumed(fact) => {
                self.dirty.insert(fact.number);
            }
            Fact::AgentsPaused(_) | Fact::AgentsResumed(_) => self.dirty.extend(self.lanes.keys()),
            _ => {}
        }
    }

    /// A delivery is done with: its key and its place are free.
    fn let_go(&mut self, id: DeliveryId, open: Option<WasOpen>) {
        self.drop_body(id);
        if let Some(lanes) = self.lanes.get_mut(&id.subscription) {
            lanes.leased = lanes.leased.saturating_sub(1);
            lanes.release(open.and_then(|open| open.key));
        }
        self.dirty.insert(id.subscription);
    }

    /// A key goes on, once no dead letter holds it any longer.
    fn release_key(&mut self, held: Option<(u32, u64)>) {
        let Some((number, key)) = held else { return };
        let still = self.state.subscriptions.get(&number).is_some_and(|it| it.held.contains_key(&key));
        if let (false, Some(lanes)) = (still, self.lanes.get_mut(&number)) {
            lanes.release_key(key);
            self.dirty.insert(number);
        }
    }

    fn declared(&mut self, number: u32, effects: &mut Vec<Effect>) {
        self.dirty.insert(number);
        if !self.lanes.contains_key(&number) {
            let lanes = Lanes::new(self.floors(number));
            effects.extend(lanes.feedings().into_iter().map(|feeding| feed(number, feeding)));
            self.lanes.insert(number, lanes);
            return;
        }
        let subscription = &self.state.subscriptions[&number];
        let reordered = subscription.versions.iter().rev().take(2).map(|version| version.definition.order);
        if reordered.collect::<Vec<_>>().windows(2).any(|pair| pair[0] != pair[1]) {
            self.restart(number, effects);
        } else if subscription.held.is_empty()
            && let Some(lanes) = self.lanes.get_mut(&number)
        {
            // A definition that lets keys go on has let go of those that were held.
            lanes.release_keys();
        }
    }

    /// Attempts whose lease is gone are ended.
    fn fence(&mut self, leased: Vec<(DeliveryId, u32)>, effects: &mut Vec<Effect>) {
        for (delivery, attempt) in leased {
            if self.state.open(delivery).is_none() {
                self.drop_body(delivery);
                effects.push(Effect::Cancel { delivery, attempt });
            }
        }
    }

    /// Fills the lanes anew from the floors and what is open.
    fn restart(&mut self, number: u32, effects: &mut Vec<Effect>) {
        let floors = self.floors(number);
        let Some(lanes) = self.lanes.get_mut(&number) else { return };
        let feedings = lanes.restart(floors);
        self.add_open(number);
        effects.extend(feedings.into_iter().map(|feeding| feed(number, feeding)));
    }

    fn floors(&self, number: u32) -> [Position; 4] {
        let subscription = &self.state.subscriptions[&number];
        let floors = subscription.cursors.each_ref().map(|cursor| cursor.floor);
        if subscription.definition().order != Order::Topic {
            return floors;
        }
        // Cursors are kept per priority whatever the order is; the one lane of all begins where the last of them is.
        [floors.into_iter().min().unwrap_or_default(); 4]
    }

    /// Adds what state knows to be open: held keys, parked and replayed ones. Retries come by their timers.
    fn add_open(&mut self, number: u32) {
        self.dirty.insert(number);
        let Some(subscription) = self.state.subscriptions.get(&number) else { return };
        let Some(lanes) = self.lanes.get_mut(&number) else { return };
        for key in subscription.held.keys() {
            lanes.hold_key(*key);
        }
        let mut waiting = Vec::new();
        for ((position, generation), open) in &subscription.open {
            match open.stage {
                Stage::Leased(_) => {
                    lanes.leased += 1;
                    lanes.hold(open.key);
                }
                Stage::Retrying(due) => {
                    lanes.retrying += 1;
                    lanes.hold(open.key);
                    // Its timer may have fired before the lanes were made anew.
                    let id =
                        DeliveryId { subscription: number, position: *position, generation: *generation };
                    if !self.state.timers.contains(&(due, Timer::RetryDue(id))) {
                        lanes.retry((*position, *generation));
                    }
                }
                Stage::Waiting => {
                    waiting.push(DeliveryId {
                        subscription: number,
                        position: *position,
                        generation: *generation,
                    });
                }
            }
        }
        for id in waiting {
            self.add_waiting(id);
        }
    }

    fn add_waiting(&mut self, id: DeliveryId) {
        let Some(subscription) = self.state.subscriptions.get(&id.subscription) else { return };
        let Some(open) = subscription.open.get(&(id.position, id.generation)) else { return };
        let waiting = Waiting {
            position: id.position,
            generation: id.generation,
            priority: open.priority,
            key: open.key,
            story: open.story,
            recorded_at: open.recorded_at,
            own_key: open.own_key,
            expires_at: open.expires_at,
            event: None,
            kept: true,
            passes: subscription.passes_hold(open),
        };
        let lane = lane_of(subscription.definition(), open.priority);
        if let Some(lanes) = self.lanes.get_mut(&id.subscription) {
            lanes.add(lane, waiting);
        }
        self.dirty.insert(id.subscription);
    }

    pub(super) fn keep_body(&mut self, id: DeliveryId, event: &Arc<Event>) {
        let weight = event.weight();
        if self.bodies_bytes + weight <= BODIES_MAX && self.bodies.insert(id, event.clone()).is_none() {
            self.bodies_bytes += weight;
        }
    }

    fn drop_body(&mut self, id: DeliveryId) {
        if let Some(event) = self.bodies.remove(&id) {
            self.bodies_bytes = self.bodies_bytes.saturating_sub(event.weight());
        }
    }
}

/// A delivery that was open.
#[derive(Clone, Copy)]
struct WasOpen {
    key: Option<u64>,
    /// It waited for its next attempt.
    retrying: bool,
}

/// What lanes need to know of the state before a fact changed it.
#[derive(Default)]
struct Before {
    open: Option<WasOpen>,
    leased: Vec<(DeliveryId, u32)>,
    /// The key that a dead letter held: subscription, key.
    held: Option<(u32, u64)>,
}

pub(super) fn feed(subscription: u32, feeding: Feeding) -> Effect {
    Effect::Feed { subscription, lane: feeding.lane, round: feeding.round, after: feeding.after }
}
