//! What lets deliveries flow or holds them back by itself: breakers, rates, held keys.

use super::Impossible;
use crate::fact;
use crate::ids::{DeadLetterId, Position};
use crate::row::Key;
use crate::state::State;
use crate::subscription;
use crate::subscription::breaker::{Breaker, Opened};
use crate::time::Timestamp;

impl State {
    pub(super) fn breaker_opened(
        &mut self,
        position: Position,
        at: Timestamp,
        fact: &fact::BreakerOpened,
    ) -> Result<(), Impossible> {
        self.subscription_at(position, fact.number)?;
        let opened = Opened {
            since: at,
            failures: fact.failures,
            class: fact.class,
            message: fact.message.clone(),
            pause: fact.pause,
            probe_at: fact.probe_at,
            probe: None,
            probed: Vec::new(),
        };
        self.change_breaker(fact.number, |breaker| {
            breaker.failing.clear();
            breaker.opened = Some(opened);
        });
        Ok(())
    }

    pub(super) fn breaker_probed(
        &mut self,
        position: Position,
        fact: &fact::BreakerProbed,
    ) -> Result<(), Impossible> {
        let subscription = self.subscription_at(position, fact.number)?;
        if !subscription.is_broken() {
            let what = format!("the open breaker of subscription {}", fact.number);
            return Err(Impossible::Missing { position, what });
        }
        self.change_breaker(fact.number, |breaker| {
            if let Some(opened) = &mut breaker.opened {
                opened.class = fact.class;
                opened.message = fact.message.clone();
                opened.pause = fact.pause;
                opened.probe_at = fact.probe_at;
                opened.probe = None;
            }
        });
        Ok(())
    }

    /// Changes a subscription's breaker, with its timer.
    pub(super) fn change_breaker(&mut self, number: u32, change: impl FnOnce(&mut Breaker)) {
        self.change_flow(number, |subscription| {
            let mut breaker = subscription.breaker.take().unwrap_or_default();
            change(&mut breaker);
            subscription.breaker = (breaker != Breaker::default()).then_some(breaker);
        });
    }

    /// Takes an attempt out of a subscription's rate.
    pub(super) fn draw(&mut self, number: u32, at: Timestamp) {
        self.change_flow(number, |subscription| {
            let rate = subscription.definition().rate;
            subscription.drawn = rate.map(|rate| rate.draw(subscription.drawn, at));
        });
    }

    /// Changes a subscription's breaker or rate, with the timers.
    pub(super) fn change_flow(&mut self, number: u32, change: impl FnOnce(&mut subscription::State)) {
        self.touch(Key::Subscription(number));
        let Some(subscription) = self.subscriptions.get_mut(&number) else { return };
        for timer in subscription.flow_timers() {
            self.timers.remove(&timer);
        }
        change(subscription);
        self.timers.extend(subscription.flow_timers());
    }

    /// A dead letter holds its key no longer.
    pub(super) fn release_hold(&mut self, id: DeadLetterId) {
        if self.dead_letters.get(&id).is_none_or(|it| it.holds.is_none()) {
            return;
        }
        self.touch(Key::DeadLetter(id));
        let Some(dead_letter) = self.dead_letters.get_mut(&id) else { return };
        let (number, key) = (dead_letter.delivery.subscription, dead_letter.holds.take());
        let subscription = self.subscriptions.get_mut(&number);
        if let (Some(subscription), Some(key)) = (subscription, key)
            && let Some(holders) = subscription.held.get_mut(&key)
        {
            holders.remove(&id);
            if holders.is_empty() {
                subscription.held.remove(&key);
            }
        }
    }

    /// No dead letter of a subscription holds a key any longer.
    pub(super) fn release_holds(&mut self, number: u32) {
        let held = self.subscriptions.get(&number).map(|it| &it.held);
        let ids: Vec<DeadLetterId> =
            held.into_iter().flat_map(|held| held.values()).flatten().copied().collect();
        for id in ids {
            self.release_hold(id);
        }
    }
}
