//! Webhooks through the real binary: sent, signed, retried, answered with an event, tested, and given up.

use std::path::Path;

use serde_json::Value;

use crate::receiver::{Came, Receiver, answer};
use crate::server::{Server, file};

const SECRET: &str = "whsec_Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5Q2FuYXJ5Q2FuYXI=";
const TOKEN: &str = "canary-token-7f3a91";

fn yaml(dir: &Path, url: &str, more: &str) -> std::path::PathBuf {
    std::fs::write(dir.join("secret"), format!("{SECRET}\n")).expect("a secret is written");
    file(
        dir,
        &format!(
            "version: 1\ntopics: {{ tasks: {{}} }}\nagents:\n  /front:\n    publishes: [Done]\n    subscriptions:\n      \
             - topic: tasks\n        filter: {{ type: Begin }}\n        action: {{ webhook: \"{url}\", secret_file: ./secret{more} }}\n        \
             retry: {{ max_retries: 5, initial_delay: 10ms, max_delay: 10ms }}\n"
        ),
    )
}

/// Asks the command line whether a request is signed by this secret.
fn verified(server: &Server, came: &Came, secret: &str) -> bool {
    let name = server.dir.path().join("to-verify");
    std::fs::write(&name, secret).expect("a secret is written");
    let mut arguments =
        vec!["webhook".to_owned(), "verify".into(), "--secret".into(), format!("@{}", name.display())];
    for header in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        arguments.extend(["-H".into(), format!("{header}: {}", came.headers[header])]);
    }
    arguments.extend(["--body".into(), came.body.clone()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    server.cli(&arguments).status.success()
}

#[test]
fn a_receiver_that_asks_for_pauses_gets_it_again_and_answers_with_an_event() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let receiver = Receiver::start(|number, _| match number {
        1 | 2 => answer("503 Service Unavailable", &["Retry-After: 1"], "not yet"),
        _ => answer(
            "200 OK",
            &["Content-Type: application/json", "ce-specversion: 1.0", "ce-type: Done", "ce-id: d-1"],
            r#"{"ok":true}"#,
        ),
    });
    let server = Server::start(Some(&yaml(dir.path(), &receiver.url(), "")));
    server.ok(&["pub", "tasks", "--type", "Begin", "--correlation", "c", "--data", r#"{"n":1}"#]);
    let story = server.wait("the answer is an event", |server| {
        let story = server.get("/v1/correlations/c");
        (story["events"].as_array().map(Vec::len) == Some(2)).then_some(story)
    });
    let came = receiver.came();
    assert_eq!(came.len(), 3);
    // One id for all attempts, each attempt with a signature of its own.
    assert!(came.iter().all(|it| it.headers["webhook-id"] == came[0].headers["webhook-id"]));
    assert!(!came[0].headers["webhook-id"].contains('.'));
    let attempts: Vec<&str> = came.iter().map(|it| it.headers["cantus-attempt"].as_str()).collect();
    assert_eq!(attempts, ["1", "2", "3"]);
    let redelivered: Vec<&str> = came.iter().map(|it| it.headers["cantus-redelivered"].as_str()).collect();
    assert_eq!(redelivered, ["false", "true", "true"]);
    let first = &came[0].headers["cantus-first-delivered-at"];
    assert!(
        came.iter().all(|it| it.headers["cantus-first-delivered-at"] == *first) && first.ends_with('Z'),
        "{first}"
    );
    for it in &came {
        assert_eq!((it.method.as_str(), it.body.as_str()), ("POST", r#"{"n":1}"#));
        assert_eq!(
            (it.headers["ce-type"].as_str(), it.headers["content-type"].as_str()),
            ("Begin", "application/json")
        );
        assert_eq!(it.headers["cantus-subscription"], "front/tasks");
        assert!(verified(&server, it, SECRET), "{it:?}");
        assert!(!verified(&server, it, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), "{it:?}");
    }
    let delivery = &story["deliveries"][0];
    assert_eq!(
        (&delivery["state"], delivery["attempts"].as_array().map(Vec::len)),
        (&"delivered".into(), Some(3)),
        "{story}"
    );
    let attempt = &delivery["attempts"][0];
    assert_eq!((&attempt["class"], &attempt["status"]), (&"throttled".into(), &503.into()), "{story}");
    let done =
        story["events"].as_array().expect("a list").iter().find(|event| event_of(event)["type"] == "Done");
    let done = event_of(done.expect("the answer is there"));
    assert_eq!((&done["source"], &done["topic"]), (&"/front".into(), &"tasks".into()), "{done}");
}

fn event_of(item: &Value) -> &Value {
    if item["event"].is_object() { &item["event"] } else { item }
}

#[test]
fn a_receiver_that_is_gone_pauses_its_subscription() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let receiver = Receiver::start(|_, _| answer("410 Gone", &[], "moved away"));
    let server = Server::start(Some(&yaml(dir.path(), &receiver.url(), "")));
    server.ok(&["pub", "tasks", "--type", "Begin", "--data", "{}"]);
    let paused = server.wait("the subscription is paused", |server| {
        let subscription = server.json(&["subs", "get", "front/tasks"]);
        subscription["pause"].is_object().then_some(subscription)
    });
    assert!(paused["pause"]["reason"].as_str().expect("a reason").contains("410"), "{paused}");
    server.ok(&["pub", "tasks", "--type", "Begin", "--data", "{}"]);
    let letters = server.json(&["dlq", "ls"]);
    assert_eq!(letters["items"].as_array().map(Vec::len), Some(1), "{letters}");
    assert_eq!(receiver.came().len(), 1, "a paused subscription sends nothing");
}

#[test]
fn no_secret_is_in_any_answer_the_log_of_the_server_or_its_data() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // It sends back all it got, as some receivers do.
    let receiver = Receiver::start(|_, came| answer("400 Bad Request", &[], &format!("{:?}", came.headers)));
    let more = ", headers: { Authorization: \"Bearer ${PATH}\" }";
    let server = Server::start_with_path(
        Some(&yaml(dir.path(), &receiver.url(), more)),
        Some(format!("/usr/bin:/bin:/{TOKEN}")),
    );
    server.ok(&["pub", "tasks", "--type", "Begin", "--correlation", "c", "--data", "{}"]);
    let letter = server.wait("the delivery is dead", |server| {
        let letters = server.json(&["dlq", "ls"]);
        letters["items"][0]["id"].as_str().map(str::to_owned)
    });
    let came = receiver.came();
    assert!(came[0].headers["authorization"].contains(TOKEN), "the receiver gets what it needs");
    let tested = server.cli(&["webhook", "test", "front/tasks", "-o", "json"]);
    assert_eq!(tested.status.code(), Some(1));
    let mut seen = String::from_utf8_lossy(&tested.stdout).into_owned();
    assert!(seen.contains("\"status\": 400") && seen.contains("***"), "{seen}");
    for path in [
        "/v1/subscriptions",
        "/v1/subscriptions/front/tasks",
        "/v1/correlations/c",
        "/v1/deliveries",
        "/v1/agents",
        "/metrics",
    ] {
        seen.push_str(&server.http("GET", path, &[], b"").expect("the server answers").1);
    }
    seen.push_str(&server.ok(&["dlq", "get", &letter, "-o", "json"]));
    seen.push_str(&server.log());
    let mut bytes = seen.into_bytes();
    let mut folders = vec![server.dir.path().join(".cantus")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => bytes.extend(std::fs::read(path).unwrap_or_default()),
            }
        }
    }
    let key = SECRET.trim_start_matches("whsec_");
    for canary in [TOKEN, SECRET, key, "CanaryCanaryCanary"] {
        let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
        assert!(!found, "`{canary}` can be read somewhere");
    }
}
