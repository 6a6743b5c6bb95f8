//! Bulk repair through the binary: shown first, paced, killed in the middle, finished by the next start, every item once.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::server::{Server, file};

const FILE: &str = r#"
version: 1
topics: { tasks: {} }
agents:
  /worker:
    subscriptions:
      - { topic: tasks, name: all, action: inbox, retry: { max_retries: 0 } }
"#;

const LETTERS: usize = 12;

fn post(server: &Server, path: &str, body: &Value) -> Value {
    let (status, answer) = server
        .http("POST", path, &[("Content-Type", "application/json")], body.to_string().as_bytes())
        .expect("the server answers");
    assert!(status < 300, "{path}: {answer}");
    serde_json::from_str(&answer).expect("JSON")
}

fn pull(server: &Server, max: usize) -> Vec<Value> {
    let body = json!({"max": max, "wait": "5s"});
    let pulled = post(server, "/v1/subscriptions/worker/all/pull", &body);
    pulled["deliveries"].as_array().expect("a list").clone()
}

/// A server with dead letters of one cause, and the folder of its file.
fn with_dead_letters() -> (Server, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(Some(&file(dir.path(), FILE)));
    for number in 0..LETTERS {
        let data = format!("{{\"number\":{number}}}");
        server.ok(&["pub", "tasks", "--type", "Counted", "--id", &format!("e-{number}"), "--data", &data]);
    }
    let mut buried = 0;
    while buried < LETTERS {
        for delivery in pull(&server, LETTERS) {
            let path = format!("/v1/deliveries/{}/nack", delivery["delivery"].as_str().expect("an id"));
            let nack =
                json!({"token": delivery["token"], "class": "rejected", "reason": "the shop is closed"});
            post(&server, &path, &nack);
            buried += 1;
        }
    }
    (server, dir)
}

#[test]
fn a_paced_replay_that_is_killed_is_finished_by_the_next_start_and_takes_every_item_once() {
    let (mut server, _dir) = with_dead_letters();
    let groups = server.json(&["dlq", "groups"]);
    let group = groups["items"][0]["fingerprint"].as_str().expect("a group").to_owned();
    let plan = server.json(&["dlq", "replay", "--group", &group, "--dry-run"]);
    assert_eq!((&plan["total"], &plan["status"]), (&json!(LETTERS), &json!("planned")));
    let begun = server.json(&[
        "dlq",
        "replay",
        "--group",
        &group,
        "--rate",
        "10/s",
        "--reason",
        "the shop is open",
        "--no-wait",
    ]);
    assert_eq!(begun["hash"], plan["hash"], "what was shown is what is done");
    let id = begun["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/bulk-operations/{id}");
    let middle = server.wait("some items are done", |server| {
        let done = server.get(&path)["done"].as_u64().expect("a number");
        (done >= 2).then_some(done)
    });
    server.kill();
    assert!(middle < LETTERS as u64, "it was killed in the middle");
    server.begin();
    let ended = server.wait("it is over", |server| {
        let operation = server.get(&path);
        (operation["status"] != "running").then_some(operation)
    });
    assert_eq!((&ended["status"], &ended["done"]), (&json!("completed"), &json!(LETTERS)), "{ended}");
    assert_eq!((&ended["skipped"], &ended["failed"]), (&json!(0), &json!(0)), "{ended}");
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    while seen.values().sum::<usize>() < LETTERS {
        for delivery in pull(&server, LETTERS) {
            *seen.entry(delivery["event"]["id"].as_str().expect("an id").to_owned()).or_default() += 1;
            let path = format!("/v1/deliveries/{}/ack", delivery["delivery"].as_str().expect("an id"));
            post(&server, &path, &json!({"token": delivery["token"]}));
        }
    }
    assert_eq!(seen.len(), LETTERS);
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    assert_eq!(
        server.json(&["dlq", "ls", "--status", "resolved"])["items"].as_array().map(Vec::len),
        Some(LETTERS)
    );
    let listed = server.json(&["bulk", "ls"]);
    assert_eq!(listed["items"][0]["id"], json!(id));
    assert_eq!(listed["items"][0]["reason"], "the shop is open");
}

#[test]
fn an_operation_is_followed_line_by_line_where_there_is_no_terminal() {
    let (server, _dir) = with_dead_letters();
    let output = server.cli(&[
        "dlq",
        "archive",
        "--subscription",
        "worker/all",
        "--max",
        "3",
        "--rate",
        "10/s",
        "--reason",
        "known",
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8_lossy(&output.stderr).into_owned();
    let last: Value =
        lines.lines().last().and_then(|line| serde_json::from_str(line).ok()).expect("JSON lines");
    assert_eq!(last["total"], 3);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("is completed: 3 of 3 dead letters done"), "{said}");
    let restored = server.json(&["dlq", "restore", "--filter", "data.number >= 0"]);
    assert_eq!((&restored["done"], &restored["status"]), (&json!(3), &json!("completed")));
    let nothing = server.cli(&["dlq", "replay"]);
    assert_eq!(nothing.status.code(), Some(2), "nothing was named");
}

#[test]
fn an_operation_that_is_aborted_says_so_and_leaves_the_rest_open() {
    let (server, _dir) = with_dead_letters();
    let begun = server.json(&[
        "dlq",
        "archive",
        "--filter",
        "type=Counted",
        "--rate",
        "1/h",
        "--note",
        "x",
        "--no-wait",
    ]);
    let id = begun["id"].as_str().expect("an id");
    let aborted = server.json(&["bulk", "abort", id, "--reason", "wrong ones"]);
    assert_eq!(aborted["status"], "aborted");
    let open = server.json(&["dlq", "ls"])["items"].as_array().map(Vec::len);
    assert_eq!(open, Some(LETTERS - 1));
    assert_eq!(server.cli(&["bulk", "abort", id]).status.code(), Some(4));
    assert_eq!(server.cli(&["bulk", "get", "bulk_0"]).status.code(), Some(3));
}
