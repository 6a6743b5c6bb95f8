//! Pulling and answering: leases, answers that publish, answers that come too late.

use serde_json::{Value, json};

use super::given::{Server, event};

fn path(delivery: &Value, verb: &str) -> String {
    format!("/v1/deliveries/{}/{verb}", delivery["delivery"].as_str().unwrap())
}

#[tokio::test]
async fn a_delivery_is_pulled_and_answered_with_events_of_its_story() {
    let server = Server::dev().await;
    server.publish("e1", "A", json!({"n": 1})).await;
    let delivery = server.pull().await;
    assert_eq!((&delivery["attempt"], &delivery["redelivered"]), (&json!(1), &json!(false)));
    assert_eq!(delivery["subscription"], "worker/tasks");
    let answer = json!({"specversion": "1.0", "id": "a1", "type": "Done", "data": 1});
    let ack = json!({"token": delivery["token"], "publish": [answer]});
    let acked = server.post(&path(&delivery, "ack"), ack.clone()).await.is(200);
    assert_eq!(acked["status"], "acked");
    assert_eq!(acked["results"][0]["correlation_id"], "e1");
    let read = server.get("/v1/events/a1").await.is(200)["event"].clone();
    assert_eq!(read["source"], "/worker");
    assert_eq!(read["topic"], "tasks");
    assert_eq!(read["causationid"], "e1");
    assert_eq!(read["hops"], 1);
}

#[tokio::test]
async fn an_answer_that_is_refused_changes_nothing_and_the_lease_stays() {
    let server = Server::dev().await;
    server.publish("e1", "A", json!(1)).await;
    let delivery = server.pull().await;
    let token = delivery["token"].clone();
    let good = json!({"specversion": "1.0", "id": "a1", "type": "Done"});
    for bad in [
        json!({"specversion": "1.0"}),
        json!({"hello": 1}),
        json!({"specversion": "1.0", "type": "A", "topic": "$x"}),
    ] {
        let ack = json!({"token": token, "publish": [good, bad]});
        let reply = server.post(&path(&delivery, "ack"), ack).await;
        assert_eq!(reply.status, 400, "{}", reply.text);
        assert!(
            reply.json()["errors"][0]["pointer"].as_str().unwrap().starts_with("#/publish/1"),
            "{}",
            reply.text
        );
    }
    server.get("/v1/events/a1").await.refuses(404, "EVENT_UNKNOWN");
    let progressed = server.post(&path(&delivery, "progress"), json!({"token": token})).await.is(200);
    assert!(progressed["deadline"].is_string());
    server.post(&path(&delivery, "ack"), json!({"token": token})).await.is(200);
    server.post(&path(&delivery, "progress"), json!({"token": token})).await.refuses(409, "LEASE_LOST");
}

#[tokio::test]
async fn an_answer_sent_twice_is_answered_alike_and_a_late_one_is_kept() {
    let server = Server::dev().await;
    server.publish("e1", "A", json!(1)).await;
    let delivery = server.pull().await;
    let ack = json!({"token": delivery["token"]});
    assert_eq!(server.post(&path(&delivery, "ack"), ack.clone()).await.is(200)["status"], "acked");
    assert_eq!(server.post(&path(&delivery, "ack"), ack).await.is(200)["status"], "acked");
    let late = server.post(&path(&delivery, "ack"), json!({"token": "1-00000000000000aa"})).await.is(200);
    assert_eq!(late["status"], "late");
    let nack = json!({"token": "1-00000000000000aa", "reason": "too late"});
    assert_eq!(server.post(&path(&delivery, "nack"), nack).await.is(200)["status"], "late");
    server.post(&path(&delivery, "ack"), json!({"token": "x"})).await.refuses(400, "PARAMETER_INVALID");
    let nowhere = "/v1/deliveries/dlv_01ARZ3NDEKTSV4RRFFQ69G5FAV/ack";
    server.post(nowhere, json!({"token": "1-00000000000000aa"})).await.refuses(404, "DELIVERY_UNKNOWN");
    for id in ["dlv_00000000000000000000000000", "dlv_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"] {
        server.get(&format!("/v1/deliveries/{id}")).await.refuses(404, "DELIVERY_UNKNOWN");
        let ack =
            json!({"token": "4294967295-ffffffffffffffff", "publish": [{"specversion": "1.0", "type": "A"}]});
        server.post(&format!("/v1/deliveries/{id}/ack"), ack).await.refuses(404, "DELIVERY_UNKNOWN");
    }
    server
        .post("/v1/deliveries/x/ack", json!({"token": "1-00000000000000aa"}))
        .await
        .refuses(404, "DELIVERY_UNKNOWN");
}

