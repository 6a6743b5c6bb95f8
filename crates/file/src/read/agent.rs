//! Agents, as they stand in the file or in a Markdown file of their own.

use std::collections::BTreeMap;

use cantus_api::definition::{Agent, AgentName, EventType, RetryPolicy, Subscription};

use crate::diagnostic::Fault;
use crate::source::Span;
use crate::suggest::nearest;
use crate::yaml::{Entry, Node, Value};

use super::places::{AgentPlaces, SubscriptionPlaces};
use super::{Fields, Reader, subscription};

/// The keys of an agent.
pub(super) const AGENT_KEYS: [&str; 5] = ["description", "publishes", "handles", "prompt", "subscriptions"];

/// Keys that other programs read in the front matter of agent files. They are passed over in silence.
const FOREIGN_KEYS: [&str; 12] = [
    "tools",
    "model",
    "color",
    "colour",
    "version",
    "license",
    "metadata",
    "skills",
    "hooks",
    "memory",
    "permissionMode",
    "disallowedTools",
];

pub(super) fn agent(
    reader: &Reader<'_>,
    name: AgentName,
    name_span: Span,
    node: &Node,
    policies: &BTreeMap<String, RetryPolicy>,
) -> Option<(Agent, AgentPlaces)> {
    let mut places = AgentPlaces {
        agent: name,
        name: name_span,
        publishes: Vec::new(),
        handles: Vec::new(),
        subscriptions: Vec::new(),
    };
    if node.is_null() {
        return Some((Agent::default(), places));
    }
    let known: Vec<&str> = AGENT_KEYS.iter().copied().chain(["agent_id"]).collect();
    let fields = Fields::open(reader, node, "an agent", &known, &[])?;
    let agent = body(reader, &fields, &mut places, policies);
    Some((agent, places))
}

/// Reads an agent from the front matter and body of a Markdown file.
pub(crate) fn markdown_agent(
    reader: &Reader<'_>,
    front: &Node,
    prompt: &str,
    file_stem: &str,
    policies: &BTreeMap<String, RetryPolicy>,
) -> Option<(Agent, AgentPlaces)> {
    let known: Vec<&str> =
        AGENT_KEYS.iter().copied().filter(|key| *key != "prompt").chain(["name"]).collect();
    let Value::Map(entries) = &front.value else {
        reader.expected(front, "the front matter of an agent: `name`, `description`, `subscriptions`");
        return None;
    };
    for entry in entries {
        front_key(reader, entry, &known);
    }
    let all: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
    let fields = Fields::open(reader, front, "the front matter", &all, &[])?;
    let (name, name_span) = match fields.get("name") {
        Some(node) => (reader.parsed(node, AgentName::parse)?, node.span),
        None => match AgentName::parse(file_stem) {
            Ok(name) => (name, fields.span()),
            Err(error) => {
                reader.say(
                    Fault::error(
                        fields.span(),
                        format!("this agent has no name, and its file's does not do: {error}"),
                    )
                    .hint("add `name: NAME`"),
                );
                return None;
            }
        },
    };
    let mut places = AgentPlaces {
        agent: name,
        name: name_span,
        publishes: Vec::new(),
        handles: Vec::new(),
        subscriptions: Vec::new(),
    };
    let mut agent = body(reader, &fields, &mut places, policies);
    let prompt = prompt.trim();
    agent.prompt = (!prompt.is_empty()).then(|| prompt.to_owned());
    Some((agent, places))
}

/// Tells a misspelled key, which is a fault, from one that other programs read, which is not.
fn front_key(reader: &Reader<'_>, entry: &Entry, known: &[&str]) {
    let key = entry.key.as_str();
    if known.contains(&key) || FOREIGN_KEYS.contains(&key) {
        return;
    }
    reader.say(match nearest(key, known.iter().copied()) {
        Some(near) => Fault::error(entry.key_span, format!("`{key}` is no key of an agent's front matter"))
            .hint(format!("did you mean `{near}`?")),
        None => Fault::warning(entry.key_span, format!("`{key}` means nothing to Cantus and is passed over"))
            .hint(format!("the keys here are: {}", known.join(", "))),
    });
}

fn body(
    reader: &Reader<'_>,
    fields: &Fields<'_, '_>,
    places: &mut AgentPlaces,
    policies: &BTreeMap<String, RetryPolicy>,
) -> Agent {
    let types = |key| -> (Vec<EventType>, Vec<Span>) {
        let Some(node) = fields.get(key) else { return Default::default() };
        reader
            .list(node, |item| Some((reader.parsed(item, EventType::parse)?, item.span)))
            .into_iter()
            .unzip()
    };
    let (publishes, handles);
    (publishes, places.publishes) = types("publishes");
    (handles, places.handles) = types("handles");
    let mut subscriptions: Vec<Subscription> = Vec::new();
    if let Some(node) = fields.get("subscriptions") {
        for (subscription, place) in listed(reader, node, policies) {
            subscriptions.push(subscription);
            places.subscriptions.push(place);
        }
    }
    Agent {
        description: fields.get("description").and_then(|node| reader.raw_text(node)).map(str::to_owned),
        publishes,
        handles,
        prompt: fields.get("prompt").and_then(|node| reader.raw_text(node)).map(str::to_owned),
        subscriptions,
    }
}

fn listed(
    reader: &Reader<'_>,
    node: &Node,
    policies: &BTreeMap<String, RetryPolicy>,
) -> Vec<(Subscription, SubscriptionPlaces)> {
    match &node.value {
        _ if node.is_null() => Vec::new(),
        Value::List(items) => {
            items.iter().filter_map(|item| subscription::subscription(reader, item, policies)).collect()
        }
        _ => {
            reader.say(
                Fault::error(node.span, format!("`subscriptions` is a list, and this is {}", node.kind()))
                    .hint("begin each subscription with `- topic: NAME`"),
            );
            Vec::new()
        }
    }
}
