//! Reading: pages, filters, following what comes.

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};

use super::given::{Server, event};

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["event"]["id"].as_str().unwrap().to_owned()).collect()
}

async fn with_five() -> Server {
    let server = Server::dev().await;
    for number in 1..=5 {
        let event_type = if number % 2 == 0 { "Even" } else { "Odd" };
        server.publish(&format!("e{number}"), event_type, json!({"n": number})).await;
    }
    server
}

#[tokio::test]
async fn pages_follow_each_other_without_loss_or_repetition() {
    let server = with_five().await;
    let first = server.get("/v1/topics/tasks/events?limit=2").await.is(200);
    assert_eq!(ids(&first), ["e1", "e2"]);
    let next = first["next_cursor"].as_str().unwrap();
    let second = server.get(&format!("/v1/topics/tasks/events?limit=2&cursor={next}")).await.is(200);
    assert_eq!(ids(&second), ["e3", "e4"]);
    let next = second["next_cursor"].as_str().unwrap();
    let third = server.get(&format!("/v1/topics/tasks/events?limit=2&cursor={next}")).await.is(200);
    assert_eq!((ids(&third), &third["at_end"]), (vec!["e5".to_owned()], &json!(true)));
    let next = third["next_cursor"].as_str().unwrap();
    let end = server.get(&format!("/v1/topics/tasks/events?cursor={next}")).await.is(200);
    assert!(ids(&end).is_empty() && end["next_cursor"].is_string());
}

