//! Which delivery is leased next, and how.

use std::sync::Arc;

use super::step::{Coordinator, Stepped};
use super::view::Stop;
use crate::command::{Now, Pulled};
use crate::event::{Event, Priority};
use crate::fact::{DeliveryExpired, DeliveryLeased, Fact};
use crate::ids::{DeliveryId, Position, Token};
use crate::subscription::breaker::probe_key;
use crate::subscription::lanes::Waiting;
use crate::subscription::{Action, Open, Stage};
use crate::time::Timestamp;

/// What is about to be leased.
struct Next {
    slot: (Position, u16),
    key: Option<u64>,
    own_key: Option<u64>,
    priority: Priority,
    story: u64,
    recorded_at: Timestamp,
    expires_at: Option<Timestamp>,
    first_at: Option<Timestamp>,
    acquired: u32,
    replay: bool,
    event: Option<Arc<Event>>,
}

/// What may be leased of a subscription now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    /// Nothing.
    Shut,
    /// Whatever is next.
    Open,
    /// One delivery, of a key that was not probed lately.
    Probe,
}

impl Coordinator {
    /// Leases the next delivery of a subscription, if anything may go. Tells also whether it is a replay.
    pub(super) fn lease_next(
        &mut self,
        number: u32,
        now: Now,
        draw: usize,
        stepped: &mut Stepped,
    ) -> Result<Option<(Pulled, bool)>, Stop> {
        loop {
            let gate = self.gate(number, now);
            if gate == Gate::Shut {
                return Ok(None);
            }
            let next = match self.next_due(number, now, gate, stepped)? {
                Some(next) => next,
                None => match self.next_waiting(number, now, gate, stepped)? {
                    // A probe of a key that was probed lately is better than none.
                    Found::Nothing if gate == Gate::Probe => {
                        match self.next_due(number, now, Gate::Open, stepped)? {
                            Some(next) => next,
                            None => return Ok(None),
                        }
                    }
                    Found::Nothing => return Ok(None),
                    Found::Again => continue,
                    Found::Next(next) => *next,
                },
            };
            return self.lease(number, next, gate, now, draw, stepped).map(Some);
        }
    }

    fn gate(&self, number: u32, now: Now) -> Gate {
        let (Some(subscription), Some(lanes)) =
            (self.state.subscriptions.get(&number), self.lanes.get(&number))
        else {
            return Gate::Shut;
        };
        let definition = subscription.definition();
        let full = lanes.leased >= definition.concurrency as usize;
        if full || subscription.pause.is_some() || self.state.parked_by(&subscription.id.agent).is_some() {
            return Gate::Shut;
        }
        let frees = definition.rate.zip(subscription.drawn).map(|(rate, drawn)| rate.free_at(drawn));
        if frees.is_some_and(|at| at > now.at) {
            return Gate::Shut;
        }
        match subscription.breaker.as_ref().and_then(|breaker| breaker.opened.as_ref()) {
            None => Gate::Open,
            Some(opened) if opened.may_probe(now.at) => Gate::Probe,
            Some(_) => Gate::Shut,
        }
    }

    /// Takes the next retry that is due and may go; for a probe, of a key that was not probed lately.
    fn next_due(
        &mut self,
        number: u32,
        now: Now,
        gate: Gate,
        stepped: &mut Stepped,
    ) -> Result<Option<Next>, Stop> {
        loop {
            let (Some(subscription), Some(lanes)) =
                (self.state.subscriptions.get(&number), self.lanes.get_mut(&number))
            else {
                return Ok(None);
            };
            let open = &subscription.open;
            let held = |it: &Open| {
                it.key.is_some_and(|key| subscription.held.contains_key(&key))
                    && !subscription.passes_hold(it)
            };
            let may_go = |slot| open.get(&slot).is_none_or(|open| !held(open));
            let probed = subscription.breaker.as_ref().and_then(|breaker| breaker.opened.as_ref());
            let fresh = |slot| {
                let key = open.get(&slot).map(|open| probe_key(open.key, slot));
                let known = key.zip(probed).is_some_and(|(key, opened)| opened.probed.contains(&key));
                may_go(slot) && !known
            };
            let slot = if gate == Gate::Probe { lanes.pop_due(fresh) } else { lanes.pop_due(may_go) };
            let Some(slot) = slot else { return Ok(None) };
            let Some(open) = open.get(&slot) else { continue };
            if !matches!(open.stage, Stage::Retrying(due) if due <= now.at) {
                continue;
            }
            if open.expires_at.is_some_and(|at| at <= now.at) {
                let (priority, story) = (open.priority, open.story);
                let delivery = DeliveryId { subscription: number, position: slot.0, generation: slot.1 };
                self.record(Fact::from(DeliveryExpired { delivery, priority, story }), now, stepped)?;
                continue;
            }
            return Ok(Some(Next {
                slot,
                key: open.key,
                own_key: open.own_key,
                priority: open.priority,
                story: open.story,
                recorded_at: open.recorded_at,
                expires_at: open.expires_at,
                first_at: open.first_at,
                acquired: open.acquired,
                replay: open.replay_of.is_some(),
                event: None,
            }));
        }
    }

