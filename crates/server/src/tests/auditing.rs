//! The audit: every changing call is in it, in a chain that shows what was tampered with.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use super::given::{Server, TOKEN};
use crate::auth::{Peer, Right};
use crate::http::routes;

const BULK: &str = "/v1/bulk-operations";

async fn newest(server: &Server) -> Value {
    audit(server, "limit=1").await["items"][0].clone()
}

async fn audit(server: &Server, query: &str) -> Value {
    let bearer = format!("Bearer {TOKEN}");
    let path = format!("/v1/audit?{query}");
    server.ask(Method::GET, &path, &[("authorization", &bearer)], Body::empty()).await.is(200)
}

async fn verified(server: &Server) -> Value {
    let bearer = format!("Bearer {TOKEN}");
    server.ask(Method::GET, "/v1/audit/verify", &[("authorization", &bearer)], Body::empty()).await.is(200)
}

/// Calls every audited route so that it changes something. Returns what was called: method and path of the table.
async fn call_everything(server: &Server) -> BTreeSet<(String, String)> {
    let mut called = BTreeSet::new();
    let mut post = async |route: &str, path: String, body: Value| {
        let answer = server.operate(&path, body).await;
        assert!((200..300).contains(&answer.status), "{path}: {}", answer.text);
        let entry = newest(server).await;
        let table = routes();
        let row = table.iter().find(|row| row.path == route && row.method == Method::POST);
        let action = row.unwrap_or_else(|| panic!("{route} is in the table")).action();
        assert_eq!(entry["action"], action, "POST {path} left no entry: {entry}");
        assert_eq!((&entry["actor"], &entry["from"]), (&json!("token:all"), &json!("127.0.0.1")));
        called.insert(("POST".to_owned(), route.to_owned()));
        answer
    };
    server.publish("e1", "Paid", json!({"amount": "secret-payload"})).await;
    let letter = server.bury().await;
    let letters = "/v1/dead-letters/{id}";
    let edit = json!({"data": {"amount": "secret-edit"}});
    post(&format!("{letters}/edit"), format!("/v1/dead-letters/{letter}/edit"), edit).await;
    post(&format!("{letters}/archive"), format!("/v1/dead-letters/{letter}/archive"), json!({"note": "x"}))
        .await;
    post(&format!("{letters}/restore"), format!("/v1/dead-letters/{letter}/restore"), json!({})).await;
    post(&format!("{letters}/replay"), format!("/v1/dead-letters/{letter}/replay"), json!({})).await;
    server.publish("e2", "Paid", json!(2)).await;
    server.publish("e3", "Paid", json!(3)).await;
    let delivery = server.pull().await;
    let nack = json!({"token": delivery["token"], "class": "invalid_payload", "reason": "no"});
    let path = format!("/v1/deliveries/{}/nack", delivery["delivery"].as_str().unwrap());
    let again = server.post(&path, nack).await.is(200)["dead_letter"].clone();
    let other = server.bury().await;
    let ids = json!([again, other]);
    let bulk = json!({"action": "archive", "filter": {"ids": ids}, "rate": "1/h", "reason": "known"});
    let begun = post(BULK, BULK.to_owned(), bulk).await;
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    post(&format!("{BULK}/{{id}}/abort"), format!("{BULK}/{id}/abort"), json!({})).await;
    let subscription = "/v1/subscriptions/{agent}/{name}";
    for (verb, body) in
        [("pause", json!({"reason": "x"})), ("resume", json!({})), ("seek", json!({"to": "start"}))]
    {
        post(&format!("{subscription}/{verb}"), format!("/v1/subscriptions/worker/tasks/{verb}"), body).await;
    }
    for verb in ["pause", "resume"] {
        post(&format!("/v1/agents/{{agent}}/{verb}"), format!("/v1/agents/worker/{verb}"), json!({})).await;
    }
    let guest = json!({"agent": "guest"});
    server.post("/v1/agents", guest).await.is(201);
    let create = json!({"agent": "/guest", "topic": "tasks", "action": {"inbox": {}}});
    post("/v1/subscriptions", "/v1/subscriptions".to_owned(), create).await;
    let topics = json!({"topics": {"fresh": {}}});
    post("/v1/definitions", "/v1/definitions".to_owned(), topics).await;
    for (route, path) in
        [(subscription, "/v1/subscriptions/guest/tasks"), ("/v1/agents/{agent}", "/v1/agents/guest")]
    {
        let answer = server.delete(path).await;
        assert_eq!(answer.status, 204, "{path}: {}", answer.text);
        let entry = newest(server).await;
        assert!(entry["action"].as_str().unwrap().ends_with(".delete"), "{entry}");
        called.insert(("DELETE".to_owned(), route.to_owned()));
    }
    called
}

/// Routes that change something and are not in the audit, as their facts say who: what agents and publishers do.
const OF_AGENTS: &[&str] = &[
    "/v1/agents",
    "/v1/agents/{agent}/heartbeat",
    "/v1/deliveries/ack",
    "/v1/deliveries/{id}/ack",
    "/v1/deliveries/{id}/nack",
    "/v1/deliveries/{id}/progress",
    "/v1/events",
    "/v1/topics/{topic}/events",
    "/v1/subscriptions/{agent}/{name}/pull",
    "/hooks/github/{name}",
    "/hooks/{name}",
];

/// Routes whose call needs more than this server has, such as a receiver to talk to. They are audited like all others.
const CALLED_ELSEWHERE: &[&str] = &[
    "/v1/subscriptions/{agent}/{name}/test",
    "/v1/subscriptions/{agent}/{name}/breaker/reset",
    "/v1/dead-letters/{id}/release",
    "/v1/events/erase",
    "/v1/backup",
];

