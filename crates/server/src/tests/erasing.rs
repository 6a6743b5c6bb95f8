//! Erasing events: asked for with the right to operate, gone for everybody at once.

use serde_json::{Value, json};

use super::given::Server;

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["event"]["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_erased_event_is_gone_everywhere_at_once() {
    let server = Server::dev().await;
    server.publish("e1", "Paid", json!({"card": "4711"})).await;
    let dead = server.bury().await;
    server.publish("e2", "Paid", json!(2)).await;
    let shown =
        server.operate("/v1/events/erase", json!({"ids": ["e1"], "reason": "asked", "dry_run": true}));
    let shown = shown.await.is(200);
    assert_eq!((&shown["events"], &shown["items"][0]["id"]), (&json!(1), &json!("e1")));
    server.get("/v1/events/e1").await.is(200);

    let done = server.operate("/v1/events/erase", json!({"ids": ["e1"], "reason": "asked"})).await.is(200);
    assert!(done["erasure"].is_string());
    server.get("/v1/events/e1").await.refuses(410, "EVENT_ERASED");
    server.get("/v1/events/e1/why").await.refuses(410, "EVENT_ERASED");
    server.get(&format!("/v1/dead-letters/{dead}")).await.refuses(410, "EVENT_ERASED");
    let replay = format!("/v1/dead-letters/{dead}/replay");
    server.operate(&replay, json!({})).await.refuses(410, "EVENT_ERASED");
    let page = server.get("/v1/topics/tasks/events").await.is(200);
    assert_eq!((ids(&page), &page["gaps"][0]["reason"]), (vec!["e2"], &json!("erased")));
    let deliveries = server.get("/v1/deliveries").await.is(200);
    assert!(!deliveries["items"].to_string().contains("\"e1\""), "{deliveries}");
    assert_eq!(deliveries["gaps"][0]["reason"], "erased");
    let story = server.get("/v1/correlations/e1").await.is(200);
    assert_eq!(
        (story["events"].as_array().unwrap().len(), &story["gaps"][0]["reason"]),
        (0, &json!("erased"))
    );
    let topic = server.get("/v1/topics/tasks").await.is(200);
    assert_eq!(topic["events"], 1);
    let all = server.ask_operating("/v1/erasures").await.is(200);
    assert_eq!((&all["items"][0]["state"], &all["items"][0]["reason"]), (&json!("hidden"), &json!("asked")));
    let again = server.operate("/v1/events/erase", json!({"ids": ["e1"], "reason": "asked"})).await.is(200);
    assert_eq!((&again["events"], again.get("erasure")), (&json!(0), None));

    let server = server.restarted().await;
    server.get("/v1/events/e1").await.refuses(410, "EVENT_ERASED");
}

#[tokio::test]
async fn events_are_erased_by_what_they_are_about() {
    let server = Server::dev().await;
    for (id, subject) in [("e1", "customer/1"), ("e2", "customer/2"), ("e3", "customer/1")] {
        let mut event = super::given::event(id, "Moved", json!({}));
        event["subject"] = json!(subject);
        server.post("/v1/topics/tasks/events", event).await.json();
    }
    let request = json!({"subject": "customer/1", "reason": "asked"});
    let done = server.operate("/v1/events/erase", request).await.is(200);
    assert_eq!(done["events"], 2);
    assert_eq!(ids(&server.get("/v1/topics/tasks/events").await.is(200)), ["e2"]);
}

#[tokio::test]
async fn who_says_nothing_erases_nothing() {
    let server = Server::dev().await;
    server.publish("e1", "Paid", json!(1)).await;
    for request in [
        json!({"reason": "all of it"}),
        json!({"ids": ["e1"], "reason": " "}),
        json!({"topic": "tasks", "reason": "all of it"}),
        json!({"subject": "", "reason": "all of it"}),
    ] {
        server.operate("/v1/events/erase", request).await.refuses(400, "PARAMETER_INVALID");
    }
    server
        .post("/v1/events/erase", json!({"ids": ["e1"], "reason": "x"}))
        .await
        .refuses(401, "UNAUTHENTICATED");
    server.get("/v1/events/e1").await.is(200);
}
