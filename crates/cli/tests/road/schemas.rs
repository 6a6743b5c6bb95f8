//! Schemas of topics, tried with real schemas and real payloads, many of which are invalid: real producers drift.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::server::{Server, file, repository};

fn lines(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(repository(path)).expect("the data is there");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn real_payloads_are_refused_or_warned_of_exactly_where_they_break_their_schemas() {
    let schemas: BTreeMap<String, Value> = lines("crates/cli/tests/data/github-schemas.jsonl")
        .into_iter()
        .map(|line| (line["event"].as_str().expect("a name").to_owned(), line["schema"].clone()))
        .collect();
    let valid: BTreeMap<String, bool> = lines("crates/cli/tests/data/github-validity.jsonl")
        .into_iter()
        .map(|line| (line["delivery"].as_str().expect("an id").to_owned(), line["valid"] == true))
        .collect();
    let topic = |validation: &str| json!({ "schemas": schemas, "validation": validation });
    let declared =
        json!({ "version": 1, "topics": { "enforced": topic("enforce"), "warned": topic("warn") } });
    let dir = tempfile::tempdir().expect("a temporary folder");
    // JSON is YAML.
    let server = Server::start(Some(&file(dir.path(), &declared.to_string())));
    let (mut refused, mut all) = (0, 0);
    for payload in lines("examples/github-triage/data/events.jsonl") {
        let delivery = payload["delivery"].as_str().expect("an id");
        let is_valid = valid[delivery];
        let event = json!({
            "specversion": "1.0", "id": delivery, "source": "https://github.com",
            "type": payload["event"], "data": payload["payload"],
        })
        .to_string();
        let publish = |topic: &str| {
            let headers = [("Content-Type", "application/cloudevents+json")];
            let path = format!("/v1/topics/{topic}/events");
            let (status, text) = server.http("POST", &path, &headers, event.as_bytes()).expect("answered");
            (status, serde_json::from_str::<Value>(&text).expect("JSON"))
        };
        let (status, answer) = publish("enforced");
        assert_eq!(status, if is_valid { 202 } else { 422 }, "{delivery} ({}): {answer}", payload["event"]);
        if !is_valid {
            refused += 1;
            assert_eq!(answer["code"], "SCHEMA_VIOLATION");
            let pointer = answer["errors"][0]["pointer"].as_str().expect("a place");
            assert!(pointer.starts_with("#/data"), "{answer}");
        }
        let (status, answer) = publish("warned");
        let warnings = answer["results"][0]["warnings"].as_array().map_or(0, Vec::len);
        assert_eq!((status, warnings > 0), (202, !is_valid), "{delivery}: {answer}");
        all += 1;
    }
    assert_eq!((refused, all), (10, 25));
    let count = |topic: &str| server.get(&format!("/v1/topics/{topic}"))["events"].clone();
    assert_eq!((count("enforced"), count("warned")), (15.into(), 25.into()));
}
