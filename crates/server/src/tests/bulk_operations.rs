//! Bulk operations: planned, begun, followed, aborted.

use serde_json::{Value, json};

use super::given::Server;

const PATH: &str = "/v1/bulk-operations";

/// A server with so many dead letters of one cause, and their ids.
async fn with_dead_letters(count: usize) -> (Server, Vec<String>) {
    let server = Server::dev().await;
    let mut ids = Vec::new();
    for number in 0..count {
        server.publish(&format!("e{number}"), "Paid", json!({"amount": number})).await;
        ids.push(server.bury().await);
    }
    (server, ids)
}

/// Waits until an operation is over: whenever the log has grown, it may be.
async fn over(server: &Server, id: &Value) -> Value {
    let path = format!("{PATH}/{}", id.as_str().unwrap());
    let mut durable = server.app.handle.durable();
    loop {
        durable.borrow_and_update();
        let operation = server.get(&path).await.is(200);
        if operation["status"] != "running" {
            return operation;
        }
        durable.changed().await.unwrap();
    }
}

async fn status_of(server: &Server, id: &str) -> Value {
    server.get(&format!("/v1/dead-letters/{id}")).await.is(200)["status"].clone()
}

#[tokio::test]
async fn a_dry_run_shows_what_is_meant_and_begins_nothing() {
    let (server, ids) = with_dead_letters(3).await;
    let asked =
        json!({"action": "replay", "filter": {"subscription": "worker/tasks"}, "dry_run": true, "max": 2});
    let plan = server.operate(PATH, asked).await.is(200);
    assert_eq!(
        (&plan["status"], &plan["matched"], &plan["total"]),
        (&json!("planned"), &json!(3), &json!(2))
    );
    assert_eq!(plan["sample"], json!(ids[..2]), "the oldest go first");
    assert_eq!(plan.get("id"), None);
    assert_eq!(server.get(PATH).await.is(200)["items"], json!([]));
    assert_eq!(status_of(&server, &ids[0]).await, "open");
}

#[tokio::test]
async fn what_a_dry_run_showed_is_what_is_done_or_nothing_is() {
    let (server, ids) = with_dead_letters(2).await;
    let mut asked =
        json!({"action": "archive", "filter": {"topic": "tasks"}, "reason": "seen", "dry_run": true});
    let plan = server.operate(PATH, asked.clone()).await.is(200);
    server.publish("late", "Paid", json!(9)).await;
    let late = server.bury().await;
    asked["dry_run"] = json!(false);
    asked["hash"] = plan["hash"].clone();
    server.operate(PATH, asked.clone()).await.refuses(409, "BULK_CHANGED");
    asked["as_of"] = plan["as_of"].clone();
    let begun = server.operate(PATH, asked).await.is(202);
    assert_eq!(over(&server, &begun["id"]).await["done"], 2);
    assert_eq!(status_of(&server, &ids[0]).await, "archived");
    assert_eq!(status_of(&server, &late).await, "open");
}

