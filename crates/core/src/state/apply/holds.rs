//! What holds subscriptions and agents back, and seeks.

use super::Impossible;
use crate::dead_letter::Status;
use crate::fact;
use crate::ids::{DeadLetterId, DeliveryId, Position};
use crate::row::Key;
use crate::state::State;
use crate::state::model::{AgentsPause, Timer};
use crate::subscription::{self, Cursor, PauseState};
use crate::time::Timestamp;

impl State {
    pub(super) fn set_pause(
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

    pub(super) fn subscription_sought(
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
    pub(super) fn drop_open(&mut self, number: u32, after: Position) {
        let Some(subscription) = self.subscriptions.get(&number) else { return };
        let behind = subscription.open.range((after.next(), 0)..);
        let slots: Vec<_> =
            behind.filter(|(_, open)| open.replay_of.is_none()).map(|(slot, _)| *slot).collect();
        for (position, generation) in slots {
            self.close(DeliveryId { subscription: number, position, generation });
        }
    }

    /// Takes the replays to a subscription that goes away back: their dead letters are open again.
    pub(super) fn end_replays(&mut self, number: u32) {
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

    pub(super) fn agents_paused(&mut self, position: Position, at: Timestamp, fact: &fact::AgentsPaused) {
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
                reason: fact.reason.clone(),
            },
        );
        if let Some(until) = fact.until {
            self.timers.insert((until, Timer::AgentsResume(position)));
        }
    }

    pub(super) fn agents_resumed(&mut self, pause: Position) {
        self.touch(Key::Pause(pause));
        if let Some(gone) = self.pauses.remove(&pause)
            && let Some(until) = gone.until
        {
            self.timers.remove(&(until, Timer::AgentsResume(pause)));
        }
    }
}
