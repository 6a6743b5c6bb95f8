//! The next thing to do: a publish that something in the file will answer.

use cantus_api::definition::{Action, Definitions, Subscription};
use serde_json::{Map, Value};

/// Returns what is declared in numbers: `3 topics, 2 agents`.
pub(super) fn counts(definitions: &Definitions) -> String {
    let subscriptions = definitions.subscriptions().count();
    let parts = [
        (definitions.topics.len(), "topic"),
        (definitions.agents.len(), "agent"),
        (subscriptions, "subscription"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| if *count == 1 { format!("1 {word}") } else { format!("{count} {word}s") })
        .collect();
    if parts.is_empty() { "nothing yet".to_owned() } else { parts.join(", ") }
}

/// Returns the command that publishes an event some agent waits for; one that no agent publishes itself, if there is one.
pub(super) fn publish(definitions: &Definitions) -> String {
    let mut best: Option<(bool, String)> = None;
    for (_, subscription) in definitions.subscriptions() {
        let Some(example) = Example::of(subscription, definitions) else { continue };
        let from_outside = !is_published(&example.event_type, definitions);
        if best.as_ref().is_none_or(|(best_from_outside, _)| from_outside && !best_from_outside) {
            best = Some((from_outside, example.command()));
        }
    }
    match (best, definitions.topics.keys().next()) {
        (Some((_, command)), _) => command,
        (None, Some(topic)) => format!("cantus pub {topic} --type Hello --data '{{\"text\":\"hello\"}}'"),
        (None, None) => "cantus pub tasks --type TaskRequested --data '{\"title\":\"hello\"}'".to_owned(),
    }
}

struct Example {
    topic: String,
    event_type: String,
    data: String,
}

impl Example {
    fn of(subscription: &Subscription, definitions: &Definitions) -> Option<Example> {
        let topics: Vec<&str> = subscription.topics.iter().map(|topic| topic.as_str()).collect();
        let topic = topics.iter().find(|topic| !topic.contains('*') && !topic.starts_with('$'))?;
        let (event_type, mut data) = wanted(subscription.filter.as_ref()?)?;
        if let Some(sample) = sample(definitions, topic, &event_type) {
            data = sample;
        }
        let data = if data.is_empty() { "{}".to_owned() } else { Value::Object(data).to_string() };
        Some(Example { topic: (*topic).to_owned(), event_type, data })
    }

    fn command(&self) -> String {
        let quoted = self.data.replace('\'', "'\\''");
        format!("cantus pub {} --type {} --data '{quoted}'", self.topic, self.event_type)
    }
}

/// Returns the type a filter asks for, and the data it asks for besides.
fn wanted(filter: &Value) -> Option<(String, Map<String, Value>)> {
    let mut data = Map::new();
    match filter {
        Value::String(text) => {
            let (name, value) = text.split_once('=')?;
            (name.trim() == "type" && is_plain(value)).then(|| (value.trim().to_owned(), data))
        }
        Value::Object(members) => {
            let event_type = members.get("type")?.as_str().filter(|text| is_plain(text))?.to_owned();
            for (name, value) in members {
                let scalar = value.is_string() || value.is_number() || value.is_boolean();
                if let Some(member) =
                    name.strip_prefix("data.").filter(|member| scalar && !member.contains('.'))
                {
                    data.insert(member.to_owned(), value.clone());
                }
            }
            Some((event_type, data))
        }
        _ => None,
    }
}

/// Returns data that satisfies the type's schema, if the schema brings an example.
fn sample(definitions: &Definitions, topic: &str, event_type: &str) -> Option<Map<String, Value>> {
    let (_, topic) = definitions.topics.iter().find(|(name, _)| name.as_str() == topic)?;
    let (_, schema) = topic.schemas.iter().find(|(name, _)| name.as_str() == event_type)?;
    schema.get("examples")?.get(0)?.as_object().cloned()
}

/// Returns whether a shell takes a word as it is.
fn is_plain(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/:".contains(&byte))
}

fn is_published(event_type: &str, definitions: &Definitions) -> bool {
    definitions.agents.values().any(|agent| {
        agent.publishes.iter().any(|one| one.as_str() == event_type)
            || agent.subscriptions.iter().any(|one| {
                matches!(&one.action, Action::Exec(exec)
                    if exec.on_success.as_ref().is_some_and(|on_success| on_success.event_type.as_str() == event_type))
            })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definitions(json: Value) -> Definitions {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_example_is_an_event_that_only_the_outside_can_publish() {
        let definitions = definitions(json!({
            "topics": {"project.tasks": {}},
            "agents": {
                "/a-coder": {"subscriptions": [{"topic": "project.tasks", "filter": {"type": "DesignCompleted"}}]},
                "/b-architect": {"publishes": ["DesignCompleted"],
                    "subscriptions": [{"topic": "project.tasks", "filter": {"type": "StoryApproved", "data.severity": "high"}}]}
            }
        }));
        assert_eq!(
            publish(&definitions),
            r#"cantus pub project.tasks --type StoryApproved --data '{"severity":"high"}'"#
        );
        assert_eq!(counts(&definitions), "1 topic, 2 agents, 2 subscriptions");
    }

    #[test]
    fn a_filter_that_is_an_expression_is_passed_over() {
        let definitions = definitions(json!({
            "topics": {"orders": {}},
            "agents": {"/a": {"subscriptions": [{"topic": "orders", "filter": "data.amount > 10"}]}}
        }));
        assert_eq!(publish(&definitions), r#"cantus pub orders --type Hello --data '{"text":"hello"}'"#);
    }

    #[test]
    fn what_a_shell_would_act_on_is_never_printed_as_a_command() {
        let definitions = definitions(json!({
            "agents": {"/a": {"subscriptions": [{"topic": "t", "filter": "type=$(reboot)"},
                {"topic": "t", "name": "two", "filter": {"type": "A", "data.x": "it's"}}]}}
        }));
        assert_eq!(publish(&definitions), r#"cantus pub t --type A --data '{"x":"it'\''s"}'"#);
    }

    #[test]
    fn with_nothing_declared_there_is_still_something_to_try() {
        assert_eq!(counts(&Definitions::default()), "nothing yet");
        assert!(publish(&Definitions::default()).starts_with("cantus pub tasks --type TaskRequested"));
    }
}