#[tokio::test]
async fn the_newest_come_first_when_asked() {
    let server = with_five().await;
    let first = server.get("/v1/events?topic=tas*&direction=back&limit=3").await.is(200);
    assert_eq!(ids(&first), ["e5", "e4", "e3"]);
    let next = first["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("/v1/events?topic=tas*&direction=back&cursor={next}")).await.is(200);
    assert_eq!(ids(&rest), ["e2", "e1"]);
    server.get(&format!("/v1/events?cursor={next}")).await.refuses(400, "CURSOR_INVALID");
    for far in ["b0:18446744073709551615", "b0:0"] {
        server.get(&format!("/v1/events?direction=back&cursor={far}")).await.is(200);
    }
    server.get("/v1/events?direction=back&wait=1s").await.refuses(400, "PARAMETER_INVALID");
}

#[tokio::test]
async fn filters_choose_and_wrong_ones_say_where() {
    let server = with_five().await;
    for filter in [
        "type=Even",
        "type%20==%20'Even'",
        "%7B%22exact%22:%7B%22type%22:%22Even%22%7D%7D",
        "data.n%20%25%202%20==%200",
    ] {
        let page = server.get(&format!("/v1/events?filter={filter}")).await.is(200);
        assert_eq!(ids(&page), ["e2", "e4"], "{filter}");
    }
    let problem = server.get("/v1/events?filter=type%20==").await.refuses(400, "FILTER_INVALID");
    assert!(problem["detail"].as_str().unwrap().contains("column"), "{problem}");
    assert_eq!(problem["errors"][0]["parameter"], "filter");
    let long = "x".repeat(60_000);
    server.get(&format!("/v1/events?filter={long}")).await.refuses(400, "FILTER_INVALID");
}

#[tokio::test]
async fn a_place_is_a_word_a_time_or_a_position() {
    let server = with_five().await;
    let third = server.get("/v1/events/e3").await.is(200);
    let position = third["position"].as_str().unwrap();
    let since = server.get(&format!("/v1/events?since={position}")).await.is(200);
    assert_eq!(ids(&since), ["e3", "e4", "e5"]);
    assert!(ids(&server.get("/v1/events?since=end").await.is(200)).is_empty());
    assert_eq!(ids(&server.get("/v1/events?since=start").await.is(200)).len(), 5);
    assert_eq!(ids(&server.get("/v1/events?since=2001-01-01T00:00:00Z").await.is(200)).len(), 5);
    for wrong in [
        "since=yesterday",
        "since=0:99999",
        "since=start&cursor=0:1",
        "limit=0",
        "limit=1001",
        "wait=31s",
        "cursor=x",
        "cursor=0:99999",
        "since=0:18446744073709551615",
        "cursor=0:18446744073709551615",
    ] {
        let reply = server.get(&format!("/v1/events?{wrong}")).await;
        assert_eq!(reply.status, 400, "{wrong}: {}", reply.text);
    }
}

#[tokio::test]
async fn who_waits_gets_what_comes() {
    let server = with_five().await;
    let end = server.get("/v1/events?since=end").await.is(200);
    let path =
        format!("/v1/events?cursor={}&wait=20s&filter=type=Late", end["next_cursor"].as_str().unwrap());
    let (waited, _) = tokio::join!(server.get(&path), async {
        // What does not match wakes nobody for good.
        server.publish("e6", "Odd", json!(6)).await;
        server.publish("e7", "Late", json!(7)).await;
    });
    assert_eq!(ids(&waited.is(200)), ["e7"]);
}

#[tokio::test]
async fn who_waits_is_let_go_when_the_server_stops() {
    let server = with_five().await;
    let (waited, ()) = tokio::join!(server.get("/v1/events?since=end&wait=30s"), async {
        tokio::task::yield_now().await;
        server.app.draining.send_replace(true);
    });
    assert!(ids(&waited.is(200)).is_empty());
    assert_eq!(waited.header("connection"), Some("close"));
    let refused = server.post("/v1/topics/tasks/events", event("e9", "A", json!(1))).await;
    refused.refuses(503, "SHUTTING_DOWN");
    assert_eq!(refused.header("retry-after"), Some("5"));
    assert_eq!(server.get("/readyz").await.status, 503);
    assert_eq!(server.get("/livez").await.status, 200);
}

#[tokio::test]
async fn an_event_is_read_in_the_shape_that_is_asked_for() {
    let server = with_five().await;
    let envelope = server.get("/v1/events/e1?format=envelope").await.is(200);
    assert_eq!(envelope["event"]["event"]["type"], "Odd");
    assert_eq!(envelope["event"]["routing"]["topic"], "tasks");
    let accept = [("accept", "application/vnd.cantus.envelope+json")];
    let page = server.ask(Method::GET, "/v1/events", &accept, Body::empty()).await.is(200);
    assert_eq!(page["items"][0]["event"]["payload"]["n"], 1);
    let accept = [("accept", "text/plain")];
    let reply = server.ask(Method::GET, "/v1/events", &accept, Body::empty()).await;
    reply.refuses(406, "NOT_ACCEPTABLE");
}

#[tokio::test]
async fn an_id_of_two_sources_needs_its_source() {
    let server = Server::dev().await;
    server.publish("same", "A", json!(1)).await;
    let other = json!({"specversion": "1.0", "id": "same", "type": "B", "source": "/other"});
    server.post("/v1/topics/tasks/events", other).await.is(202);
    let problem = server.get("/v1/events/same").await.refuses(409, "EVENT_ID_AMBIGUOUS");
    assert!(problem["detail"].as_str().unwrap().contains("/other, /tester"));
    assert_eq!(server.get("/v1/events/same?source=/other").await.is(200)["event"]["type"], "B");
    server.get("/v1/events/same?source=/third").await.refuses(404, "EVENT_UNKNOWN");
}

#[tokio::test]
async fn an_event_for_later_is_not_in_its_topic_yet_and_can_be_found() {
    let server = Server::dev().await;
    let later = json!({"specversion": "1.0", "id": "later", "type": "A", "source": "/t", "deliverat": "2999-01-01T00:00:00Z"});
    server.post("/v1/topics/tasks/events", later).await.is(202);
    assert!(ids(&server.get("/v1/topics/tasks/events").await.is(200)).is_empty());
    assert_eq!(server.get("/v1/events/later").await.is(200)["event"]["type"], "A");
    let why = server.get("/v1/events/later/why").await.is(200);
    assert_eq!(why["subscriptions"][0]["waiting_for"], "due");
}

#[tokio::test]
async fn views_of_our_own_facts_say_that_they_come_later() {
    let server = Server::dev().await;
    server.get("/v1/events?topic=$system").await.refuses(501, "NOT_AVAILABLE_YET");
    server.get("/v1/topics/nothing/events").await.refuses(404, "TOPIC_UNKNOWN");
}

#[tokio::test]
async fn topics_are_listed_in_pages() {
    let server =
        Server::with(json!({"topics": {"a": {"description": "first"}, "b": {}, "c": {}}}), |_| {}).await;
    server.post("/v1/topics/b/events", event("e1", "A", json!(1))).await.is(202);
    let page = server.get("/v1/topics?limit=2").await.is(200);
    assert_eq!(page["items"][0]["description"], "first");
    assert_eq!(page["items"][1]["events"], 1);
    assert!(page["items"][1]["last_event_at"].is_string());
    let next = page["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("/v1/topics?cursor={next}")).await.is(200);
    assert_eq!((&rest["items"][0]["name"], rest.get("next_cursor")), (&json!("c"), None));
    assert_eq!(server.get("/v1/topics/b").await.is(200)["declared"], true);
    server.get("/v1/topics/d").await.refuses(404, "TOPIC_UNKNOWN");
}
