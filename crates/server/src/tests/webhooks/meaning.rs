//! What answers mean: acknowledged, published, retried, dead.

use std::sync::Arc;
use std::sync::Mutex;

use cantus_api::signature::VerifyingKey;
use cantus_api::signature::standard::{self, Received};
use serde_json::{Value, json};

use super::super::given::{Server, event};
use super::given::{Receiver, answer, definitions, request, say, tested};
use crate::convert::time;

/// Waits until a story has become what it should.
async fn story(server: &Server, correlation: &str, is: impl Fn(&Value) -> bool) -> Value {
    loop {
        let story = server.get(&format!("/v1/correlations/{correlation}")).await.is(200);
        if is(&story) {
            return story;
        }
        tokio::task::yield_now().await;
    }
}

fn delivered(story: &Value) -> bool {
    story["deliveries"][0]["state"] == "delivered"
}

fn dead(story: &Value) -> bool {
    story["deliveries"][0]["state"] == "dead"
}

async fn published(server: &Server, id: &str, data: Value) {
    server.post("/v1/topics/tasks/events", event(id, "Begin", data)).await.is(202);
}

#[tokio::test]
async fn an_answer_with_events_is_published_with_the_ack_in_every_mode() {
    let one = r#"{"specversion":"1.0","id":"a-1","type":"Done","data":{"n":1}}"#;
    let two = r#"{"specversion":"1.0","id":"a-2","type":"Done"}"#;
    let modes = [
        (
            answer(
                "200 OK",
                "ce-specversion: 1.0\r\nce-id: a-0\r\nce-type: Done\r\ncontent-type: application/json\r\n",
                "{}",
            ),
            1,
        ),
        (answer("201 Created", "content-type: application/cloudevents+json\r\n", one), 1),
        (
            answer(
                "200 OK",
                "content-type: application/cloudevents-batch+json\r\n",
                &format!("[{one},{two}]"),
            ),
            2,
        ),
        (answer("200 OK", "content-type: application/json\r\n", one), 0),
        (answer("202 Accepted", "", ""), 0),
    ];
    for (reply, count) in modes {
        let receiver = Receiver::answering(&reply).await;
        let mut definitions = definitions(&receiver.url(), json!({"mode": "structured"}));
        definitions["agents"]["/front"]["subscriptions"][0]["filter"] = json!({"type": "Begin"});
        let server = Server::with(definitions, |_| {}).await;
        published(&server, "e-1", json!({})).await;
        let story = story(&server, "e-1", delivered).await;
        let events = story["events"].as_array().unwrap();
        assert_eq!(events.len(), 1 + count, "{reply}: {story}");
        for answered in &events[1..] {
            let answered = if answered["event"].is_object() { &answered["event"] } else { answered };
            assert_eq!(
                (&answered["source"], &answered["causationid"]),
                (&json!("/front"), &json!("e-1")),
                "{answered}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_refused_publishes_nothing_and_is_no_ack() {
    let batch = r#"[{"specversion":"1.0","id":"a-1","type":"Done"},{"specversion":"1.0","id":"a-2"}]"#;
    let receiver =
        Receiver::answering(&answer("200 OK", "content-type: application/cloudevents-batch+json\r\n", batch))
            .await;
    let server = Server::with(definitions(&receiver.url(), json!({})), |_| {}).await;
    published(&server, "e-1", json!({})).await;
    let story = story(&server, "e-1", dead).await;
    assert_eq!(story["events"].as_array().unwrap().len(), 1, "{story}");
    assert_eq!(story["deliveries"][0]["attempts"][0]["class"], "rejected", "{story}");
}

#[tokio::test]
async fn an_answer_that_would_close_a_loop_is_a_dead_letter_at_once() {
    let one = r#"{"specversion":"1.0","id":"a-1","type":"Begin"}"#;
    let receiver =
        Receiver::answering(&answer("200 OK", "content-type: application/cloudevents+json\r\n", one)).await;
    let server = Server::with(definitions(&receiver.url(), json!({})), |_| {}).await;
    let mut last = event("e-1", "Begin", json!({}));
    last["hops"] = json!(64);
    server.post("/v1/topics/tasks/events", last).await.is(202);
    story(&server, "e-1", dead).await;
    let letters = server.get("/v1/dead-letters").await.is(200);
    assert_eq!(letters["items"][0]["reason"], "loop_detected", "{letters}");
    assert_eq!(receiver.connections(), 1, "it is not tried again");
}

#[tokio::test]
async fn a_new_secret_in_the_file_counts_at_once_and_both_sign_while_it_changes() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = heads.clone();
    let receiver = Receiver::start("127.0.0.1:0", move |_, mut stream| {
        let kept = kept.clone();
        async move {
            let came = request(&mut stream).await;
            kept.lock().unwrap().push(came);
            say(&mut stream, &answer("204 No Content", "", "")).await;
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let secret = |letter: char| format!("whsec_{}=", letter.to_string().repeat(43));
    std::fs::write(&file, secret('A')).unwrap();
    let server = Server::with(definitions(&receiver.url(), json!({"secret_file": file})), |_| {}).await;
    let signed_by = |secret: &str| {
        let heads = heads.lock().unwrap();
        let (head, body) = heads.last().unwrap();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        let received = Received {
            id: header(standard::ID),
            timestamp: header(standard::TIMESTAMP),
            signature: header(standard::SIGNATURE),
            body: body.as_bytes(),
        };
        standard::verify(&[VerifyingKey::parse(secret).unwrap()], &received, time::wall().0 / 1000).is_ok()
    };
    assert_eq!(tested(&server).await["status"], 204);
    assert_eq!((signed_by(&secret('A')), signed_by(&secret('E'))), (true, false));
    std::fs::write(&file, format!("{}\n{}\n", secret('E'), secret('A'))).unwrap();
    assert_eq!(tested(&server).await["status"], 204);
    assert_eq!((signed_by(&secret('A')), signed_by(&secret('E'))), (true, true));
    std::fs::write(&file, secret('E')).unwrap();
    assert_eq!(tested(&server).await["status"], 204);
    assert_eq!((signed_by(&secret('A')), signed_by(&secret('E'))), (false, true));
    std::fs::write(&file, "canary, no secret").unwrap();
    let tested = tested(&server).await;
    assert_eq!(tested["class"], "unavailable");
    assert!(!tested.to_string().contains("canary"), "{tested}");
    assert_eq!(heads.lock().unwrap().len(), 3, "nothing goes out unsigned");
}

#[tokio::test]
async fn a_test_needs_the_right_and_a_webhook() {
    let server = Server::dev().await;
    server.post("/v1/subscriptions/worker/tasks/test", json!({})).await.refuses(401, "UNAUTHENTICATED");
    server
        .operate("/v1/subscriptions/worker/tasks/test", json!({}))
        .await
        .refuses(400, "SUBSCRIPTION_INVALID");
    server
        .operate("/v1/subscriptions/worker/none/test", json!({}))
        .await
        .refuses(404, "SUBSCRIPTION_UNKNOWN");
}
