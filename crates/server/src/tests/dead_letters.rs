//! The road of a dead letter: found, understood, edited, replayed, put away.

use serde_json::json;

use super::given::Server;

#[tokio::test]
async fn a_dead_letter_tells_its_whole_story() {
    let server = Server::dev().await;
    server.publish("e1", "Paid", json!({"amount": "ten"})).await;
    let id = server.bury().await;
    let dead = server.get(&format!("/v1/dead-letters/{id}")).await.is(200);
    assert_eq!(dead["event"]["data"], json!({"amount": "ten"}));
    assert_eq!(dead["subscription"], "worker/tasks");
    assert_eq!(dead["reason"], "not_retried");
    assert_eq!(dead["error"]["class"], "invalid_payload");
    assert_eq!(dead["error"]["message"], "amount is no number");
    assert_eq!(dead["attempts"][0]["n"], 1);
    assert_eq!(dead["attempts"][0]["outcome"], "failed");
    let delivery = dead["delivery"].as_str().unwrap();
    let told = server.get(&format!("/v1/deliveries/{delivery}")).await.is(200);
    assert_eq!((&told["state"], &told["dead_letter"]), (&json!("dead"), &json!(id)));
    server.get("/v1/dead-letters/dl_01ARZ3NDEKTSV4RRFFQ69G5FAV").await.refuses(404, "DEAD_LETTER_UNKNOWN");
}