#[tokio::test]
async fn a_selector_that_says_nothing_is_refused() {
    let (server, _) = with_dead_letters(1).await;
    for filter in [json!({}), json!({"status": "all"})] {
        let asked = json!({"action": "replay", "filter": filter, "dry_run": true});
        server.operate(PATH, asked).await.refuses(400, "BULK_SELECTOR_EMPTY");
    }
    server.operate(PATH, json!({"action": "replay"})).await.refuses(400, "BULK_SELECTOR_EMPTY");
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused_with_their_place() {
    let server = Server::dev().await;
    let topic = json!({"topic": "tasks"});
    for (asked, pointer) in [
        (json!({"action": "archive", "filter": topic}), "#/reason"),
        (json!({"action": "replay", "filter": topic, "max": 0}), "#/max"),
        (json!({"action": "replay", "filter": topic, "as_of": "yesterday"}), "#/as_of"),
        (json!({"action": "replay", "filter": {"ids": ["dlv_1"]}}), "#/filter/ids"),
        (
            json!({"action": "retry", "filter": {"topic": "tasks", "fingerprint": "x"}}),
            "#/filter/fingerprint",
        ),
        (json!({"action": "replay", "filter": topic, "rate": "20000/s"}), "#/rate"),
    ] {
        let problem = server.operate(PATH, asked).await.refuses(400, "PARAMETER_INVALID");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    for asked in [
        json!({"action": "replay", "filter": topic, "rate": "fast"}),
        json!({"action": "explode", "filter": topic}),
        json!({"action": "replay", "filter": {"tpoic": "tasks"}}),
    ] {
        server.operate(PATH, asked).await.refuses(400, "JSON_INVALID");
    }
    let wrong = json!({"action": "replay", "filter": {"event": "data.amount >"}});
    let problem = server.operate(PATH, wrong).await.refuses(400, "FILTER_INVALID");
    assert_eq!(problem["errors"][0]["pointer"], "#/filter/event");
    server.post(PATH, json!({"action": "replay", "filter": topic})).await.refuses(401, "UNAUTHENTICATED");
}

#[tokio::test]
async fn a_filter_of_events_reads_what_the_dead_letters_hold() {
    let (server, ids) = with_dead_letters(4).await;
    let asked = json!({"action": "replay", "filter": {"event": "data.amount > 1"}, "dry_run": true});
    let plan = server.operate(PATH, asked).await.is(200);
    assert_eq!(plan["sample"], json!(ids[2..]));
}

#[tokio::test]
async fn every_item_of_a_replay_is_delivered_once_more_also_edited_ones() {
    let (server, ids) = with_dead_letters(3).await;
    let edit = json!({"data": {"amount": 10}});
    server.operate(&format!("/v1/dead-letters/{}/edit", ids[1]), edit).await.is(200);
    let asked = json!({"action": "replay", "filter": {"ids": ids}, "rate": "1000/s", "reason": "repaired"});
    let begun = server.operate(PATH, asked).await.is(202);
    let ended = over(&server, &begun["id"]).await;
    assert_eq!((&ended["status"], &ended["done"]), (&json!("completed"), &json!(3)), "{ended}");
    let mut seen = Vec::new();
    for _ in 0..3 {
        let delivery = server.pull().await;
        seen.push((delivery["event"]["causationid"].clone(), delivery["event"]["data"]["amount"].clone()));
        let path = format!("/v1/deliveries/{}/ack", delivery["delivery"].as_str().unwrap());
        server.post(&path, json!({"token": delivery["token"]})).await.is(200);
    }
    seen.sort_by_key(|(cause, amount)| (cause.to_string(), amount.to_string()));
    assert_eq!(seen, [(json!("e1"), json!(10)), (Value::Null, json!(0)), (Value::Null, json!(2))]);
    for id in &ids {
        assert_eq!(status_of(&server, id).await, "resolved");
    }
}

#[tokio::test]
async fn an_edited_event_that_breaks_its_schema_by_now_is_left_out_with_the_reason() {
    let (server, ids) = with_dead_letters(1).await;
    server
        .operate(&format!("/v1/dead-letters/{}/edit", ids[0]), json!({"data": {"amount": "x"}}))
        .await
        .is(200);
    let schema = json!({"type": "object", "properties": {"amount": {"type": "integer"}}});
    server
        .install(json!({
            "topics": {"tasks": {"schemas": {"Paid": schema}}},
            "agents": {"/worker": {"subscriptions": [{"topic": "tasks", "from": "start"}]}}
        }))
        .await;
    let asked = json!({"action": "replay", "filter": {"ids": ids}, "dry_run": true});
    let plan = server.operate(PATH, asked).await.is(200);
    assert_eq!((&plan["total"], &plan["left_out"][0]["id"]), (&json!(0), &json!(ids[0])));
}

#[tokio::test]
async fn an_operation_is_listed_and_aborted_and_ends_once() {
    let (server, ids) = with_dead_letters(3).await;
    let asked = json!({"action": "archive", "filter": {"ids": ids}, "rate": "1/h", "reason": "known"});
    let begun = server.operate(PATH, asked.clone()).await.is(202);
    let again = server.operate(PATH, asked).await.is(202);
    assert_eq!(again.get("id"), None, "{again}");
    assert!(again["left_out_count"].as_u64().unwrap() >= 2, "{again}");
    let path = format!("{PATH}/{}", begun["id"].as_str().unwrap());
    let aborted = server.operate(&format!("{path}/abort"), json!({"reason": "wrong group"})).await.is(200);
    assert_eq!((&aborted["status"], &aborted["ended_because"]), (&json!("aborted"), &json!("wrong group")));
    assert_eq!(aborted["ended_by"], "token:all");
    server.operate(&format!("{path}/abort"), json!({})).await.refuses(409, "BULK_OVER");
    let listed = server.get(&format!("{PATH}?status=aborted")).await.is(200);
    assert_eq!(listed["items"][0]["id"], begun["id"]);
    server.get(&format!("{PATH}/bulk_01ARZ3NDEKTSV4RRFFQ69G5FAV")).await.refuses(404, "BULK_UNKNOWN");
}

#[tokio::test]
async fn an_operation_goes_on_after_a_restart() {
    let (server, ids) = with_dead_letters(3).await;
    let asked = json!({"action": "archive", "filter": {"ids": ids}, "rate": "20/s", "reason": "known"});
    let begun = server.operate(PATH, asked).await.is(202);
    let server = server.restarted().await;
    let ended = over(&server, &begun["id"]).await;
    assert_eq!((&ended["done"], &ended["skipped"]), (&json!(3), &json!(0)));
}

#[tokio::test]
async fn deliveries_that_wait_are_given_up_and_those_that_wait_for_a_retry_are_hastened() {
    let server = Server::with(
        json!({
            "topics": {"tasks": {}},
            "agents": {"/worker": {"subscriptions": [{"topic": "tasks", "from": "start",
                "retry": {"max_retries": 1, "initial_delay": "1h", "max_delay": "1h"}}]}}
        }),
        |_| {},
    )
    .await;
    server.publish("e1", "Paid", json!(1)).await;
    let first = server.pull().await;
    let delivery = first["delivery"].as_str().unwrap();
    let nack = json!({"token": first["token"], "class": "timeout"});
    server.post(&format!("/v1/deliveries/{delivery}/nack"), nack).await.is(200);
    let retry = json!({"action": "retry", "filter": {"subscription": "worker/tasks"}});
    let begun = server.operate(PATH, retry.clone()).await.is(202);
    assert_eq!(over(&server, &begun["id"]).await["done"], 1);
    let again = server.pull().await;
    assert_eq!((&again["delivery"], &again["attempt"]), (&first["delivery"], &json!(2)));
    let left = server.operate(PATH, retry).await.is(200);
    assert_eq!(left["total"], 0, "a leased one does not wait");

    server.publish("e2", "Paid", json!(2)).await;
    server.publish("e3", "Paid", json!(3)).await;
    let give_up = json!({"action": "give_up", "filter": {"event": "id == 'e3'"}, "reason": "too late"});
    // The second event is waited for, so that both wait in the line.
    let second = server.pull().await;
    assert_eq!(second["event"]["id"], "e2");
    let mut begun = server.operate(PATH, give_up.clone()).await;
    while begun.status == 200 {
        tokio::task::yield_now().await;
        begun = server.operate(PATH, give_up.clone()).await;
    }
    let ended = over(&server, &begun.is(202)["id"]).await;
    assert_eq!(ended["done"], 1, "{ended}");
    let letters = server.get("/v1/dead-letters").await.is(200);
    assert_eq!(
        (&letters["items"][0]["event"]["id"], &letters["items"][0]["reason"]),
        (&json!("e3"), &json!("given_up"))
    );
    let pulled = server.post("/v1/subscriptions/worker/tasks/pull", json!({})).await.is(200);
    assert_eq!(pulled["deliveries"], json!([]));
}

#[tokio::test]
async fn deliveries_that_wait_for_their_turn_are_listed_with_those_that_wait_for_a_retry() {
    let server = Server::dev().await;
    server.publish("e1", "Paid", json!(1)).await;
    server.publish("e2", "Paid", json!(2)).await;
    let first = server.pull().await;
    let path = "/v1/deliveries?state=waiting";
    let mut listed = server.get(path).await.is(200);
    while listed["items"].as_array().unwrap().is_empty() {
        // The second is not matched yet.
        tokio::task::yield_now().await;
        listed = server.get(path).await.is(200);
    }
    assert_eq!((&first["event"]["id"], &listed["items"][0]["event_id"]), (&json!("e1"), &json!("e2")));
    assert_eq!(listed["items"][0]["waiting_for"], "offline");
}
