//! Topics, as they stand in the file.

use std::collections::BTreeMap;

use cantus_api::definition::{AgentPattern, Duration, EventType, Topic, Validation};

use crate::check::schema_problem;
use crate::diagnostic::Fault;
use crate::yaml::Node;

use super::{Fields, Reader};

/// The keys of a topic.
pub(super) const TOPIC_KEYS: [&str; 8] = [
    "description",
    "retain",
    "retain_bytes",
    "compact",
    "schemas",
    "validation",
    "publishers",
    "subscribers",
];

pub(super) fn topic(
    reader: &Reader<'_>,
    node: &Node,
    schemas: &super::document::SchemaFiles,
) -> Option<Topic> {
    if node.is_null() {
        return Some(Topic::default());
    }
    let known: Vec<&str> = TOPIC_KEYS.iter().copied().chain(["topic_id"]).collect();
    let fields = Fields::open(reader, node, "a topic", &known, &[])?;
    let patterns = |key| {
        fields
            .get(key)
            .map(|node| reader.list(node, |item| reader.parsed(item, AgentPattern::parse)))
            .unwrap_or_default()
    };
    Some(Topic {
        description: fields.text("description"),
        retain: fields.get("retain").and_then(|node| reader.duration(node, "retain", Duration::from_secs(1))),
        retain_bytes: fields.get("retain_bytes").and_then(|node| reader.size(node)),
        compact: fields.get("compact").and_then(|node| reader.boolean(node)).unwrap_or(false),
        schemas: fields.get("schemas").map(|node| types(reader, node, schemas)).unwrap_or_default(),
        validation: fields
            .get("validation")
            .and_then(|node| {
                reader.word(node, &[("enforce", Validation::Enforce), ("warn", Validation::Warn)])
            })
            .unwrap_or_default(),
        publishers: patterns("publishers"),
        subscribers: patterns("subscribers"),
    })
}

fn types(
    reader: &Reader<'_>,
    node: &Node,
    files: &super::document::SchemaFiles,
) -> BTreeMap<EventType, serde_json::Value> {
    let mut schemas = BTreeMap::new();
    for entry in reader.entries(node, "a map of event type to JSON Schema").unwrap_or_default() {
        let event_type = match EventType::parse(&entry.key) {
            Ok(event_type) => event_type,
            Err(error) => {
                reader.refuse(entry.key_span, &error);
                continue;
            }
        };
        let Some(schema) = schema(reader, &entry.value, files) else { continue };
        if let Some(problem) = schema_problem(&schema) {
            let at = entry.value.pointed(&problem.pointer);
            reader.say(
                Fault::error(at.span, format!("this is no JSON Schema: {}", problem.message))
                    .hint(problem.hint),
            );
        }
        schemas.insert(event_type, schema);
    }
    schemas
}

/// Reads a schema written in place, or the file that `{file: path}` names.
fn schema(
    reader: &Reader<'_>,
    node: &Node,
    files: &super::document::SchemaFiles,
) -> Option<serde_json::Value> {
    let entries = reader.entries(node, "a JSON Schema, or `{file: path}`");
    let Some([entry]) = entries else {
        entries?;
        return reader.json(node);
    };
    if entry.key != "file" {
        return reader.json(node);
    }
    let path = reader.path(&entry.value)?;
    match files.read(&path) {
        Ok(schema) => Some(schema),
        Err(message) => {
            let shown = reader.raw_text(&entry.value).unwrap_or_default();
            reader.say(
                Fault::error(entry.value.span, format!("the schema `{shown}` can not be read: {message}"))
                    .hint("the path is relative to this file; the schema is JSON or YAML of at most 1 MiB"),
            );
            None
        }
    }
}
