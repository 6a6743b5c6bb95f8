//! One story from publish to repair: why an event is where it is, what failed, and how it is put right.

use serde_json::Value;

use crate::server::{Server, file};

const FILE: &str = r#"
version: 1
name: story
topics:
  tasks: { description: Work }
agents:
  /checker:
    publishes: [TaskChecked]
    subscriptions:
      - topic: tasks
        filter: { type: TaskCreated }
        action:
          exec: [sh, -c, 'read event; case "$event" in *broken*) echo "the task is broken" >&2; exit 65;; esac; cantus reply --type TaskChecked --data "{\"ok\":true}"']
  /reader:
    subscriptions:
      - { topic: tasks, name: checked, filter: { type: TaskChecked }, action: inbox }
"#;

fn server() -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(Some(&file(dir.path(), FILE)));
    (server, dir)
}

fn receipt(server: &Server, data: &str) -> Value {
    let receipt = server.json(&["pub", "tasks", "--type", "TaskCreated", "--data", data]);
    receipt.get("results").and_then(|results| results.get(0)).cloned().unwrap_or(receipt)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no `{key}` in {value}"))
}

fn verdict<'a>(why: &'a Value, subscription: &str) -> &'a str {
    let entries = why["subscriptions"].as_array().expect("a list");
    let entry = entries.iter().find(|entry| entry["subscription"] == subscription);
    text(entry.unwrap_or_else(|| panic!("{subscription} is not in {why}")), "verdict")
}

#[test]
fn an_event_is_answered_and_the_timeline_tells_who_caused_what() {
    let (server, _dir) = server();
    let receipt = receipt(&server, r#"{"id":1}"#);
    assert_eq!(text(&receipt, "status"), "accepted");
    let correlation = text(&receipt, "correlation_id").to_owned();
    let story = server.wait("the answer is there", |server| {
        let story = server.get(&format!("/v1/correlations/{correlation}"));
        (story["events"].as_array().map(Vec::len) == Some(2)).then_some(story)
    });
    let answer = &story["events"][1]["event"];
    assert_eq!(text(answer, "type"), "TaskChecked");
    assert_eq!(text(answer, "source"), "/checker");
    assert_eq!(text(answer, "causationid"), text(&receipt, "id"));
    assert_eq!(text(answer, "correlationid"), correlation);
    let printed = server.ok(&["timeline", &correlation]);
    assert!(printed.contains("TaskChecked") && printed.contains("/checker"), "{printed}");
    let why = server.get(&format!("/v1/events/{}/why", text(&receipt, "id")));
    assert_eq!(
        (verdict(&why, "checker/tasks"), verdict(&why, "reader/checked")),
        ("delivered", "filtered_out")
    );
}

#[test]
fn a_failure_is_explained_edited_replayed_and_resolved() {
    let (server, _dir) = server();
    let receipt = receipt(&server, r#"{"id":2,"note":"broken"}"#);
    let dead = server.wait("there is a dead letter", |server| {
        server.get("/v1/dead-letters")["items"].as_array().and_then(|items| items.first().cloned())
    });
    assert_eq!((text(&dead, "status"), text(&dead, "reason")), ("open", "not_retried"));
    assert_eq!(text(&dead["error"], "class"), "invalid_payload");
    assert_eq!(dead["error"]["exit_code"], 65);
    let id = text(&dead, "id").to_owned();
    let shown = server.ok(&["dlq", "get", &id]);
    assert!(shown.contains("the task is broken"), "{shown}");
    let why = server.get(&format!("/v1/events/{}/why", text(&receipt, "id")));
    assert_eq!(verdict(&why, "checker/tasks"), "dead");
    assert_eq!(server.get("/v1/dead-letter-groups")["items"][0]["count"], 1);
    server.ok(&["dlq", "edit", &id, "--data", r#"{"id":2,"note":"mended"}"#]);
    server.ok(&["dlq", "replay", &id]);
    server.wait("the dead letter is resolved", |server| {
        (text(&server.get(&format!("/v1/dead-letters/{id}")), "status") == "resolved").then_some(())
    });
    server.ok(&["dlq", "archive", &id, "--note", "mended by hand"]);
    server.ok(&["dlq", "restore", &id]);
    assert_eq!(text(&server.get(&format!("/v1/dead-letters/{id}")), "status"), "open");
}

#[test]
fn everything_is_still_there_after_a_kill() {
    let (mut server, _dir) = server();
    let receipt = receipt(&server, r#"{"id":3}"#);
    let correlation = text(&receipt, "correlation_id").to_owned();
    let events = |server: &Server| {
        server.get(&format!("/v1/correlations/{correlation}"))["events"].as_array().map(Vec::len)
    };
    server.wait("the answer is there", |server| (events(server) == Some(2)).then_some(()));
    server.kill();
    server.begin();
    assert_eq!(events(&server), Some(2));
    let again = server.json(&["pub", "tasks", "--type", "TaskCreated", "--id", "same", "--data", "{}"]);
    server.kill();
    server.begin();
    let duplicate = server.json(&["pub", "tasks", "--type", "TaskCreated", "--id", "same", "--data", "{}"]);
    let status = |value: &Value| value.to_string().contains("duplicate");
    assert!(!status(&again), "{again}");
    assert!(status(&duplicate), "{duplicate}");
}

#[test]
fn a_program_that_answers_with_an_illegal_event_changes_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let yaml = r#"
version: 1
topics: { tasks: {} }
agents:
  /liar:
    subscriptions:
      - topic: tasks
        filter: { type: TaskCreated }
        action: { exec: [sh, -c, 'cantus reply --type Good --data "{}"; echo "{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"/liar\",\"type\":\"Bad\"}"'] }
"#;
    let server = Server::start(Some(&file(dir.path(), yaml)));
    let receipt = receipt(&server, "{}");
    let dead = server.wait("there is a dead letter", |server| {
        server.get("/v1/dead-letters")["items"].as_array().and_then(|items| items.first().cloned())
    });
    assert_eq!(text(&dead["error"], "class"), "rejected");
    let story = server.get(&format!("/v1/correlations/{}", text(&receipt, "correlation_id")));
    assert_eq!(story["events"].as_array().map(Vec::len), Some(1), "{story}");
}

#[test]
fn a_seek_back_runs_programs_again() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let yaml = r#"
version: 1
topics: { tasks: {} }
agents:
  /counter:
    subscriptions:
      - { topic: tasks, filter: { type: TaskCreated }, action: { exec: [sh, -c, 'echo ran >> runs'] } }
"#;
    let server = Server::start(Some(&file(dir.path(), yaml)));
    let runs = || std::fs::read_to_string(dir.path().join("runs")).unwrap_or_default().lines().count();
    receipt(&server, "{}");
    server.wait("the program has run", |_| (runs() == 1).then_some(()));
    server.wait("its end is in the log", |server| {
        (server.get("/v1/deliveries")["items"][0]["state"] == "delivered").then_some(())
    });
    server.ok(&["subs", "seek", "counter/tasks", "--to", "start"]);
    server.wait("it has run again", |_| (runs() == 2).then_some(()));
}
