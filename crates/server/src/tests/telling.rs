//! What is told: why, timelines, lists of deliveries.

use serde_json::{Value, json};

use super::given::{Server, event};

/// Three agents on topic `tasks`: one inbox for all, one for type B only, one elsewhere.
async fn given() -> Server {
    Server::with(
        json!({"topics": {"tasks": {}, "other": {}}, "agents": {
            "/worker": {"subscriptions": [{"topic": "tasks", "from": "start"}]},
            "/picky": {"subscriptions": [{"topic": "tasks", "filter": {"type": "B", "data.n": 1}, "from": "start"}]},
            "/elsewhere": {"subscriptions": [{"topic": "other"}]}
        }}),
        |_| {},
    )
    .await
}

fn of<'v>(why: &'v Value, subscription: &str) -> &'v Value {
    let all = why["subscriptions"].as_array().unwrap();
    all.iter().find(|one| one["subscription"] == subscription).unwrap()
}

async fn why(server: &Server, id: &str) -> Value {
    server.get(&format!("/v1/events/{id}/why")).await.is(200)
}

async fn ack(server: &Server, delivery: &Value) {
    let path = format!("/v1/deliveries/{}/ack", delivery["delivery"].as_str().unwrap());
    server.post(&path, json!({"token": delivery["token"]})).await.is(200);
}

#[tokio::test]
async fn why_says_of_each_subscription_what_became_of_the_event() {
    let server = given().await;
    server.publish("e1", "A", json!({"n": 1})).await;
    let told = why(&server, "e1").await;
    let filtered = of(&told, "picky/tasks");
    assert_eq!(filtered["verdict"], "filtered_out");
    assert!(filtered["text"].as_str().unwrap().contains("type"), "{filtered}");
    assert_eq!(filtered["value"], "A");
    assert_eq!(of(&told, "elsewhere/other")["verdict"], "not_in_topic");
    let waiting = of(&told, "worker/tasks");
    assert!(["waiting", "matched"].contains(&waiting["verdict"].as_str().unwrap()), "{waiting}");

    let delivery = server.pull().await;
    let leased = why(&server, "e1").await;
    assert_eq!(of(&leased, "worker/tasks")["verdict"], "leased");
    assert_eq!(of(&leased, "worker/tasks")["delivery"], delivery["delivery"]);
    ack(&server, &delivery).await;
    let delivered = why(&server, "e1").await;
    assert_eq!(of(&delivered, "worker/tasks")["verdict"], "delivered");

    server.publish("e2", "A", json!({"n": 2})).await;
    let id = server.bury().await;
    let dead = why(&server, "e2").await;
    assert_eq!(
        (&of(&dead, "worker/tasks")["verdict"], &of(&dead, "worker/tasks")["dead_letter"]),
        (&json!("dead"), &json!(id))
    );
    let one = server.get("/v1/events/e2/why?subscription=worker/tasks").await.is(200);
    assert_eq!(one["subscriptions"].as_array().unwrap().len(), 1);
    server.get("/v1/events/e2/why?subscription=nobody/tasks").await.refuses(404, "SUBSCRIPTION_UNKNOWN");
}

#[tokio::test]
async fn why_says_what_a_waiting_event_waits_for() {
    let server = given().await;
    server
        .operate("/v1/subscriptions/worker/tasks/pause", json!({"reason": "lunch", "until": "30m"}))
        .await
        .is(200);
    server.publish("e1", "A", json!(1)).await;
    let told = why(&server, "e1").await;
    let waiting = of(&told, "worker/tasks");
    assert_eq!((&waiting["verdict"], &waiting["waiting_for"]), (&json!("waiting"), &json!("pause")));
    assert!(waiting["text"].as_str().unwrap().contains("lunch"));
    assert!(waiting["until"].is_string());
}

