//! How events look outside: not at all. Answers are made of parts.

use std::sync::Arc;

use cantus_core::event::{Data, Event, Form, Payload};
use cantus_core::{Refusal, Text, hash};
use cantus_runtime::{Answering, Draft, Parts, Wire};

/// The wire format of a simulation.
pub(crate) struct Plain;

impl Wire for Plain {
    fn render(&self, event: &Event) -> Vec<u8> {
        event.id.as_bytes().to_vec()
    }

    fn attributes(&self, event: &Event) -> Vec<(String, String)> {
        vec![("id".to_owned(), event.id.to_string())]
    }

    fn read_answer(&self, json: &[u8], answering: &Answering<'_>) -> Result<Draft, Refusal> {
        let parts = Parts {
            id: None,
            event_type: Text::from(String::from_utf8_lossy(json).into_owned()),
            topic: None,
            data: None,
        };
        self.compose(parts, answering)
    }

    fn compose(&self, parts: Parts, answering: &Answering<'_>) -> Result<Draft, Refusal> {
        let mut event = Event::clone(answering.event);
        // The same attempt answers the same event, whoever asks again.
        event.id =
            Text::from(format!("{}-{}-{}", answering.event.id, answering.agent.bare(), parts.event_type));
        event.source = answering.agent.text().clone();
        event.event_type = parts.event_type;
        event.causation_id = Some(answering.event.id.clone());
        event.hops = answering.event.hops + 1;
        (event.to, event.deliver_at, event.expires_at) = (None, None, None);
        if let Some(topic) = parts.topic {
            event.topic = topic;
        }
        event.data = parts.data.map(|(bytes, _)| Data { form: Form::Json, bytes: Payload(bytes) });
        Ok(draft(event))
    }
}

/// Makes a draft: what the client sent is the whole event.
pub(crate) fn draft(event: Event) -> Draft {
    let mut bytes = Vec::new();
    cantus_core::fact::Fact::from(cantus_core::fact::EventDeferred {
        event: Arc::new(event.clone()),
        actor: Text::default(),
        content: 0,
        answers: None,
    })
    .encode(&mut bytes);
    let content = hash::parts(&[&bytes]) as u64;
    Draft { event: Arc::new(event), content }
}