#[tokio::test]
async fn dead_letters_are_listed_and_grouped_by_their_cause() {
    let server = Server::dev().await;
    for number in 0..3 {
        server.publish(&format!("e{number}"), "Paid", json!(number)).await;
        server.bury().await;
    }
    let page = server.get("/v1/dead-letters?limit=2").await.is(200);
    assert_eq!(page["items"][0]["event"]["id"], "e2");
    let next = page["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("/v1/dead-letters?limit=2&cursor={next}")).await.is(200);
    assert_eq!((rest["items"].as_array().unwrap().len(), rest.get("next_cursor")), (1, None));
    let groups = server.get("/v1/dead-letter-groups").await.is(200);
    assert_eq!((&groups["items"][0]["count"], groups["items"].as_array().unwrap().len()), (&json!(3), 1));
    let fingerprint =
        groups["items"][0]["fingerprint"].as_str().unwrap().replace('|', "%7C").replace(' ', "%20");
    for (query, count) in [
        (format!("fingerprint={fingerprint}"), 3),
        ("fingerprint=other".to_owned(), 0),
        ("subscription=worker/tasks&topic=tasks&reason=not_retried&status=all".to_owned(), 3),
        ("topic=other".to_owned(), 0),
        ("status=archived".to_owned(), 0),
        ("subscription=nobody/tasks".to_owned(), 0),
    ] {
        let found = server.get(&format!("/v1/dead-letters?{query}")).await.is(200);
        assert_eq!(found["items"].as_array().unwrap().len(), count, "{query}");
    }
    server.get("/v1/dead-letters?status=asleep").await.refuses(400, "PARAMETER_INVALID");
}

#[tokio::test]
async fn an_edited_one_is_replayed_as_a_new_event_and_resolves_the_dead_letter() {
    let server = Server::dev().await;
    server.publish("e1", "Paid", json!({"amount": "ten", "note": "x"})).await;
    let id = server.bury().await;
    let edit = json!({"data": {"amount": 10, "note": "x"}, "attributes": {"subject": "order/1"}, "note": "it is a number"});
    let edited = server.operate(&format!("/v1/dead-letters/{id}/edit"), edit).await.is(200);
    assert_eq!(edited["edited"], true);
    assert_eq!(edited["original"]["data"]["amount"], "ten");
    assert_eq!(edited["event"]["data"]["amount"], 10);
    assert_eq!(edited["note"], "it is a number");
    let paths: Vec<_> = edited["diff"].as_array().unwrap().iter().map(|it| it["path"].clone()).collect();
    assert_eq!(paths, ["/data/amount", "/subject"]);
    let started = server.operate(&format!("/v1/dead-letters/{id}/replay"), json!({})).await.is(200);
    assert_eq!(started["status"], "replaying");
    let new = started["event_id"].as_str().unwrap();
    assert_ne!(new, "e1");
    let delivery = server.pull().await;
    assert_eq!(delivery["delivery"], started["delivery"]);
    assert_eq!(delivery["event"]["id"], new);
    assert_eq!(delivery["event"]["causationid"], "e1");
    assert_eq!(delivery["event"]["correlationid"], "e1");
    let path = format!("/v1/deliveries/{}/ack", delivery["delivery"].as_str().unwrap());
    server.post(&path, json!({"token": delivery["token"]})).await.is(200);
    let resolved = server.get(&format!("/v1/dead-letters/{id}")).await.is(200);
    assert_eq!(resolved["status"], "resolved");
    assert_eq!(resolved["replayed_as"][0]["event_id"], new);
    assert_eq!(resolved["replayed_as"][0]["delivery"], started["delivery"]);
}

#[tokio::test]
async fn one_that_was_not_edited_is_the_same_event_again() {
    let server = Server::dev().await;
    server.publish("e1", "Paid", json!(1)).await;
    let id = server.bury().await;
    let started =
        server.operate(&format!("/v1/dead-letters/{id}/replay"), json!({"note": "fixed"})).await.is(200);
    assert_eq!(started.get("event_id"), None);
    let delivery = server.pull().await;
    assert_eq!((&delivery["event"]["id"], &delivery["redelivered"]), (&json!("e1"), &json!(true)));
    assert_eq!(delivery["delivery"], started["delivery"]);
    server
        .operate(&format!("/v1/dead-letters/{id}/replay"), json!({}))
        .await
        .refuses(409, "DEAD_LETTER_STATE");
    let path = format!("/v1/deliveries/{}", delivery["delivery"].as_str().unwrap());
    let told = server.get(&path).await.is(200);
    assert!(told["replay_of"].is_string() && told["state"] == "leased", "{told}");
    // It dies again: the same dead letter is open again, with both attempts.
    let nack = json!({"token": delivery["token"], "class": "invalid_payload"});
    let nacked = server.post(&format!("{path}/nack"), nack).await.is(200);
    assert_eq!(nacked["dead_letter"], json!(id));
    let open = server.get(&format!("/v1/dead-letters/{id}")).await.is(200);
    assert_eq!((&open["status"], open["attempts"].as_array().unwrap().len()), (&json!("open"), 2));
}

#[tokio::test]
async fn one_can_go_to_a_topic_instead() {
    let server = Server::dev().await;
    server.publish("e1", "Paid", json!(1)).await;
    let id = server.bury().await;
    let started =
        server.operate(&format!("/v1/dead-letters/{id}/replay"), json!({"topic": "repairs"})).await.is(200);
    assert_eq!((&started["status"], started.get("delivery")), (&json!("resolved"), None));
    let page = server.get("/v1/topics/repairs/events").await.is(200);
    assert_eq!(page["items"][0]["event"]["causationid"], "e1");
    for bad in [json!({"to": "a/b", "topic": "c"}), json!({"to": "ab"}), json!({"topic": "$x"})] {
        server.operate(&format!("/v1/dead-letters/{id}/replay"), bad).await.refuses(400, "PARAMETER_INVALID");
    }
}

#[tokio::test]
async fn one_is_put_away_with_a_note_and_brought_back() {
    let server = Server::dev().await;
    server.publish("e1", "Paid", json!(1)).await;
    let id = server.bury().await;
    let path = format!("/v1/dead-letters/{id}");
    server.operate(&format!("{path}/archive"), json!({"note": "  "})).await.refuses(400, "PARAMETER_INVALID");
    let archived = server.operate(&format!("{path}/archive"), json!({"note": "a test"})).await.is(200);
    assert_eq!((&archived["status"], &archived["note"]), (&json!("archived"), &json!("a test")));
    server.operate(&format!("{path}/replay"), json!({})).await.refuses(409, "DEAD_LETTER_STATE");
    assert_eq!(server.operate(&format!("{path}/restore"), json!({})).await.is(200)["status"], "open");
    server.operate(&format!("{path}/restore"), json!({})).await.refuses(409, "DEAD_LETTER_STATE");
}

#[tokio::test]
async fn an_edit_must_be_an_event_that_could_have_been_published() {
    let schema = json!({"type": "object", "properties": {"amount": {"type": "number"}}});
    let server = Server::with(
        json!({"topics": {"tasks": {"schemas": {"Paid": schema}}}, "agents": {"/worker": {"subscriptions": [{"topic": "tasks"}]}}}),
        |_| {},
    )
    .await;
    server.publish("e1", "Paid", json!({"amount": 1})).await;
    let id = server.bury().await;
    let path = format!("/v1/dead-letters/{id}/edit");
    let violation =
        server.operate(&path, json!({"data": {"amount": "x"}})).await.refuses(422, "SCHEMA_VIOLATION");
    assert_eq!(violation["errors"][0]["pointer"], "#/data/amount");
    for (edit, pointer) in [
        (json!({}), "#"),
        (json!({"data": 1, "data_base64": "AA=="}), "#/data_base64"),
        (json!({"attributes": {"id": "x"}}), "#/attributes/id"),
        (json!({"attributes": {"priority": "urgent"}}), "#/attributes/priority"),
        (json!({"attributes": {"Bad Name": "x"}}), "#/attributes/Bad Name"),
        (json!({"attributes": {"type": null}}), "#/attributes/type"),
        (json!({"data_base64": "%"}), "#/data_base64"),
    ] {
        let reply = server.operate(&path, edit.clone()).await;
        assert_eq!(reply.status, 400, "{edit}: {}", reply.text);
        assert_eq!(reply.json()["errors"][0]["pointer"], pointer, "{edit}: {}", reply.text);
    }
    assert_eq!(server.get(&format!("/v1/dead-letters/{id}")).await.is(200)["edited"], false);
    let null = server.operate(&path, json!({"attributes": {"type": "Other"}, "data": null})).await.is(200);
    assert_eq!(null["event"]["data"], json!(null));
}
