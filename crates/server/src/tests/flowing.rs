//! What holds deliveries back, as its users see it: breakers, held keys, and the reasons people give.

use serde_json::{Value, json};

use super::given::{Server, event};

/// A server whose inbox `worker/tasks` says this besides.
async fn inbox(more: Value) -> Server {
    let mut subscription = json!({"topic": "tasks", "from": "start"});
    subscription.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let agents = json!({"/worker": {"subscriptions": [subscription]}});
    Server::with(json!({"topics": {"tasks": {}}, "agents": agents}), |_| {}).await
}

async fn why(server: &Server, id: &str) -> Value {
    server.get(&format!("/v1/events/{id}/why")).await.is(200)["subscriptions"][0].clone()
}

#[tokio::test]
async fn an_open_breaker_is_shown_and_told_and_a_person_closes_it() {
    let breaker = json!({"failure_threshold": 2, "initial_pause": "1h", "max_pause": "2h"});
    let server = inbox(json!({"breaker": breaker})).await;
    for id in ["e1", "e2"] {
        server.publish(id, "Paid", json!(1)).await;
        let delivery = server.pull().await;
        let path = format!("/v1/deliveries/{}/nack", delivery["delivery"].as_str().unwrap());
        let nack = json!({"token": delivery["token"], "class": "unavailable", "reason": "no route"});
        server.post(&path, nack).await.is(200);
    }
    server.publish("e3", "Paid", json!(1)).await;
    let path = "/v1/subscriptions/worker/tasks";
    let shown = server.get(path).await.is(200)["breaker"].clone();
    assert_eq!((&shown["state"], &shown["failures"]), (&json!("open"), &json!(2)), "{shown}");
    assert_eq!((&shown["class"], &shown["message"]), (&json!("unavailable"), &json!("no route")));
    assert!(shown["probe_at"].is_string());
    let waits = why(&server, "e3").await;
    assert_eq!(waits["waiting_for"], "breaker", "{waits}");
    assert!(waits["text"].as_str().unwrap().contains("next probe at"), "{waits}");
    let metrics = server.get("/metrics").await.text;
    assert!(metrics.contains("cantus_breaker_open{subscription=\"worker/tasks\"} 1"), "{metrics}");
    server.post(&format!("{path}/breaker/reset"), json!({})).await.refuses(401, "UNAUTHENTICATED");
    let reset = server.operate(&format!("{path}/breaker/reset"), json!({})).await.is(200);
    assert_eq!(reset["breaker"]["state"], "closed");
    assert_eq!(server.pull().await["event"]["id"], "e3");
    server
        .operate("/v1/subscriptions/worker/none/breaker/reset", json!({}))
        .await
        .refuses(404, "SUBSCRIPTION_UNKNOWN");
}

#[tokio::test]
async fn a_held_key_is_told_and_a_person_lets_it_go() {
    let server = inbox(json!({"after_dead_letter": "hold_key"})).await;
    for id in ["e1", "e2"] {
        let mut event = event(id, "Paid", json!(1));
        event["partitionkey"] = json!("order-7");
        server.post("/v1/topics/tasks/events", event).await.is(202);
    }
    let id = server.bury().await;
    let waits = why(&server, "e2").await;
    assert_eq!((&waits["waiting_for"], &waits["waiting_on"]), (&json!("key"), &json!(id)), "{waits}");
    assert_eq!(server.get("/v1/subscriptions/worker/tasks").await.is(200)["held_keys"], 1);
    let path = format!("/v1/dead-letters/{id}");
    assert_eq!(server.get(&path).await.is(200)["holds_key"], true);
    let released = server.operate(&format!("{path}/release"), json!({"note": "void"})).await.is(200);
    assert_eq!((&released["status"], released.get("holds_key")), (&json!("open"), None));
    assert_eq!(server.pull().await["event"]["id"], "e2");
    server.operate(&format!("{path}/release"), json!({})).await.refuses(409, "DEAD_LETTER_STATE");
}

#[tokio::test]
async fn the_reasons_people_give_are_kept() {
    let server = inbox(json!({})).await;
    let paused = server.operate("/v1/agents/worker/pause", json!({"reason": "the model is down"})).await;
    assert_eq!(paused.is(200)["pause"]["reason"], "the model is down");
    server.operate("/v1/agents/worker/resume", json!({})).await.is(200);
    server.publish("e1", "Paid", json!(1)).await;
    let path = format!("/v1/dead-letters/{}", server.bury().await);
    server.operate(&format!("{path}/archive"), json!({"note": "harmless"})).await.is(200);
    let restored = server.operate(&format!("{path}/restore"), json!({"note": "not so harmless"})).await;
    assert_eq!(restored.is(200)["note"], "not so harmless");
}