#[tokio::test]
async fn a_story_is_told_with_who_answered_what() {
    let server = given().await;
    server.publish("e1", "A", json!(1)).await;
    let delivery = server.pull().await;
    let path = format!("/v1/deliveries/{}", delivery["delivery"].as_str().unwrap());
    let answer = json!({"specversion": "1.0", "id": "e2", "type": "B", "data": {"n": 1}});
    server
        .post(&format!("{path}/ack"), json!({"token": delivery["token"], "publish": [answer]}))
        .await
        .is(200);
    let story = server.get("/v1/correlations/e1").await.is(200);
    let ids: Vec<_> =
        story["events"].as_array().unwrap().iter().map(|it| it["event"]["id"].clone()).collect();
    assert_eq!(ids, ["e1", "e2"]);
    let deliveries = story["deliveries"].as_array().unwrap();
    let told: Vec<_> = deliveries
        .iter()
        .map(|it| {
            format!(
                "{} {} {}",
                it["event_id"].as_str().unwrap(),
                it["subscription"].as_str().unwrap(),
                it["state"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(told, ["e1 worker/tasks delivered", "e2 picky/tasks waiting", "e2 worker/tasks waiting"]);
    assert_eq!(deliveries[0]["published"], json!(["e2"]));
    assert_eq!(deliveries[0]["attempts"][0]["outcome"], "acked");
    assert!(deliveries[0]["attempts"][0]["duration_ms"].is_u64());
    let first = server.get("/v1/correlations/e1?limit=1").await.is(200);
    assert_eq!(first["deliveries"].as_array().unwrap().len(), 1);
    let next = first["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("/v1/correlations/e1?cursor={next}")).await.is(200);
    assert_eq!((&rest["events"][0]["event"]["id"], rest.get("next_cursor")), (&json!("e2"), None));
    server.get("/v1/correlations/nothing").await.refuses(404, "CORRELATION_UNKNOWN");
}

#[tokio::test]
async fn deliveries_are_listed_open_ones_first_then_what_is_over() {
    let server = Server::dev().await;
    for number in 0..4 {
        server.publish(&format!("e{number}"), "A", json!(number)).await;
    }
    let (first, second) = (server.pull().await, server.pull().await);
    ack(&server, &first).await;
    let nack = json!({"token": second["token"], "class": "invalid_payload"});
    server.post(&format!("/v1/deliveries/{}/nack", second["delivery"].as_str().unwrap()), nack).await.is(200);
    let third = server.pull().await;
    let all = server.get("/v1/deliveries").await.is(200);
    let told = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|it| format!("{} {}", it["event_id"].as_str().unwrap(), it["state"].as_str().unwrap()))
            .collect()
    };
    assert_eq!(told(&all), ["e3 waiting", "e2 leased", "e1 dead", "e0 delivered"]);
    assert_eq!(all["items"][1]["id"], third["delivery"]);
    let mut walked = Vec::new();
    let mut path = "/v1/deliveries?limit=1".to_owned();
    loop {
        let page = server.get(&path).await.is(200);
        walked.extend(told(&page));
        let Some(next) = page.get("next_cursor") else { break };
        path = format!("/v1/deliveries?limit=1&cursor={}", next.as_str().unwrap());
    }
    assert_eq!(walked, ["e3 waiting", "e2 leased", "e1 dead", "e0 delivered"]);
    for (query, expected) in [
        ("state=delivered", vec!["e0 delivered"]),
        ("state=leased", vec!["e2 leased"]),
        ("state=dead&subscription=worker/tasks", vec!["e1 dead"]),
        ("event=e1", vec!["e1 dead"]),
        ("correlation=e0", vec!["e0 delivered"]),
        ("event=e3", vec!["e3 waiting"]),
    ] {
        let page = server.get(&format!("/v1/deliveries?{query}")).await.is(200);
        assert_eq!(told(&page), expected, "{query}");
    }
    server.get("/v1/deliveries?event=nothing").await.refuses(404, "EVENT_UNKNOWN");
    server.get("/v1/deliveries?state=asleep").await.refuses(400, "PARAMETER_INVALID");
    let logs = format!("/v1/deliveries/{}/logs", third["delivery"].as_str().unwrap());
    server.get(&logs).await.refuses(404, "DELIVERY_UNKNOWN");
}

#[tokio::test]
async fn attempts_are_told_after_a_restart_as_before() {
    let server = Server::dev().await;
    server.publish("e1", "A", json!(1)).await;
    let delivery = server.pull().await;
    let path = format!("/v1/deliveries/{}", delivery["delivery"].as_str().unwrap());
    let nack = json!({"token": delivery["token"], "class": "timeout", "reason": "slow", "delay": "1h"});
    server.post(&format!("{path}/nack"), nack).await.is(200);
    let before = server.get(&path).await.is(200);
    assert_eq!((&before["state"], &before["waiting_for"]), (&json!("waiting"), &json!("retry")));
    assert_eq!(before["attempts"][0]["message"], "slow");
    let server = server.restarted().await;
    assert_eq!(server.get(&path).await.is(200), before);
    let more = server.post("/v1/topics/tasks/events", event("e2", "A", json!(1))).await;
    more.is(202);
}