#[tokio::test]
async fn every_changing_route_leaves_an_entry() {
    let server = Server::dev().await;
    let called = call_everything(&server).await;
    for route in routes().iter().filter(|route| route.method != Method::GET) {
        let row = (route.method.to_string(), route.path.to_owned());
        if OF_AGENTS.contains(&route.path) && !matches!(route.right, Right::Operate | Right::Define) {
            continue;
        }
        assert!(
            route.is_audited(),
            "{} {} changes something, and no right makes it an entry of the audit",
            row.0,
            row.1
        );
        assert!(
            called.contains(&row) || CALLED_ELSEWHERE.contains(&route.path),
            "{} {} is new: call it in `call_everything`, so that its entry is looked at",
            row.0,
            row.1
        );
    }
}

#[tokio::test]
async fn a_backup_changes_nothing_and_leaves_an_entry_of_who_took_everything() {
    let folder = tempfile::tempdir().unwrap();
    let backups = folder.path().to_owned();
    let definitions = json!({"topics": {"tasks": {}}});
    let server = Server::with(definitions, |options| options.backups = Some(backups)).await;
    let before = audit(&server, "limit=100").await["items"].as_array().unwrap().len();
    let answer = server.operate("/v1/backup", json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let entry = newest(&server).await;
    let table = routes();
    let row = table.iter().find(|row| row.path == "/v1/backup").unwrap();
    assert_eq!((&entry["action"], &entry["actor"]), (&json!(row.action()), &json!("token:all")));
    let entries = audit(&server, "limit=100").await;
    assert_eq!(entries["items"].as_array().unwrap().len(), before + 1);
    verified(&server).await;
}

#[tokio::test]
async fn the_chain_is_whole_also_after_a_restart_and_holds_no_secret() {
    let server = Server::dev().await;
    call_everything(&server).await;
    let before = verified(&server).await;
    assert_eq!(before["intact"], true, "{before}");
    assert_eq!(before["checked"], before["entries"]);
    let all = audit(&server, "limit=1000").await;
    let text = all.to_string();
    assert!(!text.contains("secret-payload") && !text.contains("secret-edit"), "{text}");
    let entries = all["items"].as_array().unwrap();
    for pair in entries.windows(2) {
        assert_eq!(pair[0]["previous_hash"], pair[1]["hash"]);
    }
    let server = server.restarted().await;
    let after = verified(&server).await;
    assert_eq!((&after["head"], &after["intact"]), (&before["head"], &json!(true)));
    server.operate("/v1/agents/worker/pause", json!({})).await.is(200);
    assert_eq!(newest(&server).await["previous_hash"], before["head"]);
}

#[tokio::test]
async fn an_entry_tells_what_was_so_before_and_is_after() {
    let server = Server::dev().await;
    let path = "/v1/subscriptions/worker/tasks/pause";
    server.operate(path, json!({"reason": "the shop is closed"})).await.is(200);
    server.operate(path, json!({"reason": "still closed"})).await.is(200);
    let entry = newest(&server).await;
    let thing = "subscription worker/tasks";
    assert_eq!(entry["before"][thing]["reason"], "the shop is closed");
    assert_eq!(entry["after"][thing]["reason"], "still closed");
    assert_eq!(entry["target"], "worker/tasks");
    let elsewhere = Peer { remote: "10.1.2.3:9".parse().unwrap(), local: "127.0.0.1:4777".parse().unwrap() };
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    server
        .ask_as(elsewhere, Method::POST, "/v1/subscriptions/worker/tasks/resume", &headers, "{}")
        .await
        .is(200);
    assert_eq!(newest(&server).await["from"], "10.1.2.3");
}

#[tokio::test]
async fn what_is_refused_or_changes_nothing_leaves_no_entry() {
    let server = Server::dev().await;
    server.operate("/v1/subscriptions/worker/tasks/resume", json!({})).await.is(200);
    server
        .operate("/v1/subscriptions/nobody/tasks/pause", json!({}))
        .await
        .refuses(404, "SUBSCRIPTION_UNKNOWN");
    server
        .operate("/v1/subscriptions/worker/tasks/seek", json!({"to": "start", "dry_run": true}))
        .await
        .is(200);
    server.post("/v1/subscriptions/worker/tasks/pause", json!({})).await.refuses(401, "UNAUTHENTICATED");
    assert_eq!(audit(&server, "").await["items"], json!([]));
    assert_eq!(verified(&server).await, json!({"entries": 0, "checked": 0, "intact": true}));
}

#[tokio::test]
async fn the_list_is_narrowed_and_goes_on_by_cursor() {
    let server = Server::dev().await;
    for verb in ["pause", "resume", "pause"] {
        server.operate(&format!("/v1/agents/worker/{verb}"), json!({})).await.is(200);
    }
    server.operate("/v1/subscriptions/worker/tasks/pause", json!({})).await.is(200);
    let numbers = |page: &Value| {
        let items = page["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["number"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&audit(&server, "action=agents").await), [3, 2, 1]);
    assert_eq!(numbers(&audit(&server, "action=agents.pause").await), [3, 1]);
    assert_eq!(numbers(&audit(&server, "actor=token:nobody").await), Vec::<u64>::new());
    assert_eq!(numbers(&audit(&server, "since=2000-01-01T00:00:00Z").await).len(), 4);
    assert_eq!(numbers(&audit(&server, "since=2999-01-01T00:00:00Z").await), Vec::<u64>::new());
    let first = audit(&server, "limit=3").await;
    let next = first["next_cursor"].as_str().unwrap();
    assert_eq!(numbers(&audit(&server, &format!("limit=3&cursor={next}")).await), [1]);
    server.get("/v1/audit").await.refuses(401, "UNAUTHENTICATED");
}
