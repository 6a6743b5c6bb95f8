//! Who gets a delivery next.

use std::sync::Arc;

use super::step::{Coordinator, Stepped, feed};
use super::view::{Stop, View};
use crate::bulk_operation;
use crate::command::{Answer, Now, Pull, Pulled};
use crate::effect::{Deliver, Effect};
use crate::event::{Event, Priority};
use crate::fact::{
    AgentSeen, AgentsResumed, CursorMoved, DeliveryParked, EventLost, EventPublished, Fact,
    SubscriptionResumed,
};
use crate::hash;
use crate::ids::{DeliveryId, Position};
use crate::refusal::Refusal;
use crate::state::Timer;
use crate::subscription::decide::{is_pushed, lease_ends};
use crate::subscription::lanes::{BODIES_MAX, Lanes, WAITERS_MAX, Waiting, key_of, lane_of, own_key};
use crate::subscription::{Action, Order};
use crate::text::Text;
use crate::time::Timestamp;

/// How many taken positions a cursor may hold before its floor is written down.
const TAKEN_MAX: usize = 1_024;
/// How far a floor may lag behind what it could be before it is written down.
const LAG_MAX: u64 = 32_768;
/// How many deliveries are parked at once.
const PARKED_AT_ONCE: usize = 1_024;
/// How many deliveries one pull may take.
pub(super) const PULL_MAX: usize = 1_000;

/// A durable event that matches a subscription.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The subscription's number.
    pub subscription: u32,
    /// Its lane's round.
    pub round: u32,
    /// Where the event lies.
    pub position: Position,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The event.
    pub event: Arc<Event>,
}

/// What whoever feeds the lanes has read.
#[derive(Clone, Debug, Default)]
pub struct Offers {
    /// What matched, in the order of the log for each lane.
    pub offers: Vec<Offer>,
    /// Lanes that were read up to a position, whether or not anything matched: subscription, lane, round, position.
    pub fed: Vec<(u32, usize, u32, Position)>,
}

impl Coordinator {
    /// Takes what was read for the lanes.
    pub fn offer(&mut self, offers: Offers, effects: &mut Vec<Effect>) {
        let mut held = self.bodies_bytes + self.waiting_bytes(offers.offers.is_empty());
        let held_before = held;
        for offer in offers.offers {
            let Some(subscription) = self.state.subscriptions.get(&offer.subscription) else { continue };
            let Some(lanes) = self.lanes.get_mut(&offer.subscription) else { continue };
            let definition = subscription.definition();
            let lane = lane_of(definition, offer.event.priority);
            if subscription.is_taken(offer.event.priority.lane(), offer.position) {
                lanes.fed(lane, offer.round, offer.position);
                continue;
            }
            let weight = offer.event.weight();
            let keep = held + weight <= BODIES_MAX;
            held += if keep { weight } else { 0 };
            let waiting = Waiting {
                position: offer.position,
                generation: 0,
                priority: offer.event.priority,
                key: key_of(definition, &offer.event),
                own_key: own_key(&offer.event),
                story: hash::of(&offer.event.correlation_id),
                recorded_at: offer.recorded_at,
                expires_at: offer.event.expires_at,
                event: keep.then_some(offer.event),
                kept: false,
                passes: false,
            };
            if lanes.offer(lane, offer.round, waiting) == Some(true) {
                effects.push(feed(offer.subscription, lanes.close(lane)));
            }
            self.dirty.insert(offer.subscription);
        }
        self.waiting_bytes += held - held_before;
        for (subscription, lane, round, position) in offers.fed {
            if let Some(lanes) = self.lanes.get_mut(&subscription) {
                lanes.fed(lane, round, position);
            }
        }
    }

    /// Returns about how many bytes the events take that wait in lanes: never less than they do. With many subscriptions they are
    /// not added up for every offer.
    fn waiting_bytes(&mut self, none_comes: bool) -> usize {
        if self.waiting_bytes_age == 0 && !none_comes {
            self.waiting_bytes = self.lanes.values().map(Lanes::bytes).sum();
            self.waiting_bytes_age = self.lanes.len() / 64;
        } else {
            self.waiting_bytes_age = self.waiting_bytes_age.saturating_sub(1);
        }
        self.waiting_bytes
    }

    /// Tells whether any subscription may have something to give out.
    pub fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Gives out what may go, up to `leases_max` deliveries.
    ///
    /// # Errors
    /// When the log is damaged.
    pub fn dispatch(&mut self, now: Now, leases_max: usize, stepped: &mut Stepped) -> Result<(), Stop> {
        let mut left = leases_max;
        // Round by round, from behind whoever was served last: a busy subscription never keeps others from their turn.
        let behind = self.dirty.range(self.served_last.saturating_add(1)..);
        let turns: Vec<u32> = behind.chain(self.dirty.range(..=self.served_last)).copied().collect();
        for number in turns {
            if left == 0 {
                break;
            }
            self.dirty.remove(&number);
            self.served_last = number;
            let share = (leases_max / 8).max(1).min(left);
            let given = self.serve(number, now, share, stepped)?;
            left -= given.min(left);
            if given >= share {
                self.dirty.insert(number);
            }
            self.tend(number, now, stepped)?;
        }
        Ok(())
    }

