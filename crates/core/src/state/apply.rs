//! How a fact changes what is true. Nothing is decided here: recovery runs the same lines.
//!
//! Here are the table of facts and what all rooms need; then read `events`, `definitions`, `holds` (pauses and
//! seeks), `flow` (breakers, rates, held keys), `deliveries`, `dead_letters`, `bulk` and `retention`.

mod bulk;
mod dead_letters;
mod definitions;
mod deliveries;
mod events;
mod flow;
mod holds;
mod retention;

use super::model::State;
use crate::dead_letter::{DeadLetter, ImpossibleMove, Move};
use crate::fact::{Fact, Recorded};
use crate::ids::{DeadLetterId, DeliveryId, Position};
use crate::row::Key;
use crate::subscription::{self, Open, PauseState, Stage};
use crate::time::Timestamp;

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
            Fact::EventsExpired(fact) => self.events_expired(position, at, fact)?,
            Fact::TopicTrimmed(fact) => self.topic_trimmed(fact),
            Fact::EventsErased(fact) => self.events_erased(position, at, fact),
            Fact::ErasureAdvanced(fact) => self.erasure_advanced(at, fact),
            Fact::GapDeclared(fact) => self.gap_declared(at, fact),
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
                if !fact.source.starts_with("api") {
                    self.meta.file_hash = Some(fact.hash.clone());
                }
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
            Fact::BreakerOpened(fact) => self.breaker_opened(position, at, fact)?,
            Fact::BreakerProbed(fact) => self.breaker_probed(position, fact)?,
            Fact::BreakerClosed(fact) => {
                self.subscription_at(position, fact.number)?;
                self.change_flow(fact.number, |subscription| subscription.breaker = None);
            }
            Fact::KeyReleased(fact) => {
                if !self.dead_letters.contains_key(&fact.id) {
                    return Err(missing_dead_letter(position, fact.id));
                }
                self.release_hold(fact.id);
            }
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
                self.release_hold(fact.id);
                if let Some(delivery) = fact.delivery {
                    self.replaying.remove(&delivery);
                }
            }
            Fact::DeadLetterArchived(fact) => {
                self.dead_letter_mut(position, fact.id, Move::Archive, at)?.note = fact.note.clone();
                self.release_hold(fact.id);
            }
            Fact::DeadLetterRestored(fact) => {
                let dead_letter = self.dead_letter_mut(position, fact.id, Move::Restore, at)?;
                if let Some(note) = &fact.note {
                    dead_letter.note = note.clone();
                }
            }
            Fact::BulkStarted(fact) => self.bulk_started(position, at, fact),
            Fact::BulkProgressed(fact) => self.bulk_progressed(position, at, fact)?,
            Fact::BulkEnded(fact) => self.bulk_ended(position, at, fact)?,
            Fact::DeliveryHastened(fact) => self.delivery_hastened(position, at, fact)?,
            Fact::DeliveryGivenUp(fact) => self.delivery_given_up(position, fact)?,
            Fact::NodeStarted(fact) => {
                self.touch(Key::Meta);
                self.meta.epoch = fact.epoch;
                self.meta.started_at = at;
            }
            Fact::ClockJumped(_) => {}
            Fact::CallAudited(fact) => {
                self.touch(Key::Audit);
                self.audit.take(position, fact);
            }
        }
        self.position = position;
        self.at = at;
        Ok(())
    }

    /// Changes where an open delivery stands, with its timer.
    fn set_stage(&mut self, id: DeliveryId, stage: Stage, change: impl FnOnce(&mut Open)) {
        self.touch_open(id);
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
    fn close(&mut self, id: DeliveryId) -> Option<Box<Open>> {
        self.open(id)?;
        self.touch_closing(id);
        let subscription = self.subscriptions.get_mut(&id.subscription)?;
        let open = subscription.open.remove(&(id.position, id.generation))?;
        if let Some(timer) = subscription.timer_of(id, &open.stage) {
            self.timers.remove(&timer);
        }
        if subscription.breaker.is_some() {
            self.change_breaker(id.subscription, |breaker| breaker.gone((id.position, id.generation)));
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
        let dead_letter = self.dead_letters.get_mut(&id).ok_or_else(|| missing_dead_letter(position, id))?;
        dead_letter.status =
            dead_letter.status.after(what).map_err(|source| Impossible::Move { position, source })?;
        dead_letter.moved_at = at;
        Ok(dead_letter)
    }
}

fn missing_dead_letter(position: Position, id: DeadLetterId) -> Impossible {
    Impossible::Missing { position, what: format!("dead letter {}", id.0) }
}
