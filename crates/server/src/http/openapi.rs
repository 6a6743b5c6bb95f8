//! `/openapi.json`, made from the table of routes: what is not in it does not exist. And `/schema.json`, the schema of the file.

mod schemas;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::answer;
use super::call::Call;
use super::route::{Answered, Content, Route};
use crate::auth::Right;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/openapi.json", document)
            .summary("Describes these routes in OpenAPI 3.1.")
            .gives_other("application/json")
            .while_stopping(),
        Route::get("/schema.json", file_schema)
            .summary("Gives the JSON Schema of cantus.yaml.")
            .gives_other("application/schema+json")
            .while_stopping(),
    ]
}

async fn document(call: Call) -> Answered {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let version = call.app.options.version.clone();
    let document = DOCUMENT.get_or_init(|| Bytes::from(describe(&super::routes(), &version).to_string()));
    Ok(answer::bytes(StatusCode::OK, "application/json", document.clone()))
}

async fn file_schema(_: Call) -> Answered {
    Ok(answer::bytes(StatusCode::OK, "application/schema+json", cantus_file::json_schema()))
}

/// What each parameter of a query is, in words.
const PARAMETERS: &[(&str, &str)] = &[
    ("action", "Only those of this action, such as dead-letters.replay."),
    ("actor", "Only those of this actor, such as token:ci."),
    ("agent", "Only those of this agent."),
    ("attempt", "The attempt's number; the newest if absent."),
    ("correlation", "Only those of this story."),
    ("cursor", "Where to go on, as given by next_cursor."),
    ("direction", "forward (oldest first) or back (newest first)."),
    ("dry_run", "true to be told what would happen, and change nothing."),
    ("event", "Only those of this event."),
    ("exclude", "Checks to leave out, separated by commas."),
    ("expected", "The hash of what must be in force; another one refuses the call."),
    ("expected_revision", "The revision the stream must have; 0 means that it must not exist."),
    ("filter", "name=value, an expression, or a filter as JSON."),
    ("fingerprint", "Only those of this group."),
    ("format", "The shape of events: cloudevent or envelope."),
    ("limit", "How many at most, 1 to 1000."),
    ("offset", "The byte to begin at."),
    ("prune", "true to take away what is in force and not named."),
    ("reason", "Only those with this reason."),
    ("since", "start, end, a time, or a position (which is itself included)."),
    ("source", "The source, where several sources used the id."),
    ("state", "waiting, leased, delivered, dead or expired."),
    ("status", "open, replaying, resolved, archived or all."),
    ("stream", "stdout or stderr."),
    ("subscription", "Only this subscription: agent/name."),
    ("topic", "A topic; where several may be read, topics or patterns with *, separated by commas."),
    ("verbose", "Lists every check."),
    ("wait", "How long to hold the answer until there is something, 30s at most."),
];

/// Describes the routes of a table.
pub(super) fn describe(routes: &[Route], version: &str) -> Value {
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in routes {
        let method = route.method.as_str().to_ascii_lowercase();
        paths.entry(route.path).or_default().insert(method, operation(route));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Cantus",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "An event-driven coordinator for agents and services. Errors are application/problem+json with a stable code and a hint."
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}
        }
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = Map::new();
    operation.insert("summary".to_owned(), json!(route.summary));
    operation.insert("operationId".to_owned(), json!(operation_id(route)));
    let mut parameters: Vec<Value> = Vec::new();
    for part in route.path.split('/') {
        if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            let schema = json!({"type": "string"});
            parameters.push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
        }
    }
    for name in route.query {
        let words = PARAMETERS.iter().find(|(known, _)| known == name).map_or("", |(_, words)| words);
        let number = matches!(*name, "limit" | "offset" | "attempt" | "expected_revision");
        let schema = json!({"type": if number { "integer" } else { "string" }});
        parameters.push(json!({"name": name, "in": "query", "description": words, "schema": schema}));
    }
    if route.method == http::Method::POST && route.right != Right::Open {
        let words = "A key under which the answer is kept for 24 hours and given again.";
        let schema = json!({"type": "string", "maxLength": 256});
        parameters
            .push(json!({"name": "Idempotency-Key", "in": "header", "description": words, "schema": schema}));
    }
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), Value::Array(parameters));
    }
    if let Some((schema, media_types)) = route.body {
        let content: Map<String, Value> = media_types
            .iter()
            .map(|media_type| ((*media_type).to_owned(), json!({"schema": body(schema, media_type)})))
            .collect();
        operation.insert("requestBody".to_owned(), json!({ "content": content }));
    }
    operation.insert("responses".to_owned(), responses(route));
    if route.right != Right::Open {
        operation.insert("security".to_owned(), json!([{"token": []}]));
        operation.insert("x-cantus-right".to_owned(), json!(route.right.as_str()));
    }
    Value::Object(operation)
}

