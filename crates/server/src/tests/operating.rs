//! What operators and definers do: subscriptions, agents, places.

use axum::body::Body;
use http::Method;
use serde_json::json;

use super::given::{Server, TOKEN, event};

#[tokio::test]
async fn a_subscription_is_made_changed_and_taken_away() {
    let server = Server::dev().await;
    server.post("/v1/agents", json!({"agent": "helper"})).await.is(201);
    let create = json!({"agent": "helper", "topic": "tasks", "filter": {"type": "B"}, "from": "start"});
    let made = server.operate("/v1/subscriptions", create.clone()).await;
    assert_eq!(made.header("location"), Some("/v1/subscriptions/helper/tasks"));
    let made = made.is(201);
    assert_eq!((&made["origin"], &made["filter"]), (&json!("api"), &json!({"type": "B"})));
    server.operate("/v1/subscriptions", create).await.is(200);
    let listed = server.get("/v1/subscriptions?agent=helper").await.is(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.get("/v1/subscriptions?topic=nothing").await.is(200)["items"], json!([]));
    assert_eq!(server.delete("/v1/subscriptions/helper/tasks").await.status, 204);
    server.get("/v1/subscriptions/helper/tasks").await.refuses(404, "SUBSCRIPTION_UNKNOWN");
    server.delete("/v1/subscriptions/worker/tasks").await.refuses(409, "SUBSCRIPTION_DECLARED");
}

#[tokio::test]
async fn a_subscription_that_can_not_be_is_refused_with_its_place() {
    let server = Server::dev().await;
    for (create, status, code, pointer) in [
        (
            json!({"agent": "worker", "topic": "t", "filter": "type =="}),
            400,
            "SUBSCRIPTION_FILTER_INVALID",
            "#/filter",
        ),
        (
            json!({"agent": "worker", "topic": "t", "action": {"exec": ["true"]}}),
            403,
            "EXEC_NOT_ALLOWED",
            "#/action",
        ),
        (json!({"agent": "worker", "topics": ["t", "u"]}), 400, "SUBSCRIPTION_INVALID", "#/name"),
        (json!({"agent": "worker", "topic": "t", "retry": "named"}), 400, "SUBSCRIPTION_INVALID", "#/retry"),
        (
            json!({"agent": "worker", "topic": "t", "concurrency": 0}),
            400,
            "SUBSCRIPTION_INVALID",
            "#/concurrency",
        ),
        (
            json!({"agent": "worker", "topic": "t", "action": {"publish": {"data": "1 +"}}}),
            400,
            "SUBSCRIPTION_INVALID",
            "#/action/publish/data",
        ),
    ] {
        let problem = server.operate("/v1/subscriptions", create.clone()).await.refuses(status, code);
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{create}");
    }
    let nobody = json!({"agent": "nobody", "topic": "t"});
    server.operate("/v1/subscriptions", nobody).await.refuses(404, "AGENT_UNKNOWN");
    let typo =
        server.operate("/v1/subscriptions", json!({"agent": "worker", "topic": "t", "fliter": {}})).await;
    typo.refuses(400, "JSON_INVALID");
}

#[tokio::test]
async fn a_subscription_pauses_and_goes_on() {
    let server = Server::dev().await;
    let paused =
        server.operate("/v1/subscriptions/worker/tasks/pause", json!({"reason": "deploy"})).await.is(200);
    assert_eq!((&paused["state"], &paused["pause"]["reason"]), (&json!("paused"), &json!("deploy")));
    assert_eq!(paused["pause"]["by"], "token:all");
    server.publish("e1", "A", json!(1)).await;
    let nothing = server.post("/v1/subscriptions/worker/tasks/pull", json!({})).await.is(200);
    assert_eq!(nothing["deliveries"], json!([]));
    let resumed = server.operate("/v1/subscriptions/worker/tasks/resume", json!({})).await.is(200);
    assert_eq!(resumed["state"], "active");
    assert_eq!(server.pull().await["event"]["id"], "e1");
    for until in ["soon", "2001-01-01T00:00:00Z"] {
        let bad = server.operate("/v1/subscriptions/worker/tasks/pause", json!({"until": until})).await;
        assert_eq!(bad.refuses(400, "PARAMETER_INVALID")["errors"][0]["pointer"], "#/until");
    }
}

#[tokio::test]
async fn a_seek_says_what_it_would_do_and_then_does_it() {
    let server = Server::dev().await;
    for number in 0..3 {
        server.publish(&format!("e{number}"), "A", json!(number)).await;
        let delivery = server.pull().await;
        let path = format!("/v1/deliveries/{}/ack", delivery["delivery"].as_str().unwrap());
        server.post(&path, json!({"token": delivery["token"]})).await.is(200);
    }
    let path = "/v1/subscriptions/worker/tasks/seek";
    let preview = server.operate(path, json!({"to": "start", "dry_run": true})).await.is(200);
    assert_eq!((&preview["events"], &preview["dry_run"]), (&json!(3), &json!(true)));
    let nothing = server.post("/v1/subscriptions/worker/tasks/pull", json!({})).await.is(200);
    assert_eq!(nothing["deliveries"], json!([]));
    let second = server.get("/v1/events/e1").await.is(200)["position"].clone();
    let sought = server.operate(path, json!({"to": second})).await.is(200);
    assert_eq!((&sought["events"], &sought["position"]), (&json!(2), &second));
    assert_eq!(server.pull().await["event"]["id"], "e1");
    let bad = server.operate(path, json!({"to": "nowhere"})).await;
    assert_eq!(bad.refuses(400, "PARAMETER_INVALID")["errors"][0]["pointer"], "#/to");
}

