//! The events that say what happens to a delivery: that its first attempt starts, that it became a dead letter.
//!
//! Both are made here, at the door, where their schemas are known. Their ids are derived from the delivery, so that each
//! is published once, however often an attempt is found again. The second travels with the failure: the core publishes
//! it in the slice that opens the dead letter, or not at all.

use bytes::Bytes;
use cantus_core::command::Publish;
use cantus_core::event::EventSubject;
use cantus_core::filter::Expression;
use cantus_core::subscription::Announce;
use cantus_core::{Refusal, Text};
use serde_json::{Value, json};

use super::outcome::Said;
use super::workers::{Attempt, Workers};
use crate::handle::{Failed, Publishing};
use crate::start::Parts;

/// How often a start is announced while the server has too much to do.
const TRIES_MAX: u32 = 20;

impl Workers {
    /// Says that a delivery's first attempt starts. An attempt is never held up because that can not be said.
    pub(super) async fn announce_start(&self, attempt: &Attempt) {
        let Some(announce) = attempt.on_start.as_ref().filter(|_| attempt.deliver.attempt == 1) else {
            return;
        };
        let publishing = match self.announced(attempt, announce, "started", described(attempt)) {
            Ok(publishing) => publishing,
            Err(refusal) => return refused(attempt, "on_start", &refusal.to_string()),
        };
        for tried in 1..=TRIES_MAX {
            match self.handle.publish(publishing.clone()).await {
                Ok(_) | Err(Failed::Stopping) => return,
                Err(Failed::Overloaded) if tried < TRIES_MAX => {
                    tokio::time::sleep(std::time::Duration::from_millis(u64::from(tried) * 5)).await;
                }
                Err(failed) => return refused(attempt, "on_start", &failed.to_string()),
            }
        }
    }

    /// Makes the event that announces a dead letter, should what was said lead to one.
    pub(super) fn announce_failure(
        &self,
        attempt: &Attempt,
        said: &Said,
    ) -> Option<Result<Box<Publish>, Refusal>> {
        let announce = attempt.on_failure.as_ref()?;
        let (class, message) = match said {
            Said::Failed(failure) => (failure.class.as_str(), failure.message.to_string()),
            Said::Done(Err(refusal)) => ("rejected", format!("the answer was refused: {refusal}")),
            Said::Done(Ok(_)) | Said::Parked { .. } => ("rejected", "the answer was refused".to_owned()),
        };
        let mut about = described(attempt);
        about["class"] = json!(class);
        about["message"] = json!(message);
        let made = self.announced(attempt, announce, "dead", about);
        let made = made.and_then(|publishing| self.handle.admit(&publishing).map(Box::new));
        if let Err(refusal) = &made {
            refused(attempt, "on_failure", &refusal.to_string());
        }
        Some(made)
    }

    fn announced(
        &self,
        attempt: &Attempt,
        announce: &Announce,
        what: &str,
        about: Value,
    ) -> Result<Publishing, Refusal> {
        let data = announce.data.as_ref().and_then(|expression| evaluated(attempt, expression));
        let parts = Parts {
            id: Some(Text::from(format!("{}-{what}", attempt.delivery_text))),
            event_type: announce.event_type.clone(),
            topic: announce.topic.clone(),
            data: Some((Bytes::from(data.unwrap_or(about).to_string()), "application/json")),
        };
        let draft = self.wire.compose(parts, &self.answering(attempt))?;
        let agent = &attempt.subscription.agent;
        Ok(Publishing {
            drafts: vec![draft],
            expected_revision: None,
            actor: agent.text().clone(),
            agent: Some(agent.clone()),
            idempotency: None,
        })
    }
}

/// What is known of a delivery. Nothing in it changes from one look to the next.
fn described(attempt: &Attempt) -> Value {
    json!({
        "delivery": attempt.delivery_text,
        "subscription": attempt.subscription.to_string(),
        "event_id": &*attempt.event.id,
        "event_type": &*attempt.event.event_type,
        "attempt": attempt.deliver.attempt,
    })
}

/// Evaluates what the payload shall be; None when the event does not have what it takes.
fn evaluated(attempt: &Attempt, expression: &Text) -> Option<Value> {
    let compiled = Expression::compile(expression).map_err(|error| error.to_string());
    let subject = EventSubject::new(&attempt.event);
    match compiled.and_then(|it| it.evaluate(&subject).map_err(|error| error.to_string())) {
        Ok(value) => Some(value),
        Err(error) => {
            let delivery = &attempt.delivery_text;
            tracing::warn!(
                delivery,
                error,
                "the data of an announcement can not be made; it tells of the delivery instead"
            );
            None
        }
    }
}

fn refused(attempt: &Attempt, key: &str, why: &str) {
    tracing::warn!(delivery = attempt.delivery_text, key, why, "an announcement was refused");
}
