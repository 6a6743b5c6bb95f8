//! Hostile tokens, schemas, policies and definitions: each is refused with its place, or does no harm. The classes are those of
//! `docs/bad-inputs.md`, G.

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use super::given::{Server, TOKEN, event};

#[tokio::test]
async fn a_part_of_a_token_opens_nothing_and_who_guesses_locks_nobody_out() {
    let server = Server::dev().await;
    let with = async |token: &str| {
        let bearer = format!("Bearer {token}");
        server.ask(Method::GET, "/v1/audit", &[("authorization", &*bearer)], Body::empty()).await
    };
    for guess in
        ["", "a", &TOKEN[..TOKEN.len() - 1], &format!("{TOKEN}x"), &TOKEN.to_uppercase(), "*", "null"]
    {
        assert_eq!(with(guess).await.status, 401, "{guess}");
    }
    for number in 0..2_000 {
        with(&format!("guess-{number}")).await.refuses(401, "UNAUTHENTICATED");
    }
    with(TOKEN).await.is(200);
}

/// Declares a topic with this schema for events of type `S`, and publishes one with this data. Returns the status of the
/// declaration, and that of the publish when there was one.
async fn under(schema: Value, data: Value) -> (u16, Option<u16>) {
    let server = Server::dev().await;
    let set = json!({"topics": {"strict": {"schemas": {"S": schema}}}});
    let declared = server.operate("/v1/definitions", set).await;
    if declared.status != 200 {
        let problem = declared.json();
        assert!(problem["code"].is_string() && problem["detail"].is_string(), "{problem}");
        return (declared.status, None);
    }
    let published = server.post("/v1/topics/strict/events", event("s", "S", data)).await;
    // Whatever came of it, the server goes on.
    server.publish("after", "A", json!(1)).await;
    (200, Some(published.status))
}

#[tokio::test]
async fn a_schema_that_leads_to_itself_is_followed_no_further_than_the_data() {
    let list = json!({"type": "object", "properties": {"next": {"$ref": "#"}, "n": {"type": "integer"}}, "required": ["n"]});
    let chain = (0..60).fold(json!({"n": 1}), |inner, n| json!({"n": n, "next": inner}));
    assert_eq!(under(list.clone(), chain).await, (200, Some(202)));
    assert_eq!(under(list, json!({"n": 1, "next": {"n": "x"}})).await, (200, Some(422)));
}

#[tokio::test]
async fn a_schema_that_is_nothing_but_a_circle_does_no_harm() {
    for circle in [
        json!({"$ref": "#"}),
        json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
        json!({"allOf": [{"$ref": "#"}]}),
        json!({"$id": "http://x.example/a", "anyOf": [{"not": {"$ref": "http://x.example/a"}}]}),
        json!({"$dynamicAnchor": "n", "$dynamicRef": "#n"}),
    ] {
        let (declared, published) = under(circle.clone(), json!({"n": 1})).await;
        assert!(
            declared == 400 || matches!(published, Some(202 | 422)),
            "{circle}: {declared} {published:?}"
        );
    }
}

#[tokio::test]
async fn data_that_goes_deep_through_a_schema_that_goes_deep_is_judged_or_refused() {
    let mut schema = json!({"properties": {"n": {"$ref": "#"}}});
    for _ in 0..50 {
        schema = json!({"allOf": [schema]});
    }
    let deep = (0..120).fold(json!(1), |inner, _| json!({"n": inner}));
    let (declared, published) = under(schema, deep).await;
    assert!(declared == 400 || matches!(published, Some(202 | 422)), "{declared} {published:?}");
}

#[tokio::test]
async fn a_schema_whose_references_are_a_long_chain_is_compiled_or_refused() {
    for length in [1_000, 50_000] {
        let mut defs = serde_json::Map::new();
        for number in 0..length {
            defs.insert(format!("a{number}"), json!({"$ref": format!("#/$defs/a{}", number + 1)}));
        }
        defs.insert(format!("a{length}"), json!({"type": "integer"}));
        let (declared, published) = under(json!({"$defs": defs, "$ref": "#/$defs/a0"}), json!("x")).await;
        assert!(declared == 400 || published == Some(422), "{length}: {declared} {published:?}");
    }
}

#[tokio::test]
async fn a_schema_fetches_nothing_and_its_patterns_are_bounded() {
    for schema in [
        json!({"$ref": "http://169.254.169.254/latest"}),
        json!({"$ref": "file:///etc/passwd"}),
        json!({"$schema": "http://127.0.0.1:1/meta"}),
        json!({"properties": {"s": {"pattern": "(a{1000}){1000}"}}}),
        json!({"properties": {"s": {"pattern": "\\w{200000,}"}}}),
        json!({"patternProperties": {"(((a{100}){100}){100}){100}": true}}),
        json!({"properties": {"s": {"pattern": "("}}}),
    ] {
        assert_eq!(under(schema.clone(), json!({"s": "a"})).await, (400, None), "{schema}");
    }
}

#[tokio::test]
async fn many_items_that_must_differ_are_compared_in_bounds() {
    let schema = json!({"type": "array", "uniqueItems": true});
    let mut items: Vec<u32> = (0..120_000).collect();
    assert_eq!(under(schema.clone(), json!(items)).await, (200, Some(202)));
    items.push(7);
    assert_eq!(under(schema, json!(items)).await, (200, Some(422)));
}

