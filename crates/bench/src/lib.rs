//! How long the inner pieces take, one at a time: `cargo bench -p cantus-bench`. The whole is measured by `cantus bench`.
//!
//! The benches are in `benches/`: `codec` (facts into frames and back), `coordinator` (decide and apply), `filters` (one event against
//! many subscriptions), `json` (both shapes, read and written). Here is what they share: events as they are published most.

use std::sync::Arc;

use bytes::Bytes;
use cantus_core::command::{Admitted, Command, Publish};
use cantus_core::event::{Data, Event, Form, Payload};
use cantus_core::fact::{EventPublished, Fact, Recorded};
use cantus_core::topic::TopicName;
use cantus_core::{Position, Text, Timestamp, hash};

/// How many events are in a batch.
pub const BATCH: u64 = 100;
/// How many bytes the data of an event has.
pub const DATA_BYTES: usize = 200;

/// Texts that all events share.
#[derive(Clone, Debug)]
pub struct Shared {
    source: Text,
    event_type: Text,
    time: Text,
    topic: TopicName,
    data: Bytes,
}

impl Default for Shared {
    fn default() -> Self {
        let pad = "x".repeat(DATA_BYTES - r#"{"pad":""}"#.len());
        Shared {
            source: Text::from("/bench"),
            event_type: Text::from("TaskCompleted"),
            time: Text::from("2026-01-01T00:00:00.000Z"),
            topic: TopicName::parse("bench.tasks").expect("it is a legal name"),
            data: Bytes::from(format!(r#"{{"pad":"{pad}"}}"#)),
        }
    }
}

impl Shared {
    /// Returns the event of that number.
    pub fn event(&self, number: u64) -> Event {
        let id = Text::from(format!("evt_{number:026}"));
        let (source, event_type) = (self.source.clone(), self.event_type.clone());
        Event {
            data: Some(Data { form: Form::Json, bytes: Payload(self.data.clone()) }),
            ..Event::new(id, source, event_type, self.topic.clone(), self.time.clone())
        }
    }

    /// Returns the fact that it was published.
    pub fn published(&self, number: u64) -> Recorded {
        let fact = Fact::from(EventPublished {
            event: Arc::new(self.event(number)),
            actor: self.source.clone(),
            content: number,
            revision: None,
            only: None,
            answers: None,
            deferred_at: None,
        });
        Recorded { position: Position(number), at: Timestamp(0), fact }
    }

    /// Returns the facts of a batch whose first event has that number.
    pub fn batch(&self, first: u64) -> Vec<Recorded> {
        (first..first + BATCH).map(|number| self.published(number)).collect()
    }

    /// Returns the command that publishes that batch, admitted by these definitions.
    pub fn publish(&self, first: u64, definitions: u64) -> Command {
        let admitted = |number| {
            let event = self.event(number);
            Admitted {
                identity: hash::identity(&event.source, &event.id),
                event: Arc::new(event),
                content: number,
                warnings: Vec::new(),
                takers: Vec::new(),
                definitions,
            }
        };
        Command::Publish(Box::new(Publish {
            events: (first..first + BATCH).map(admitted).collect(),
            expected_revision: None,
            auto_create: true,
            actor: self.source.clone(),
            agent: None,
            idempotency: None,
        }))
    }
}