    /// Writes the floors of quiet subscriptions down that lag by so many positions. These facts move the end of the log
    /// themselves: what counts is how far it moves beyond them, or many subscriptions would write for ever on an idle server.
    ///
    /// # Errors
    /// When the log is damaged.
    pub fn note_quiet_cursors(&mut self, now: Now, lag: u64, stepped: &mut Stepped) -> Result<(), Stop> {
        let own = self.lanes.len() as u64 * 2;
        self.note_cursors(now, lag.max(own), stepped)
    }

    /// Writes the floors of all subscriptions down, where they moved: before a stop.
    ///
    /// # Errors
    /// When the log is damaged.
    pub fn note_cursors(&mut self, now: Now, lag_min: u64, stepped: &mut Stepped) -> Result<(), Stop> {
        // By number: what is written down follows from what is true, never from how a map is hashed.
        let mut numbers: Vec<u32> = self.lanes.keys().copied().collect();
        numbers.sort_unstable();
        for number in numbers {
            self.note_cursor(number, now, 1, lag_min.max(1), stepped)?;
        }
        Ok(())
    }

    fn serve(
        &mut self,
        number: u32,
        now: Now,
        leases_max: usize,
        stepped: &mut Stepped,
    ) -> Result<usize, Stop> {
        let Some(subscription) = self.state.subscriptions.get(&number) else { return Ok(0) };
        if is_pushed(&subscription.definition().action) {
            let mut given = 0;
            while given < leases_max {
                let Some((pulled, replay)) = self.lease_next(number, now, given, stepped)? else { break };
                given += 1;
                stepped.effects.push(Effect::Deliver(Deliver {
                    delivery: pulled.delivery,
                    token: pulled.token,
                    attempt: pulled.attempt,
                    deadline: pulled.deadline,
                    recorded_at: pulled.recorded_at,
                    event: pulled.event,
                    survivor: false,
                    replay,
                    first_at: pulled.first_at,
                    redelivered: pulled.redelivered,
                }));
            }
            return Ok(given);
        }
        let mut given = 0;
        while given < leases_max {
            let Some((waiter, max)) = self.lanes.get(&number).and_then(|lanes| lanes.first_waiter()) else {
                break;
            };
            let deliveries = self.lease_up_to(number, max.min(leases_max - given), now, given, stepped)?;
            if deliveries.is_empty() {
                break;
            }
            given += deliveries.len();
            if let Some(lanes) = self.lanes.get_mut(&number) {
                lanes.pop_waiter();
            }
            stepped.effects.push(Effect::AnswerPull { waiter, deliveries });
        }
        Ok(given)
    }

    /// Parks what blocks a lane, opens lanes that have room, writes the floor down when it moved far.
    fn tend(&mut self, number: u32, now: Now, stepped: &mut Stepped) -> Result<(), Stop> {
        let room = self.room_to_park(number);
        let Some(lanes) = self.lanes.get_mut(&number) else { return Ok(()) };
        let mut parked = Vec::new();
        for lane in lanes.stuck() {
            parked.extend(lanes.park(lane, PARKED_AT_ONCE.min(room - parked.len())));
        }
        if !parked.is_empty() {
            // There may be more to park before the lane has room.
            self.dirty.insert(number);
        }
        for waiting in parked {
            let delivery = DeliveryId { subscription: number, position: waiting.position, generation: 0 };
            let fact = DeliveryParked {
                delivery,
                priority: waiting.priority,
                key: waiting.key,
                story: waiting.story,
                recorded_at: waiting.recorded_at,
                own_key: waiting.own_key.filter(|own| waiting.key != Some(*own)),
                expires_at: waiting.expires_at,
            };
            self.record(Fact::from(fact), now, stepped)?;
        }
        if let Some(lanes) = self.lanes.get_mut(&number) {
            stepped.effects.extend(lanes.reopen().into_iter().map(|feeding| feed(number, feeding)));
        }
        self.note_cursor(number, now, TAKEN_MAX, LAG_MAX, stepped)
    }

    /// How many more deliveries of a subscription state may hold.
    pub(crate) fn room_to_park(&self, number: u32) -> usize {
        let open = self.state.subscriptions.get(&number).map_or(0, |it| it.open.len());
        self.limits().parked_max.saturating_sub(open)
    }

    fn note_cursor(
        &mut self,
        number: u32,
        now: Now,
        taken_min: usize,
        lag_min: u64,
        stepped: &mut Stepped,
    ) -> Result<(), Stop> {
        let (Some(lanes), Some(subscription)) =
            (self.lanes.get(&number), self.state.subscriptions.get(&number))
        else {
            return Ok(());
        };
        let mut floors = lanes.floors();
        if subscription.definition().order == Order::Topic {
            // One lane feeds all priorities: it has got as far as every cursor.
            floors = [floors[lane_of(subscription.definition(), Priority::Normal)]; 4];
        }
        let moved = subscription.cursors.iter().zip(floors).any(|(cursor, floor)| {
            let freed = floor.0.saturating_sub(cursor.floor.0);
            freed >= lag_min || (freed > 0 && cursor.taken.0.len() >= taken_min)
        });
        if moved {
            self.record(Fact::from(CursorMoved { number, floors }), now, stepped)?;
        }
        Ok(())
    }

