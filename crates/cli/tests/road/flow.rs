//! What holds deliveries back and what is told of them: breakers, held keys, announcements, seen through the binary.

use serde_json::Value;

use crate::server::{Server, file};

const FILE: &str = r#"
version: 1
name: flow
topics:
  tasks: {}
  told: {}
agents:
  /worker:
    subscriptions:
      - topic: tasks
        filter: { type: Told }
        retry: { max_retries: 1, initial_delay: 1ms, max_delay: 1ms }
        action:
          exec: [sh, -c, 'echo "redelivered $CANTUS_REDELIVERED since $CANTUS_FIRST_DELIVERED_AT" >&2; exit 75']
          on_start: { type: WorkStarted, topic: told }
          on_failure: { type: WorkFailed, topic: told }
      - topic: tasks
        name: held
        filter: { type: Held }
        after_dead_letter: hold_key
        action: { exec: [sh, -c, 'read event; case "$event" in *broken*) exit 65;; esac'] }
      - topic: tasks
        name: broken
        filter: { type: Broken }
        breaker: { failure_threshold: 1, initial_pause: 1h, max_pause: 1h }
        action: { exec: [sh, -c, 'exit 69'] }
"#;

fn server() -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(Some(&file(dir.path(), FILE)));
    (server, dir)
}

fn types(story: &Value) -> Vec<&str> {
    let events = story["events"].as_array().expect("a list");
    events.iter().filter_map(|it| it["event"]["type"].as_str()).collect()
}

#[test]
fn a_start_is_announced_once_and_a_dead_letter_with_its_reason() {
    let (server, _dir) = server();
    server.json(&["pub", "tasks", "--type", "Told", "--id", "e1", "--data", "{}"]);
    let story = server.wait("the dead letter is announced", |server| {
        let story = server.get("/v1/correlations/e1");
        types(&story).contains(&"WorkFailed").then_some(story)
    });
    assert_eq!(types(&story), ["Told", "WorkStarted", "WorkFailed"], "{story}");
    let [_, started, failed] = story["events"].as_array().expect("a list").as_slice() else {
        panic!("three")
    };
    for told in [started, failed] {
        assert_eq!(told["event"]["causationid"], "e1");
        assert_eq!(told["event"]["source"], "/worker");
        assert_eq!(told["event"]["data"]["subscription"], "worker/tasks");
    }
    assert_eq!(failed["event"]["data"]["class"], "temporary_failure", "{failed}");
    let letters = server.get("/v1/dead-letters");
    let attempts = letters["items"][0]["attempts"].as_array().expect("a list");
    let tails: Vec<_> = attempts.iter().filter_map(|it| it["stderr_tail"].as_str()).map(str::trim).collect();
    // Both attempts are told when the delivery was first handed out: when the first of them was.
    let first = attempts[0]["at"].as_str().expect("an attempt has a time");
    assert_eq!(
        tails,
        [format!("redelivered false since {first}"), format!("redelivered true since {first}")]
    );
}

#[test]
fn a_held_key_is_released_and_a_breaker_reset_from_the_command_line() {
    let (server, _dir) = server();
    for (id, data) in [("h1", r#"{"x":"broken"}"#), ("h2", r#"{"x":"whole"}"#)] {
        server.json(&["pub", "tasks", "--type", "Held", "--id", id, "--key", "k", "--data", data]);
    }
    let letter = server.wait("the first one is dead", |server| {
        let letters = server.get("/v1/dead-letters?subscription=worker/held");
        letters["items"][0]["id"].as_str().map(str::to_owned)
    });
    let waits = server.json(&["events", "why", "h2"]);
    assert!(waits.to_string().contains(&letter), "{waits}");
    server.json(&["dlq", "release", &letter, "--note", "void"]);
    server.wait("the second one is delivered", |server| {
        let subscription = server.get("/v1/deliveries?subscription=worker/held&state=delivered");
        (subscription["items"][0]["event_id"] == "h2").then_some(())
    });
    server.json(&["pub", "tasks", "--type", "Broken", "--data", "{}"]);
    server.wait("the breaker is open", |server| {
        let shown = server.json(&["subs", "get", "worker/broken"]);
        (shown["breaker"]["state"] == "open").then_some(())
    });
    let reset = server.json(&["subs", "reset-breaker", "worker/broken"]);
    assert_eq!(reset["id"], "worker/broken");
}