/// Returns the schema of a body in one of its media types. Some allow one shape of events only, some are no JSON.
fn body(schema: &str, media_type: &str) -> Value {
    match (schema, media_type) {
        ("Events", "application/cloudevents+json") => reference("CloudEvent"),
        ("Events", "application/cloudevents-batch+json") => {
            json!({"type": "array", "items": reference("CloudEvent")})
        }
        ("Events", "application/vnd.cantus.envelope+json") => reference("Envelope"),
        ("Events", "application/x-ndjson") => {
            json!({"type": "string", "description": "One event per line, in either shape."})
        }
        ("Events", "*/*") => {
            json!({"description": "The data of one event, whose attributes are the headers ce-…."})
        }
        _ => reference(schema),
    }
}

fn responses(route: &Route) -> Value {
    let (status, content) = route.answer;
    let mut good = json!({"description": "Done."});
    match content {
        Content::Nothing => {}
        Content::Json(schema) => {
            good["content"] = json!({"application/json": {"schema": reference(schema)}});
        }
        Content::Other(media_type) => {
            let mut content = Map::new();
            content.insert(media_type.to_owned(), json!({"schema": {"type": "string"}}));
            good["content"] = Value::Object(content);
        }
    }
    let mut responses = Map::new();
    responses.insert(status.to_string(), good);
    if status == 201 {
        let known = json!({"description": "It was there before.", "content": responses["201"]["content"]});
        responses.insert("200".to_owned(), known);
    }
    let problem = json!({"schema": reference("Problem")});
    responses.insert(
        "default".to_owned(),
        json!({"description": "What is wrong, and what to do.", "content": {"application/problem+json": problem}}),
    );
    Value::Object(responses)
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn operation_id(route: &Route) -> String {
    let words = route.path.split(['/', '.', '-']).filter(|part| !part.is_empty());
    let words: Vec<String> = words.map(|part| part.trim_matches(['{', '}']).to_owned()).collect();
    format!("{}_{}", route.method.as_str().to_ascii_lowercase(), words.join("_"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn references(value: &Value, out: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    out.insert(reference.rsplit('/').next().unwrap_or_default().to_owned());
                }
                members.values().for_each(|member| references(member, out));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, out)),
            _ => {}
        }
    }

    #[test]
    fn every_schema_that_is_named_is_there_and_none_is_there_for_nobody() {
        let document = describe(&super::super::routes(), "1");
        let mut named = BTreeSet::new();
        references(&document, &mut named);
        let there: BTreeSet<String> =
            document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(named, there);
    }

    #[test]
    fn every_route_is_described_once_with_what_it_takes() {
        let routes = super::super::routes();
        let document = describe(&routes, "1");
        let mut ids = BTreeSet::new();
        for route in &routes {
            let method = route.method.as_str().to_ascii_lowercase();
            let operation = &document["paths"][route.path][&method];
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{} {}", route.method, route.path);
            assert!(ids.insert(operation["operationId"].clone().to_string()), "{}", route.path);
            for name in route.query {
                assert!(PARAMETERS.iter().any(|(known, _)| known == name), "{name} of {}", route.path);
            }
        }
        let described: usize =
            document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(described, routes.len());
    }
}
