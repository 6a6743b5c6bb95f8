//! Retention: what has gone, was erased, or is lost.

use std::collections::BTreeSet;

use super::Impossible;
use crate::dead_letter::Status;
use crate::fact::{self, ErasureStage};
use crate::ids::{DeliveryId, Position};
use crate::retention::{ERASED_KEPT, Erasure, Expired, Gap};
use crate::row::Key;
use crate::state::State;
use crate::text::Text;
use crate::time::Timestamp;

impl State {
    pub(super) fn events_expired(
        &mut self,
        position: Position,
        at: Timestamp,
        fact: &fact::EventsExpired,
    ) -> Result<(), Impossible> {
        let subscription = self.subscription_mut(position, fact.number)?;
        let from = subscription.expired.map_or(fact.from, |known| known.from.min(fact.from));
        let to = subscription.expired.map_or(fact.to, |known| known.to.max(fact.to));
        subscription.expired = Some(Expired { from, to, at });
        Ok(())
    }

    pub(super) fn topic_trimmed(&mut self, fact: &fact::TopicTrimmed) {
        self.touch(Key::Topic(fact.topic.clone()));
        let Some(topic) = self.topics.get_mut(&fact.topic) else { return };
        topic.events = topic.events.saturating_sub(fact.events);
        topic.gone = Some(topic.gone.unwrap_or_default() + fact.events);
        topic.bytes = topic.bytes.saturating_sub(fact.bytes);
        topic.first = fact.first;
        topic.trimmed = topic.trimmed.max(fact.through);
        if fact.compacted.is_some() {
            topic.compacted = topic.compacted.max(fact.compacted);
            topic.compacted_bytes = Some(topic.bytes);
        }
    }

    pub(super) fn events_erased(&mut self, position: Position, at: Timestamp, fact: &fact::EventsErased) {
        let gone: BTreeSet<Position> = fact.items.iter().map(|item| item.position).collect();
        for item in &fact.items {
            if item.deferred {
                self.drop_deferred(item.position);
                continue;
            }
            self.touch(Key::Topic(item.topic.clone()));
            let Some(topic) = self.topics.get_mut(&item.topic) else { continue };
            // What its retention took was counted then.
            if topic.trimmed.is_none_or(|through| item.position > through) {
                topic.events = topic.events.saturating_sub(1);
                topic.gone = Some(topic.gone.unwrap_or_default() + 1);
                topic.bytes = topic.bytes.saturating_sub(item.bytes);
            }
        }
        for id in self.open_of(&gone) {
            self.close(id);
            self.replaying.remove(&id);
        }
        self.erase_dead_letters(position, at, &gone);
        self.touch(Key::Erasure(position));
        let erasure = Erasure {
            items: fact.items.clone(),
            reason: fact.reason.clone(),
            actor: fact.actor.clone(),
            at,
            stage: ErasureStage::Masked,
            moved_at: at,
        };
        self.index_erasure(position, &erasure);
        self.erasures.insert(position, erasure);
        self.forget_old_erasures();
    }

    /// Returns the open deliveries of these events.
    fn open_of(&self, events: &BTreeSet<Position>) -> Vec<DeliveryId> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Vec::new() };
        let mut found = Vec::new();
        for (number, subscription) in &self.subscriptions {
            let open = subscription.open.range((*first, 0)..=(*last, u16::MAX));
            let gone = open.filter(|((position, _), _)| events.contains(position));
            found.extend(gone.map(|((position, generation), _)| DeliveryId {
                subscription: *number,
                position: *position,
                generation: *generation,
            }));
        }
        found
    }

    /// Takes everything from dead letters that their events or attempts said.
    fn erase_dead_letters(&mut self, position: Position, at: Timestamp, gone: &BTreeSet<Position>) {
        let dead = self.dead_letters.values().filter(|it| gone.contains(&it.delivery.position));
        let ids: Vec<_> = dead.map(|dead_letter| dead_letter.id).collect();
        for id in ids {
            self.touch(Key::DeadLetter(id));
            self.replaying.retain(|_, replayed| *replayed != id);
            let Some(dead_letter) = self.dead_letters.get_mut(&id) else { continue };
            dead_letter.erased = Some(position);
            dead_letter.message = Text::from("erased");
            dead_letter.fingerprint = Text::from("erased");
            dead_letter.note = Text::default();
            dead_letter.moved_at = at;
            if matches!(dead_letter.status, Status::Open | Status::Replaying) {
                dead_letter.status = Status::Archived;
            }
        }
    }

    /// Lets erased events be found by their place and id.
    pub(in crate::state) fn index_erasure(&mut self, position: Position, erasure: &Erasure) {
        self.erased.extend(erasure.items.iter().map(|item| (item.position, position)));
        self.erased_ids.extend(erasure.items.iter().map(|item| (item.id, item.position)));
    }

    fn forget_old_erasures(&mut self) {
        while self.erased.len() > ERASED_KEPT {
            let done = self.erasures.iter().find(|(_, erasure)| erasure.stage == ErasureStage::Done);
            let Some(oldest) = done.map(|(position, _)| *position) else { return };
            self.touch(Key::Erasure(oldest));
            let Some(erasure) = self.erasures.remove(&oldest) else { return };
            for item in &erasure.items {
                self.erased.remove(&item.position);
                self.erased_ids.remove(&item.id);
            }
        }
    }

    pub(super) fn erasure_advanced(&mut self, at: Timestamp, fact: &fact::ErasureAdvanced) {
        self.touch(Key::Erasure(fact.erasure));
        if let Some(erasure) = self.erasures.get_mut(&fact.erasure) {
            erasure.stage = erasure.stage.max(fact.stage);
            erasure.moved_at = at;
        }
    }

    pub(super) fn gap_declared(&mut self, at: Timestamp, fact: &fact::GapDeclared) {
        self.touch(Key::Gap(fact.from));
        let gap = Gap { to: fact.to, reason: fact.reason.clone(), orphans: fact.orphans, at };
        self.gaps.insert(fact.from, gap);
    }
}