    /// Answers a worker that asks for deliveries.
    pub(super) fn pull(&mut self, pull: &Pull, now: Now, stepped: &mut Stepped) -> Result<(), Stop> {
        let Some(number) = self.state.subscription_numbers.get(&pull.subscription).copied() else {
            let subscription = Text::from(pull.subscription.to_string());
            return Err(Stop::Refused(Refusal::SubscriptionUnknown { subscription }));
        };
        let subscription = &self.state.subscriptions[&number];
        let action = &subscription.definition().action;
        if !matches!(action, Action::Inbox) {
            let (subscription, action) = (Text::from(pull.subscription.to_string()), action.as_str());
            return Err(Stop::Refused(Refusal::SubscriptionNotInbox { subscription, action }));
        }
        let waiters = self.lanes.get(&number).map_or(0, |lanes| lanes.waiters());
        // Before anything is recorded: what is refused leaves no fact.
        if pull.waiter.is_some() && waiters >= WAITERS_MAX {
            return Err(Stop::Refused(Refusal::TooMany { what: "waiting pulls", limit: WAITERS_MAX }));
        }
        let agent = self.state.agents.get(&subscription.id.agent);
        let stale = agent.is_some_and(|agent| {
            let rested = agent.last_seen.is_none_or(|seen| now.at.since(seen) >= crate::agent::SEEN_STEP);
            rested
                || agent.lease_ended_at.is_some_and(|ended| agent.last_seen.is_some_and(|seen| ended >= seen))
        });
        if stale {
            let name = subscription.id.agent.clone();
            self.record(Fact::from(AgentSeen { name }), now, stepped)?;
        }
        // Whoever asks first is served first.
        let deliveries = if waiters > 0 {
            Vec::new()
        } else {
            self.lease_up_to(number, pull.max.clamp(1, PULL_MAX), now, 0, stepped)?
        };
        let waits = deliveries.is_empty() && pull.waiter.is_some();
        if let (true, Some(waiter), Some(lanes)) = (waits, pull.waiter, self.lanes.get_mut(&number)) {
            lanes.wait(waiter, pull.max.clamp(1, PULL_MAX));
            self.dirty.insert(number);
            stepped.answer = Some(Answer::WillWait);
        } else {
            stepped.answer = Some(Answer::Pulled(deliveries));
        }
        self.tend(number, now, stepped)
    }

    fn lease_up_to(
        &mut self,
        number: u32,
        max: usize,
        now: Now,
        given_before: usize,
        stepped: &mut Stepped,
    ) -> Result<Vec<Pulled>, Stop> {
        let mut deliveries = Vec::new();
        // A pull's answer is bounded in bytes too; one delivery always fits.
        let mut bytes = 0;
        while deliveries.len() < max && bytes < 4 * 1024 * 1024 {
            let given = given_before + deliveries.len();
            let Some((pulled, _)) = self.lease_next(number, now, given, stepped)? else { break };
            bytes += pulled.event.as_ref().map_or(1024, |event| event.weight());
            deliveries.push(pulled);
        }
        Ok(deliveries)
    }
}

/// Decides what a timer leads to.
pub(super) fn timer(view: &View<'_>, timer: Timer) -> Result<Vec<Fact>, Stop> {
    match timer {
        Timer::LeaseEnds(id) => lease_ends(view, id),
        Timer::RetryDue(_) | Timer::ProbeDue(_) | Timer::RateFrees(_) => Ok(Vec::new()),
        Timer::SubscriptionResumes(number) => {
            let actor = Text::from("/cantus/timer");
            let paused = view.state.subscriptions.get(&number).is_some_and(|it| it.pause.is_some());
            Ok(paused.then(|| Fact::from(SubscriptionResumed { number, actor })).into_iter().collect())
        }
        Timer::AgentsResume(pause) => {
            let known = view.state.pauses.contains_key(&pause);
            let actor = Text::from("/cantus/timer");
            Ok(known.then(|| Fact::from(AgentsResumed { pause, actor })).into_iter().collect())
        }
        Timer::BulkDue(id, _) => bulk_operation::item::next(view, id),
        Timer::EventDue(position) => {
            let Some(deferred) = view.state.deferred.get(&position) else { return Ok(Vec::new()) };
            let Some(event) = view.event(position)? else {
                let (event_id, topic) = (deferred.event_id.clone(), deferred.topic.clone());
                return Ok(vec![Fact::from(EventLost { deferred_at: position, event_id, topic })]);
            };
            let revision = match &event.stream {
                Some(stream) => Some(view.revision(stream)? + 1),
                None => None,
            };
            Ok(vec![Fact::from(EventPublished {
                event,
                actor: deferred.actor.clone(),
                content: deferred.content,
                revision,
                only: None,
                answers: deferred.answers,
                deferred_at: Some(position),
            })])
        }
    }
}
