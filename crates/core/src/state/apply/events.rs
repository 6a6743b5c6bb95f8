//! Events: published, deferred, lost; identities, streams and answered requests.

use crate::event::Event;
use crate::fact;
use crate::hash;
use crate::ids::Position;
use crate::row::Key;
use crate::state::State;
use crate::state::model::{Answered, Deferred, REQUESTS_KEPT, Timer, TopicState};
use crate::text::Text;
use crate::time::{Span, Timestamp};
use crate::topic::{Topic, dedupe};

use super::definitions::new_topic;

impl State {
    pub(super) fn event_published(&mut self, position: Position, at: Timestamp, fact: &fact::EventPublished) {
        let event = &fact.event;
        let topic = self.topic_entry(event);
        topic.events += 1;
        topic.bytes += event.data.as_ref().map_or(0, |data| data.bytes.0.len() as u64);
        topic.first.get_or_insert(position);
        topic.last = Some(position);
        match fact.deferred_at {
            None => self.remember_identity(event, fact.content, position, at),
            Some(deferred) => self.drop_deferred(deferred),
        }
        if let (Some(stream), Some(revision)) = (&event.stream, fact.revision) {
            let hash = hash::of(stream);
            self.touch(Key::Stream(hash));
            self.streams.insert(hash, revision);
        }
        self.count_published(&event.source, at);
    }

    pub(super) fn event_deferred(&mut self, position: Position, at: Timestamp, fact: &fact::EventDeferred) {
        let event = &fact.event;
        self.topic_entry(event);
        self.remember_identity(event, fact.content, position, at);
        let due = event.deliver_at.unwrap_or(at);
        self.touch(Key::Deferred(position));
        self.deferred.insert(
            position,
            Deferred {
                due,
                event_id: event.id.clone(),
                topic: event.topic.text().clone(),
                actor: fact.actor.clone(),
                content: fact.content,
                answers: fact.answers,
            },
        );
        self.timers.insert((due, Timer::EventDue(position)));
    }

    pub(super) fn drop_deferred(&mut self, position: Position) {
        self.touch(Key::Deferred(position));
        if let Some(gone) = self.deferred.remove(&position) {
            self.timers.remove(&(gone.due, Timer::EventDue(position)));
        }
    }

    /// Returns the event's topic, made when its declaration fact is older than the base.
    pub(super) fn topic_entry(&mut self, event: &Event) -> &mut TopicState {
        self.touch_topic(&event.topic);
        self.topics.entry(event.topic.clone()).or_insert_with(|| new_topic(Topic::default()))
    }

    pub(super) fn remember_identity(
        &mut self,
        event: &Event,
        content: u64,
        position: Position,
        at: Timestamp,
    ) {
        let identity = hash::identity(&event.source, &event.id);
        let limits = self.dedupe_limits(event.topic.as_str());
        let name = event.topic.text();
        // The chunk that grows and the one that may go are touched before they change.
        if self.freeze.is_some() {
            let chunks: Vec<u64> =
                self.windows.get(name).map(|window| window.chunks_at_risk().collect()).unwrap_or_default();
            for chunk in chunks {
                self.touch_dedupe(name, chunk);
            }
        }
        let window = match self.windows.get_mut(name) {
            Some(window) => window,
            None => self.windows.entry(name.clone()).or_default(),
        };
        let (grew, vanished) = window.remember(identity, content, position, at, limits);
        self.touch_dedupe(name, grew);
        for chunk in vanished {
            self.touch_dedupe(name, chunk);
        }
    }

    /// Returns the limits of a topic's dedupe window: how many ids, and how long.
    pub fn dedupe_limits(&self, topic: &str) -> (u64, Span) {
        let definition = self.topics.get(topic).map(|topic| &topic.definition);
        (
            definition.and_then(|topic| topic.dedupe_ids).unwrap_or(dedupe::IDS_DEFAULT),
            definition.and_then(|topic| topic.dedupe_age).unwrap_or(dedupe::AGE_DEFAULT),
        )
    }

    pub(super) fn count_published(&mut self, source: &Text, at: Timestamp) {
        if let Some((name, _)) = self.agents.get_key_value(source.as_str()) {
            let name = name.clone();
            self.touch_agent(&name);
            if let Some(agent) = self.agents.get_mut(&name) {
                agent.published += 1;
                agent.last_seen = Some(at);
            }
        }
    }

    pub(super) fn request_answered(
        &mut self,
        position: Position,
        at: Timestamp,
        fact: &fact::RequestAnswered,
    ) {
        let key = (u128::from(fact.key_high) << 64) | u128::from(fact.key_low);
        self.touch(Key::Request(key));
        let answered =
            Answered { fingerprint: fact.fingerprint, receipts: fact.receipts.clone(), at, position };
        if let Some(old) = self.requests.insert(key, answered) {
            self.request_order.remove(&(old.position, key));
        }
        self.request_order.insert((position, key));
        while self.requests.len() > REQUESTS_KEPT {
            let Some((_, oldest)) = self.request_order.pop_first() else { break };
            self.touch(Key::Request(oldest));
            self.requests.remove(&oldest);
        }
    }
}
