//! Deliveries: leased, extended, settled, expired, parked.

use super::Impossible;
use crate::fact;
use crate::ids::{DeliveryId, Position};
use crate::state::State;
use crate::subscription::{Attempt, AttemptOutcome, Lease, Open, Stage};
use crate::time::Timestamp;

impl State {
    pub(super) fn delivery_leased(
        &mut self,
        position: Position,
        at: Timestamp,
        fact: &fact::DeliveryLeased,
    ) -> Result<(), Impossible> {
        let id = fact.delivery;
        let slot = (id.position, id.generation);
        let subscription = self.subscription_at(position, id.subscription)?;
        let lease = Lease {
            token: fact.token,
            since: at,
            deadline: fact.deadline,
            attempt: fact.attempt,
            pulled: Some(subscription.is_inbox()),
        };
        let (known, has_rate) =
            (subscription.open.contains_key(&slot), subscription.definition().rate.is_some());
        if fact.probe == Some(true) {
            self.change_breaker(id.subscription, |breaker| {
                if let Some(opened) = &mut breaker.opened {
                    opened.probing(slot, fact.key);
                }
            });
        }
        if has_rate {
            self.draw(id.subscription, at);
        }
        if known {
            self.set_stage(id, Stage::Leased(lease), |open| {
                open.acquired += 1;
                open.first_at.get_or_insert(at);
            });
            return Ok(());
        }
        self.touch_open(id);
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
            own_key: fact.own_key.or(fact.key.filter(|key| *key != 0)),
            expires_at: fact.expires_at,
            first_at: Some(at),
        };
        let timer = subscription.timer_of(id, &open.stage);
        subscription.open.insert(slot, Box::new(open));
        self.timers.extend(timer);
        Ok(())
    }

    pub(super) fn delivery_extended(
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

    pub(super) fn delivery_acked(
        &mut self,
        position: Position,
        fact: &fact::DeliveryAcked,
    ) -> Result<(), Impossible> {
        let id = fact.delivery;
        let Some(open) = self.close(id) else { return Err(missing_delivery(position, id)) };
        if self.subscription_at(position, id.subscription)?.breaker.is_some() {
            self.change_breaker(id.subscription, |breaker| breaker.succeeded((id.position, id.generation)));
        }
        let subscription = self.subscription_mut(position, id.subscription)?;
        subscription.acked += 1;
        // Whoever goes on behind a gap has seen it.
        subscription.expired = subscription.expired.filter(|gap| id.position <= gap.to);
        if let Some(lease) = open.lease() {
            subscription.remember_settled((id.position, id.generation), lease.token);
        }
        let agent = subscription.id.agent.clone();
        self.touch_agent(&agent);
        if let Some(agent) = self.agents.get_mut(&agent) {
            agent.consumed += 1;
            agent.lease_ended_at = None;
        }
        Ok(())
    }

    pub(super) fn delivery_failed(
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
            self.touch_agent(&agent);
            if let Some(agent) = self.agents.get_mut(&agent) {
                agent.lease_ended_at = Some(at);
            }
        }
        // A dead delivery's row goes with the fact that opens its dead letter, which follows in the same slice.
        let stage = fact.attempt.next_at.map_or(Stage::Waiting, Stage::Retrying);
        let attempt: Attempt = fact.attempt.clone();
        let class = attempt.failure.as_ref().map(|failure| failure.class);
        let spent = u32::from(fact.unspent != Some(true));
        self.set_stage(id, stage, |open| {
            open.failed += spent;
            open.remember(attempt);
        });
        self.change_breaker(id.subscription, |breaker| breaker.failed((id.position, id.generation), class));
        Ok(())
    }

    pub(super) fn delivery_answered_late(&mut self, at: Timestamp, fact: &fact::DeliveryAnsweredLate) {
        let id = fact.delivery;
        if self.open(id).is_none() {
            return;
        }
        self.touch_open(id);
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

    pub(super) fn delivery_expired(
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

    pub(super) fn delivery_parked(
        &mut self,
        position: Position,
        fact: &fact::DeliveryParked,
    ) -> Result<(), Impossible> {
        let id = fact.delivery;
        self.touch_open(id);
        let subscription = self.subscription_mut(position, id.subscription)?;
        subscription.take(fact.priority.lane(), id.position);
        let own_key = fact.own_key.or(fact.key.filter(|key| *key != 0));
        let open = Open {
            own_key,
            expires_at: fact.expires_at,
            ..waiting(fact.priority, fact.key, fact.story, fact.recorded_at)
        };
        subscription.open.insert((id.position, id.generation), Box::new(open));
        Ok(())
    }
}

pub(super) fn waiting(
    priority: crate::event::Priority,
    key: Option<u64>,
    story: u64,
    recorded_at: Timestamp,
) -> Open {
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
        own_key: None,
        expires_at: None,
        first_at: None,
    }
}

pub(super) fn missing_delivery(position: Position, id: DeliveryId) -> Impossible {
    let what = format!("delivery {}/{}/{}", id.subscription, id.position, id.generation);
    Impossible::Missing { position, what }
}
