//! `serve`: no surprises. It refuses to start unsafe, every call needs a token, and rights are kept apart.

use std::process::Command;

use crate::server::{Server, file};

const JSON: (&str, &str) = ("Content-Type", "application/cloudevents+json");
const EVENT: &[u8] = br#"{"specversion":"1.0","id":"1","source":"/t","type":"T"}"#;

#[test]
fn it_refuses_to_start_without_tokens_and_says_what_to_write() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = file(dir.path(), "version: 1\ntopics: { tasks: {} }\n");
    let output = Command::new(env!("CARGO_BIN_EXE_cantus"))
        .args(["serve", "--port", "0", "-f"])
        .arg(path)
        .current_dir(dir.path())
        .output()
        .expect("the binary runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("server.tokens") && said.contains("token_file"), "{said}");
}

#[test]
fn every_call_needs_a_token_with_the_right() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("publisher.token"), "publisher-publisher-publisher-1\n").expect("written");
    std::fs::write(dir.path().join("operator.token"), "operator-operator-operator-12345\n").expect("written");
    let yaml = r#"
version: 1
server:
  tokens:
    - { name: publisher, token_file: publisher.token, may: [publish] }
    - { name: operator, token_file: operator.token, may: [consume, operate] }
topics: { tasks: {} }
agents:
  /worker: { subscriptions: [{ topic: tasks, action: inbox }] }
"#;
    let server = Server::start_production(&file(dir.path(), yaml));
    let publisher = ("Authorization", "Bearer publisher-publisher-publisher-1");
    let operator = ("Authorization", "Bearer operator-operator-operator-12345");
    let status = |method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]| {
        server.http(method, path, headers, body).expect("the server answers").0
    };
    let publish = "/v1/topics/tasks/events";
    assert_eq!(status("POST", publish, &[JSON], EVENT), 401);
    assert_eq!(status("POST", publish, &[JSON, ("Authorization", "Bearer wrong")], EVENT), 401);
    assert_eq!(status("POST", publish, &[JSON, operator], EVENT), 403);
    assert_eq!(status("POST", publish, &[JSON, publisher], EVENT), 202);
    assert_eq!(status("GET", "/v1/events/1", &[publisher], b""), 403);
    assert_eq!(status("GET", "/v1/events/1", &[operator], b""), 200);
    let pause = "/v1/subscriptions/worker/tasks/pause";
    assert_eq!(status("POST", pause, &[("Content-Type", "application/json"), publisher], b"{}"), 403);
    assert_eq!(status("POST", pause, &[("Content-Type", "application/json"), operator], b"{}"), 200);
    assert_eq!(status("GET", "/metrics", &[], b""), 200);
    assert_eq!(status("POST", "/v1/topics/other/events", &[JSON, publisher], EVENT), 404);
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(None);
    let output = Command::new(env!("CARGO_BIN_EXE_cantus"))
        .args(["dev", "--port", "0", "--data-dir"])
        .arg(server.dir.path().join(".cantus"))
        .current_dir(dir.path())
        .output()
        .expect("the binary runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("in use"), "{said}");
}
