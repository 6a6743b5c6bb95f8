//! The JSON Schema for editors agrees with the loader.

use serde_json::{Value, json};

use crate::support::Folder;

fn valid(document: &Value) -> Result<(), String> {
    let schema: Value = serde_json::from_str(cantus_file::json_schema()).expect("the schema is JSON");
    let validator = jsonschema::options().offline().build(&schema).expect("the schema is a schema");
    let errors: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
}

/// Everything that can be written, as JSON, which is YAML too.
fn everything() -> Value {
    serde_json::from_str(include_str!("files/everything.json")).expect("the file is JSON")
}

#[test]
fn what_the_loader_takes_the_schema_takes() {
    let everything = everything();
    Folder::with(everything.to_string()).loaded();
    valid(&everything).unwrap();
}

#[test]
fn what_the_types_write_the_schema_takes() {
    let loaded = Folder::with(everything().to_string()).loaded();
    let mut written = serde_json::to_value(&loaded.definitions).unwrap();
    written["version"] = 1.into();
    written["server"] = serde_json::to_value(&loaded.server).unwrap();
    valid(&written).unwrap();
}

#[test]
fn every_part_of_the_whole_is_known_to_the_schema_by_its_own_key() {
    // Taking a word out of a known value must show: a schema that takes anything would let it pass.
    for (pointer, wrong) in [
        ("", json!({"topcis": {}})),
        ("/server", json!({"listn": "x"})),
        ("/topics/t", json!({"retian": "1d"})),
        ("/agents/~1a", json!({"subscribtions": []})),
        ("/agents/~1a/subscriptions/0", json!({"fliter": {}})),
        ("/agents/~1a/subscriptions/0/action", json!({"timout": "1m"})),
        ("/retry_policies/p", json!({"retries": 1})),
    ] {
        let mut document = everything();
        let part = document.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        part.extend(wrong.as_object().unwrap().clone());
        assert!(valid(&document).is_err(), "{pointer} {wrong}");
    }
    for (pointer, wrong) in [
        ("/version", json!(2)),
        ("/topics/t/validation", json!("maybe")),
        ("/topics/t/retain", json!("3 weeks")),
        ("/retry_policies/p/jitter", json!(2)),
        ("/retry_policies/p/retry_on", json!(["flaky"])),
        ("/server/tokens/0/may", json!(["admin"])),
        ("/agents/~1a/subscriptions/1/action", json!({"inbox": {}, "exec": ["sh"]})),
        ("/agents/~1a/subscriptions/1/concurrency", json!(0)),
    ] {
        let mut document = everything();
        *document.pointer_mut(pointer).unwrap() = wrong.clone();
        assert!(valid(&document).is_err(), "{pointer} {wrong}");
    }
}