#[tokio::test]
async fn agents_register_show_themselves_and_leave() {
    let server = Server::dev().await;
    let register = json!({"agent": "/helper", "description": "helps", "publishes": ["Helped"]});
    let made = server.post("/v1/agents", register.clone()).await;
    assert_eq!(made.header("location"), Some("/v1/agents/helper"));
    let made = made.is(201);
    assert_eq!((&made["state"], &made["origin"]), (&json!("online"), &json!("api")));
    server.post("/v1/agents", register).await.is(200);
    assert_eq!(server.post("/v1/agents/helper/heartbeat", json!({})).await.status, 204);
    server.post("/v1/agents/nobody/heartbeat", json!({})).await.refuses(404, "AGENT_UNKNOWN");
    let worker = server.get("/v1/agents/worker").await.is(200);
    assert_eq!((&worker["state"], &worker["transport"]), (&json!("never_seen"), &json!("inbox")));
    server.publish("e1", "A", json!(1)).await;
    let delivery = server.pull().await;
    let worker = server.get("/v1/agents/worker").await.is(200);
    assert_eq!((&worker["state"], &worker["processing"]), (&json!("online"), &json!([delivery["delivery"]])));
    let listed = server.get("/v1/agents?limit=1").await.is(200);
    assert_eq!(listed["items"][0]["address"], "/helper");
    let rest =
        server.get(&format!("/v1/agents?cursor={}", listed["next_cursor"].as_str().unwrap())).await.is(200);
    assert_eq!(rest["items"][0]["address"], "/worker");
    assert_eq!(server.delete("/v1/agents/helper").await.status, 204);
    server.delete("/v1/agents/worker").await.refuses(409, "AGENT_DECLARED");
    server.post("/v1/agents", json!({"agent": "no agent"})).await.refuses(400, "AGENT_INVALID");
}

#[tokio::test]
async fn a_parked_agent_gets_nothing_until_it_goes_on() {
    let server = Server::dev().await;
    let parked = server.operate("/v1/agents/worker/pause", json!({"until": "1h"})).await.is(200);
    assert_eq!(parked["pause"]["by"], "token:all");
    server.publish("e1", "A", json!(1)).await;
    let nothing = server.post("/v1/subscriptions/worker/tasks/pull", json!({})).await.is(200);
    assert_eq!(nothing["deliveries"], json!([]));
    let resumed = server.operate("/v1/agents/worker/resume", json!({})).await.is(200);
    assert_eq!(resumed.get("pause"), None);
    assert_eq!(server.pull().await["event"]["id"], "e1");
    server.operate("/v1/agents/nobody/pause", json!({})).await.refuses(404, "AGENT_UNKNOWN");
}

#[tokio::test]
async fn what_is_installed_is_told_without_secrets() {
    let server = Server::with(
        json!({"topics": {"tasks": {"description": "all"}}, "agents": {"/runner": {"subscriptions": [
            {"topic": "tasks", "action": {"exec": ["./run.sh"], "env": {"KEY": "hunter2"}}}]}}}),
        |_| {},
    )
    .await;
    server.post("/v1/topics/made/events", event("e1", "A", json!(1))).await.is(202);
    let reply = server.get("/v1/definitions").await;
    let installed = reply.is(200);
    assert!(!reply.text.contains("hunter2"));
    let ids: Vec<_> = installed["items"].as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
    assert_eq!(ids, ["tasks", "/runner", "runner/tasks"]);
    assert_eq!(installed["items"][2]["source"], "cantus.yaml");
    assert_eq!(installed["items"][2]["definition"]["action"]["exec"], json!(["./run.sh"]));
    let status = server.get("/v1/status").await.is(200);
    assert_eq!((&status["mode"], &status["counts"]["events"]), (&json!("dev"), &json!(1)));
}

#[tokio::test]
async fn a_change_with_a_key_is_made_once() {
    let server = Server::dev().await;
    let bearer = format!("Bearer {TOKEN}");
    let headers =
        [("authorization", &*bearer), ("idempotency-key", "once"), ("content-type", "application/json")];
    let path = "/v1/subscriptions/worker/tasks/pause";
    let first = server.ask(Method::POST, path, &headers, r#"{"reason":"a"}"#).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (200, None));
    server.operate("/v1/subscriptions/worker/tasks/resume", json!({})).await.is(200);
    let again = server.ask(Method::POST, path, &headers, r#"{"reason":"a"}"#).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(again.text, first.text);
    assert_eq!(server.get("/v1/subscriptions/worker/tasks").await.is(200)["state"], "active");
    let other = server.ask(Method::POST, path, &headers, r#"{"reason":"b"}"#).await;
    other.refuses(422, "IDEMPOTENCY_KEY_REUSED");
    let failing = [("authorization", &*bearer), ("idempotency-key", "fails")];
    let unknown = server.ask(Method::POST, "/v1/subscriptions/a/b/pause", &failing, Body::empty()).await;
    unknown.refuses(404, "SUBSCRIPTION_UNKNOWN");
}