#[tokio::test]
async fn a_policy_that_can_not_be_is_refused() {
    let server = Server::dev().await;
    for retry in [
        json!({"max_retries": -1}),
        json!({"max_retries": 1.5}),
        json!({"max_retries": 1001}),
        serde_json::from_str(r#"{"max_retries": 18446744073709551616}"#).unwrap(),
        json!({"jitter": -0.5}),
        json!({"jitter": 2}),
        json!({"initial_delay": "0s"}),
        json!({"initial_delay": "-1s"}),
        json!({"max_delay": "1e400s"}),
        json!({"backoff_type": "quadratic"}),
        json!({"multiplier": -2}),
    ] {
        let create = json!({"agent": "worker", "topic": "t", "retry": retry});
        let reply = server.operate("/v1/subscriptions", create).await;
        assert_eq!(reply.status, 400, "{retry}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_failure_without_a_pause_is_still_tried_only_as_often_as_the_policy_says() {
    let server = Server::with(
        json!({"topics": {"tasks": {}}, "agents": {"/worker": {"subscriptions": [{"topic": "tasks",
            "retry": {"max_retries": 2, "initial_delay": "1ms", "max_delay": "1ms"}}]}}}),
        |_| {},
    )
    .await;
    server.publish("e", "A", json!(1)).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let delivery = server.pull().await;
        let path = format!("/v1/deliveries/{}/nack", delivery["delivery"].as_str().unwrap());
        let nack = json!({"token": delivery["token"], "class": "timeout", "reason": "again", "delay": "0s"});
        statuses.push(server.post(&path, nack).await.is(200)["status"].clone());
    }
    assert_eq!(statuses, ["retrying", "retrying", "dead"]);
}

#[tokio::test]
async fn what_an_event_says_is_text_wherever_it_is_shown() {
    let server = Server::dev().await;
    let hostile = "{{data.secret}} ${HOME} %0d%0aset-cookie: x \u{1b}[31m \u{202e}";
    let it = json!({"specversion": "1.0", "id": "h", "type": "A", "source": "/t", "subject": "{{id}} ${HOME} %0d%0a",
        "data": {"secret": "canary", "text": hostile}});
    server.post("/v1/topics/tasks/events", it).await.is(202);
    let read = server.get("/v1/events/h").await.is(200);
    assert_eq!(read["event"]["subject"], "{{id}} ${HOME} %0d%0a");
    assert_eq!(read["event"]["data"]["text"], hostile);
    let delivery = server.pull().await;
    let path = format!("/v1/deliveries/{}/nack", delivery["delivery"].as_str().unwrap());
    let nack = json!({"token": delivery["token"], "class": "invalid_payload", "reason": "{{data.secret}}"});
    server.post(&path, nack).await.is(200);
    let dead = server.get("/v1/dead-letters").await.is(200)["items"][0].clone();
    assert_eq!(
        (&dead["error"]["message"], &dead["attempts"][0]["message"]),
        (&json!("{{data.secret}}"), &json!("{{data.secret}}")),
        "{dead}"
    );
    // Dead letters are known by ids that the server gives: no event names one.
    let reply = server.get("/v1/dead-letters/%7B%7Bid%7D%7D%0d%0aset-cookie:x").await;
    assert!(matches!(reply.status, 400 | 404) && reply.header("set-cookie").is_none(), "{}", reply.text);
}

#[tokio::test]
async fn a_subscription_that_comes_back_under_its_name_has_nothing_of_the_one_before() {
    let server = Server::with(json!({"topics": {"tasks": {}}, "agents": {"/worker": {}}}), |_| {}).await;
    let create = |concurrency: u32| json!({"agent": "/worker", "topic": "tasks", "from": "start", "concurrency": concurrency});
    server.operate("/v1/subscriptions", create(64)).await.is(201);
    let events: Vec<Value> =
        (0..2_000).map(|number| event(&format!("e{number}"), "A", json!(number))).collect();
    let headers = [("content-type", "application/cloudevents-batch+json")];
    let batch = serde_json::to_string(&events).unwrap();
    server.ask(Method::POST, "/v1/topics/tasks/events", &headers, batch).await.is(202);
    let pull = async || {
        let pulled = server
            .post("/v1/subscriptions/worker/tasks/pull", json!({"max": 32, "wait": "10s"}))
            .await
            .is(200);
        pulled["deliveries"].as_array().unwrap().clone()
    };
    let ack = async |delivery: &Value| {
        let path = format!("/v1/deliveries/{}/ack", delivery["delivery"].as_str().unwrap());
        server.post(&path, json!({"token": delivery["token"]})).await
    };
    let before = pull().await;
    // Paused and resumed while they run: what is in hand is answered as ever, and the rest goes on behind it.
    server.operate("/v1/subscriptions/worker/tasks/pause", json!({})).await.is(200);
    server.operate("/v1/subscriptions/worker/tasks/resume", json!({})).await.is(200);
    ack(&before[0]).await.is(200);
    let between = pull().await;
    assert!(between.iter().all(|one| before.iter().all(|other| one["event"]["id"] != other["event"]["id"])));
    // Gone and back under the same name: it is another one, and what was held for the first is nothing to it.
    server.delete("/v1/subscriptions/worker/tasks").await.is(204);
    server.operate("/v1/subscriptions", create(64)).await.is(201);
    let late = ack(&before[1]).await;
    assert!(matches!(late.status, 404 | 409), "{}", late.text);
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 2_000 {
        for delivery in pull().await {
            assert!(seen.insert(delivery["event"]["id"].as_str().unwrap().to_owned()), "twice: {delivery}");
            ack(&delivery).await.is(200);
        }
    }
}
