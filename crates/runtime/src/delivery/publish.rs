//! The `publish` action: a route or a transform, each part a CEL expression.

use bytes::Bytes;
use cantus_core::event::{EventSubject, Form};
use cantus_core::filter::Expression;
use cantus_core::subscription::PublishAction;
use cantus_core::subscription::retry::{Class, Failure};
use cantus_core::topic::TopicName;
use cantus_core::{Refusal, Text};

use super::outcome::failure;
use crate::admission::Draft;
use crate::start::{Answering, Parts, Wire};

/// Makes the event that a transform says.
pub(super) fn transform(
    action: &PublishAction,
    wire: &dyn Wire,
    answering: &Answering<'_>,
) -> Result<Draft, Failure> {
    let event = answering.event;
    let subject = EventSubject::new(event);
    let evaluate = |what: &str, expression: &Text| {
        let invalid = |error: String| {
            failure(Class::InvalidPayload, &format!("`{what}` of the publish action: {error}"))
        };
        let expression = Expression::compile(expression).map_err(|error| invalid(error.to_string()))?;
        expression.evaluate(&subject).map_err(|error| invalid(error.to_string()))
    };
    let text = |what: &str, expression: &Text| match evaluate(what, expression)? {
        serde_json::Value::String(text) => Ok(text),
        other => {
            let message = format!("`{what}` of the publish action must give a text, it gives {other}");
            Err(failure(Class::InvalidPayload, &message))
        }
    };
    let event_type = match &action.event_type {
        Some(expression) => Text::from(text("type", expression)?),
        None => event.event_type.clone(),
    };
    let topic = match &action.topic {
        Some(expression) => {
            let name = text("topic", expression)?;
            let topic = TopicName::parse(&name);
            Some(topic.map_err(|error| failure(Class::InvalidPayload, &error.to_string()))?)
        }
        None => None,
    };
    let data = match &action.data {
        Some(expression) => {
            let value = evaluate("data", expression)?;
            Some((Bytes::from(value.to_string()), "application/json"))
        }
        None => event.data.as_ref().map(|data| {
            let media_type = match data.form {
                Form::Json => "application/json",
                Form::Text => "text/plain; charset=utf-8",
                Form::Binary => "application/octet-stream",
            };
            (data.bytes.0.clone(), media_type)
        }),
    };
    wire.compose(Parts { id: None, event_type, topic, data }, answering).map_err(|refusal: Refusal| {
        failure(Class::Rejected, &format!("the event to publish is not legal: {refusal}"))
    })
}