    /// Takes the next delivery that waits in the lanes.
    fn next_waiting(
        &mut self,
        number: u32,
        now: Now,
        gate: Gate,
        stepped: &mut Stepped,
    ) -> Result<Found, Stop> {
        let (Some(subscription), Some(lanes)) =
            (self.state.subscriptions.get(&number), self.lanes.get_mut(&number))
        else {
            return Ok(Found::Nothing);
        };
        // A probe goes in any case: were retries alone to fill what may be in flight, nothing would ever close it.
        let room = lanes.leased + lanes.retrying < subscription.definition().max_in_flight as usize;
        if !room && gate != Gate::Probe {
            return Ok(Found::Nothing);
        }
        let probed = subscription.breaker.as_ref().and_then(|breaker| breaker.opened.as_ref());
        let fresh = |waiting: &Waiting| {
            let key = probe_key(waiting.key, (waiting.position, waiting.generation));
            probed.is_none_or(|opened| !opened.probed.contains(&key))
        };
        let popped = if gate == Gate::Probe { lanes.pop_where(fresh) } else { None };
        let Some((_, waiting)) = popped.or_else(|| lanes.pop()) else { return Ok(Found::Nothing) };
        let slot = (waiting.position, waiting.generation);
        let open = subscription.open.get(&slot);
        if waiting.kept && open.is_none() {
            lanes.release(waiting.key);
            return Ok(Found::Again);
        }
        if waiting.expires_at.is_some_and(|at| at <= now.at) {
            let delivery = DeliveryId { subscription: number, position: slot.0, generation: slot.1 };
            let (priority, story) = (waiting.priority, waiting.story);
            lanes.release(waiting.key);
            self.record(Fact::from(DeliveryExpired { delivery, priority, story }), now, stepped)?;
            return Ok(Found::Again);
        }
        Ok(Found::Next(Box::new(Next {
            slot,
            key: waiting.key,
            own_key: waiting.own_key,
            priority: waiting.priority,
            story: waiting.story,
            recorded_at: waiting.recorded_at,
            expires_at: waiting.expires_at,
            first_at: open.and_then(|open| open.first_at),
            acquired: open.map_or(0, |open| open.acquired),
            replay: open.is_some_and(|open| open.replay_of.is_some()),
            event: waiting.event,
        })))
    }

    fn lease(
        &mut self,
        number: u32,
        next: Next,
        gate: Gate,
        now: Now,
        draw: usize,
        stepped: &mut Stepped,
    ) -> Result<(Pulled, bool), Stop> {
        let delivery = DeliveryId { subscription: number, position: next.slot.0, generation: next.slot.1 };
        let definition = self.state.subscriptions[&number].definition();
        let span = match &definition.action {
            Action::Exec(exec) => exec.timeout,
            Action::Webhook(webhook) => webhook.timeout,
            Action::Inbox => definition.lease.min(definition.lease_max()),
            Action::Publish(_) | Action::Pause(_) => definition.lease,
        };
        let position = self.state.position.next();
        let token = Token { epoch: self.state.meta.epoch, secret: mix(now.chance, position.0, draw as u64) };
        let deadline = now.at.after(span);
        let attempt = next.acquired + 1;
        let fact = DeliveryLeased {
            delivery,
            token,
            deadline,
            attempt,
            priority: next.priority,
            key: next.key,
            story: next.story,
            recorded_at: next.recorded_at,
            own_key: next.own_key.filter(|own| next.key != Some(*own)),
            expires_at: next.expires_at,
            probe: (gate == Gate::Probe).then_some(true),
        };
        self.record(Fact::from(fact), now, stepped)?;
        let event = next.event.or_else(|| self.bodies.get(&delivery).cloned());
        if let Some(event) = &event {
            self.keep_body(delivery, event);
        }
        let pulled = Pulled {
            delivery,
            token,
            attempt,
            deadline,
            recorded_at: next.recorded_at,
            first_at: next.first_at.unwrap_or(now.at),
            redelivered: attempt > 1 || next.replay,
            event,
        };
        Ok((pulled, next.replay))
    }
}

/// What the lanes had.
enum Found {
    Nothing,
    /// It was not to be delivered: look again.
    Again,
    Next(Box<Next>),
}

/// Makes a token's secret of the chance that was drawn for the step.
fn mix(chance: u64, position: u64, draw: u64) -> u64 {
    let parts = crate::hash::parts(&[&chance.to_le_bytes(), &position.to_le_bytes(), &draw.to_le_bytes()]);
    (parts >> 64) as u64 ^ parts as u64
}