#[tokio::test]
async fn a_failure_is_tried_again_and_then_is_a_dead_letter() {
    let server = Server::dev().await;
    server.publish("e1", "A", json!(1)).await;
    let delivery = server.pull().await;
    let nack = json!({"token": delivery["token"], "class": "timeout", "delay": "1ms"});
    let nacked = server.post(&path(&delivery, "nack"), nack).await.is(200);
    assert_eq!(nacked["status"], "retrying");
    assert!(nacked["next_at"].is_string());
    let second = server.pull().await;
    assert_eq!((&second["attempt"], &second["redelivered"]), (&json!(2), &json!(true)));
    let nacked = server.post(&path(&second, "nack"), json!({"token": second["token"]})).await.is(200);
    assert_eq!(nacked["status"], "dead");
    let dead = nacked["dead_letter"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/dead-letters/{dead}")).await.is(200)["reason"], "attempts_spent");
    let unknown = json!({"token": second["token"], "class": "sleepy"});
    server.post(&path(&second, "nack"), unknown).await.refuses(400, "PARAMETER_INVALID");
}

#[tokio::test]
async fn many_answers_stand_for_themselves() {
    let server = Server::dev().await;
    for number in 0..3 {
        server.publish(&format!("e{number}"), "A", json!(number)).await;
    }
    let pulled =
        server.post("/v1/subscriptions/worker/tasks/pull", json!({"max": 3, "wait": 5})).await.is(200);
    let mut deliveries = pulled["deliveries"].as_array().unwrap().clone();
    while deliveries.len() < 3 {
        deliveries.push(server.pull().await);
    }
    let one = |at: usize, publish: Value| json!({"delivery": deliveries[at]["delivery"], "token": deliveries[at]["token"], "publish": publish});
    let acks = json!({"acks": [one(0, json!([])), one(1, json!([{"no": "event"}])), one(2, json!([event("r2", "Done", json!(1))]))]});
    let results = server.post("/v1/deliveries/ack", acks).await.is(200)["results"].clone();
    assert_eq!(results[0]["status"], "acked");
    assert_eq!(results[1]["problem"]["code"], "EVENT_INVALID");
    assert_eq!(results[1]["problem"]["errors"][0]["pointer"], "#/acks/1/publish/0");
    assert_eq!(results[2]["results"][0]["id"], "r2");
}

#[tokio::test]
async fn who_pulls_waits_for_what_comes_and_only_from_inboxes() {
    let server = Server::with(
        json!({"topics": {"tasks": {}, "copies": {}}, "agents": {
            "/worker": {"subscriptions": [{"topic": "tasks"}]},
            "/router": {"subscriptions": [{"topic": "tasks", "action": {"publish": {"topic": "copies"}}}]}
        }}),
        |_| {},
    )
    .await;
    let (delivery, _) = tokio::join!(server.pull(), server.publish("e1", "A", json!(1)));
    assert_eq!(delivery["event"]["id"], "e1");
    let nothing = server.post("/v1/subscriptions/worker/tasks/pull", json!({})).await.is(200);
    assert_eq!(nothing["deliveries"], json!([]));
    let wrong = server.post("/v1/subscriptions/router/tasks/pull", json!({})).await;
    wrong.refuses(409, "SUBSCRIPTION_NOT_INBOX");
    server.post("/v1/subscriptions/worker/other/pull", json!({})).await.refuses(404, "SUBSCRIPTION_UNKNOWN");
    for bad in [json!({"max": 0}), json!({"max": 1001}), json!({"wait": "31s"})] {
        server.post("/v1/subscriptions/worker/tasks/pull", bad).await.refuses(400, "PARAMETER_INVALID");
    }
    let unknown = server.post("/v1/subscriptions/worker/tasks/pull", json!({"maxx": 1})).await;
    unknown.refuses(400, "JSON_INVALID");
}

#[tokio::test]
async fn a_circle_of_answers_ends_in_a_dead_letter() {
    let server = Server::dev().await;
    let deep = json!({"specversion": "1.0", "id": "h64", "type": "A", "source": "/t", "hops": 64});
    server.post("/v1/topics/tasks/events", deep).await.is(202);
    let delivery = server.pull().await;
    let ack = json!({"token": delivery["token"], "publish": [{"specversion": "1.0", "type": "Again"}]});
    server.post(&path(&delivery, "ack"), ack).await.refuses(422, "LOOP_DETECTED");
    let dead = server.get("/v1/dead-letters").await.is(200);
    assert_eq!(dead["items"][0]["reason"], "loop_detected");
    let deeper = json!({"specversion": "1.0", "type": "A", "source": "/t", "hops": 65});
    server.post("/v1/topics/tasks/events", deeper).await.refuses(422, "LOOP_DETECTED");
}
