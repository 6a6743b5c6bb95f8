//! Dead letters: opened and replayed.

use super::Impossible;
use super::deliveries::waiting;
use crate::dead_letter::{DeadLetter, Move, Replaying, Status};
use crate::fact;
use crate::hash;
use crate::ids::{DeadLetterId, Position};
use crate::row::Key;
use crate::state::State;
use crate::text::Text;
use crate::time::Timestamp;

/// How many deaths and replays a dead letter remembers by itself.
const STORIES_KEPT: usize = 64;

impl State {
    pub(super) fn dead_letter_opened(
        &mut self,
        position: Position,
        at: Timestamp,
        fact: &fact::DeadLetterOpened,
    ) -> Result<(), Impossible> {
        let closed = self.close(fact.delivery);
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
                erased: None,
                recorded_at: closed.map(|open| open.recorded_at).filter(|at| *at != Timestamp::default()),
                holds: fact.holds,
            },
        );
        if let Some(key) = fact.holds {
            let subscription = self.subscription_mut(position, fact.delivery.subscription)?;
            subscription.held.entry(key).or_default().insert(id);
        }
        Ok(())
    }

    pub(super) fn dead_letter_replayed(
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
        self.touch_open(id);
        let subscription = self.subscription_mut(position, id.subscription)?;
        let mut open = waiting(fact.priority, fact.key, fact.story, fact.recorded_at);
        open.replay_of = Some(fact.id);
        open.own_key = fact.own_key.or(fact.key.filter(|key| *key != 0));
        subscription.open.insert((id.position, id.generation), Box::new(open));
        Ok(())
    }
}
