//! Topics: what is declared of them and what is in them.

use cantus_api::topic::{Schema, Topic};
use cantus_core::State;
use cantus_core::state::TopicState;
use cantus_core::topic::{TopicName, Validation};

/// Returns a topic for the wire; when its last event was stored is for the caller to look up.
pub fn out(state: &State, name: &TopicName, topic: &TopicState) -> Topic {
    let definition = &topic.definition;
    let listening = state.subscription_numbers.iter().filter(|(_, number)| {
        let subscription = state.subscriptions.get(number);
        subscription.is_some_and(|it| it.definition().topics.iter().any(|one| one.matches(name.as_str())))
    });
    let validation = match definition.validation {
        Validation::Enforce => "enforce",
        Validation::Warn => "warn",
    };
    Topic {
        name: name.to_string(),
        description: definition.description.as_ref().map(ToString::to_string),
        declared: definition.declared && !topic.removed,
        events: topic.events,
        bytes: Some(topic.bytes),
        first_position: topic.first.map(|position| position.to_string()),
        last_position: topic.last.map(|position| position.to_string()),
        last_event_at: None,
        subscriptions: listening.take(LISTENING_MAX).map(|(id, _)| id.to_string()).collect(),
        schemas: definition
            .schemas
            .iter()
            .map(|schema| Schema {
                event_type: schema.event_type.to_string(),
                format: "json_schema".to_owned(),
                validation: validation.to_owned(),
            })
            .collect(),
        publishers: definition.publishers.iter().map(|agent| agent.as_str().to_owned()).collect(),
        subscribers: definition.subscribers.iter().map(|agent| agent.as_str().to_owned()).collect(),
    }
}

/// How many subscriptions of a topic are named.
const LISTENING_MAX: usize = 1_000;
