//! Publishing: every mode, every refusal, and requests that come twice.

use axum::body::Body;
use http::Method;
use serde_json::json;

use super::given::{Server, event};

const CE: &str = "application/cloudevents+json";

#[tokio::test]
async fn an_event_is_published_in_every_mode() {
    let server = Server::dev().await;
    let structured = event("e1", "A", json!({"n": 1})).to_string();
    let envelope = r#"{"event":{"id":"e4","type":"A","source":"/tester"},"payload":{"n":1},"routing":{"topic":"tasks"}}"#;
    let batch = format!("[{},{}]", event("e2", "A", json!(1)), envelope.replace("e4", "e3"));
    let lines = format!("{}\n\n{}\n", event("e5", "A", json!(1)), event("e6", "A", json!(2)));
    for (media_type, body, count) in [
        (CE, structured.as_str(), 1),
        ("application/cloudevents-batch+json; charset=UTF-8", &batch, 2),
        ("application/vnd.cantus.envelope+json", envelope, 1),
        ("application/x-ndjson", &lines, 2),
        ("application/json", &event("e7", "A", json!(null)).to_string(), 1),
    ] {
        let reply = server
            .ask(Method::POST, "/v1/topics/tasks/events", &[("content-type", media_type)], body.to_owned())
            .await;
        let receipts = reply.is(202)["results"].clone();
        assert_eq!(receipts.as_array().unwrap().len(), count, "{media_type}");
        assert_eq!(receipts[0]["status"], "accepted");
        assert_eq!(receipts[0]["topic"], "tasks");
    }
    let headers = [
        ("content-type", "text/plain"),
        ("ce-specversion", "1.0"),
        ("ce-type", "Note"),
        ("ce-source", "/tester"),
        ("ce-id", "e8"),
        ("ce-subject", "caf%C3%A9"),
    ];
    let receipt = server.ask(Method::POST, "/v1/events?topic=tasks", &headers, "hello").await.is(202);
    assert_eq!(receipt["results"][0]["id"], "e8");
    let read = server.get("/v1/events/e8").await.is(200);
    assert_eq!(read["event"]["subject"], "café");
    assert_eq!(read["event"]["data"], "hello");
    assert_eq!(read["event"]["datacontenttype"], "text/plain");
}

#[tokio::test]
async fn an_event_that_comes_twice_is_stored_once_also_across_a_restart() {
    let server = Server::dev().await;
    let first = server.publish("e1", "A", json!({"n": 1})).await;
    let second = server.publish("e1", "A", json!({"n": 1})).await;
    assert_eq!((&second["status"], &second["position"]), (&json!("duplicate"), &first["position"]));
    let other = server.post("/v1/topics/tasks/events", event("e1", "A", json!({"n": 2}))).await;
    let problem = other.refuses(409, "EVENT_ID_REUSED");
    assert_eq!(problem["errors"][0]["pointer"], "#/id");
    let server = server.restarted().await;
    let third = server.publish("e1", "A", json!({"n": 1})).await;
    assert_eq!((&third["status"], &third["position"]), (&json!("duplicate"), &first["position"]));
}

#[tokio::test]
async fn a_batch_is_all_or_nothing_and_names_what_is_wrong() {
    let server = Server::dev().await;
    let batch = json!([event("b1", "A", json!(1)), {"specversion": "1.0", "source": "/tester"}]);
    let problem = server.post("/v1/topics/tasks/events", batch).await.refuses(400, "EVENT_INVALID");
    assert_eq!(problem["errors"][0]["pointer"], "#/1/type");
    server.get("/v1/events/b1").await.refuses(404, "EVENT_UNKNOWN");
    let empty = server.post("/v1/topics/tasks/events", json!([])).await.is(202);
    assert_eq!(empty["results"], json!([]));
    let twice = json!([event("b2", "A", json!(1)), event("b2", "A", json!(1))]);
    let receipts = server.post("/v1/topics/tasks/events", twice).await.is(202);
    assert_eq!(receipts["results"][0]["status"], "accepted");
    assert_eq!(receipts["results"][1]["status"], "duplicate");
}

#[tokio::test]
async fn refusals_point_into_what_was_sent_in_its_own_words() {
    let server = Server::dev().await;
    let envelope = json!({"event": {"type": "A", "source": "/t"}, "routing": {"topic": "no such/topic"}});
    let problem = server.post("/v1/events", envelope).await.refuses(400, "TOPIC_INVALID");
    assert_eq!(problem["errors"][0]["pointer"], "#/routing/topic");
    let headers = [("ce-specversion", "1.0"), ("ce-type", "A"), ("ce-source", "/t"), ("ce-to", "no agent")];
    let reply = server.ask(Method::POST, "/v1/events?topic=tasks", &headers, "x").await;
    assert_eq!(reply.refuses(400, "ATTRIBUTE_INVALID")["errors"][0]["header"], "ce-to");
    let bare = server.post("/v1/topics/tasks/events", json!({"hello": "world"})).await;
    assert!(bare.refuses(400, "EVENT_INVALID")["hint"].as_str().unwrap().contains("ce-specversion"));
    let other = json!({"specversion": "1.0", "type": "A", "source": "/t", "topic": "elsewhere"});
    server.post("/v1/topics/tasks/events", other).await.refuses(400, "EVENT_INVALID");
    server.ask(Method::POST, "/v1/events", &[], "x").await.refuses(415, "MEDIA_TYPE_UNSUPPORTED");
}

#[tokio::test]
async fn limits_are_kept_before_anything_is_stored() {
    let server = Server::dev().await;
    let large = event("l1", "A", json!("x".repeat(1 << 20))).to_string();
    let headers = [("content-type", CE)];
    let reply = server.ask(Method::POST, "/v1/topics/tasks/events", &headers, large).await;
    reply.refuses(413, "EVENT_TOO_LARGE");
    let many: Vec<_> =
        (0..10_001).map(|_| json!({"specversion": "1.0", "type": "A", "source": "/t"})).collect();
    let reply = server.post("/v1/topics/tasks/events", json!(many)).await;
    reply.refuses(413, "BATCH_TOO_LARGE");
    let deep = format!(
        r#"{{"specversion":"1.0","type":"A","source":"/t","data":{}{}}}"#,
        "[".repeat(129),
        "]".repeat(129)
    );
    let reply = server.ask(Method::POST, "/v1/topics/tasks/events", &headers, deep).await;
    reply.refuses(400, "JSON_TOO_DEEP");
    let gzip = [("content-type", CE), ("content-encoding", "gzip")];
    let reply = server.ask(Method::POST, "/v1/topics/tasks/events", &gzip, "x").await;
    reply.refuses(415, "MEDIA_TYPE_UNSUPPORTED");
}

#[tokio::test]
async fn a_request_with_a_key_is_answered_once_and_again_the_same_also_across_a_restart() {
    let server = Server::dev().await;
    let body = json!({"specversion": "1.0", "type": "A", "source": "/t"}).to_string();
    let headers = [("content-type", CE), ("idempotency-key", "\"k 1\"")];
    let path = "/v1/topics/tasks/events";
    let first = server.ask(Method::POST, path, &headers, body.clone()).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (202, None));
    let server = server.restarted().await;
    let again = server.ask(Method::POST, path, &headers, body.clone()).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (202, Some("true")));
    assert_eq!(again.text, first.text);
    let other = body.replace('A', "B");
    let reply = server.ask(Method::POST, path, &headers, other).await;
    reply.refuses(422, "IDEMPOTENCY_KEY_REUSED");
    let long = "k".repeat(257);
    let headers = [("content-type", CE), ("idempotency-key", &*long)];
    let reply = server.ask(Method::POST, path, &headers, body).await;
    reply.refuses(400, "IDEMPOTENCY_KEY_INVALID");
}

#[tokio::test]
async fn a_stream_is_written_at_the_revision_that_is_expected() {
    let server = Server::dev().await;
    let one =
        |id: &str| json!({"specversion": "1.0", "id": id, "type": "A", "source": "/t", "stream": "task/42"});
    let path = "/v1/topics/tasks/events?expected_revision=";
    let first = server.post(&format!("{path}0"), one("s1")).await.is(202);
    assert_eq!(first["results"][0]["revision"], 1);
    let wrong = server.post(&format!("{path}0"), one("s2")).await.refuses(409, "REVISION_CONFLICT");
    assert!(wrong["hint"].as_str().unwrap().contains("expected_revision=1"));
    server.post(&format!("{path}1"), one("s2")).await.is(202);
    let stream = server.get("/v1/streams/task%2F42").await.is(200);
    assert_eq!(stream["revision"], 2);
    let ids: Vec<_> =
        stream["items"].as_array().unwrap().iter().map(|it| it["event"]["id"].clone()).collect();
    assert_eq!(ids, ["s1", "s2"]);
    let page = server.get("/v1/streams/task%2F42?limit=1").await.is(200);
    let next = page["next_cursor"].as_str().unwrap();
    assert_eq!(page["revision"], 2);
    let rest = server.get(&format!("/v1/streams/task%2F42?cursor={next}")).await.is(200);
    assert_eq!(rest["items"][0]["revision"], 2);
    server.get("/v1/streams/..%2Fx").await.refuses(404, "STREAM_UNKNOWN");
    server
        .post("/v1/topics/tasks/events?expected_revision=-1", one("s3"))
        .await
        .refuses(400, "PARAMETER_INVALID");
}

#[tokio::test]
async fn what_names_its_cause_joins_its_story() {
    let server = Server::dev().await;
    let first = server.publish("c1", "A", json!(1)).await;
    assert_eq!(first["correlation_id"], "c1");
    let caused = |id: &str, cause: &str| json!({"specversion": "1.0", "id": id, "type": "B", "source": "/t", "causationid": cause});
    let batch = json!([caused("c2", "c1"), caused("c3", "c2"), caused("c4", "nobody")]);
    let receipts = server.post("/v1/topics/tasks/events", batch).await.is(202)["results"].clone();
    assert_eq!(receipts[0]["correlation_id"], "c1");
    assert_eq!(receipts[1]["correlation_id"], "c1");
    assert_eq!(receipts[2]["correlation_id"], "c4");
    assert_eq!(server.get("/v1/events/c3").await.is(200)["event"]["hops"], 2);
}

#[tokio::test]
async fn an_event_that_is_over_is_refused_unless_it_was_stored_before() {
    let server = Server::dev().await;
    let over = json!({"specversion": "1.0", "id": "x1", "type": "A", "source": "/t", "expirytime": "2001-01-01T00:00:00Z"});
    let problem = server.post("/v1/topics/tasks/events", over).await.refuses(422, "EVENT_EXPIRED");
    assert_eq!(problem["errors"][0]["pointer"], "#/expirytime");
    let batch = json!([event("x2", "A", json!(1)), over_soon("x3", "2001-01-01T00:00:00Z")]);
    let problem = server.post("/v1/topics/tasks/events", batch).await.refuses(422, "EVENT_EXPIRED");
    assert_eq!(problem["errors"][0]["pointer"], "#/1/expirytime");
    server.get("/v1/events/x2").await.refuses(404, "EVENT_UNKNOWN");
}

fn over_soon(id: &str, at: &str) -> serde_json::Value {
    json!({"specversion": "1.0", "id": id, "type": "A", "source": "/t", "expirytime": at})
}

#[tokio::test]
async fn an_event_that_is_over_by_now_is_answered_as_it_was_when_it_was_stored() {
    let server = Server::dev().await;
    let at = crate::convert::time::text(cantus_core::Timestamp(crate::convert::time::wall().0 + 2_000))
        .to_string();
    let first =
        server.post("/v1/topics/tasks/events", over_soon("o1", &at)).await.is(202)["results"][0].clone();
    assert_eq!(first["status"], "accepted");
    // The server gives this one its id: only the key says that it is the same.
    let nameless = json!({"specversion": "1.0", "type": "A", "source": "/t", "expirytime": at}).to_string();
    let headers = [("content-type", CE), ("idempotency-key", "\"over\"")];
    let again =
        async || server.ask(Method::POST, "/v1/topics/tasks/events", &headers, nameless.clone()).await;
    let keyed = again().await.is(202);
    let mut number = 0;
    while server.post("/v1/topics/tasks/events", over_soon(&format!("later{number}"), &at)).await.status
        == 202
    {
        number += 1;
    }
    let second =
        server.post("/v1/topics/tasks/events", over_soon("o1", &at)).await.is(202)["results"][0].clone();
    assert_eq!((&second["status"], &second["position"]), (&json!("duplicate"), &first["position"]));
    let replayed = again().await;
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    assert_eq!(replayed.is(202), keyed);
}

#[tokio::test]
async fn data_that_breaks_its_schema_is_refused_at_its_place() {
    let schema =
        json!({"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]});
    let definitions = json!({"topics": {
        "tasks": {"schemas": {"Paid": schema}},
        "lax": {"schemas": {"Paid": schema}, "validation": "warn"}
    }});
    let server = Server::with(definitions, |_| {}).await;
    let batch =
        json!([event("p1", "Paid", json!({"amount": 1})), event("p2", "Paid", json!({"amount": "x"}))]);
    let problem = server.post("/v1/topics/tasks/events", batch).await.refuses(422, "SCHEMA_VIOLATION");
    assert_eq!(problem["errors"][0]["pointer"], "#/1/data/amount");
    let wrong = event("p3", "Paid", json!({"amount": "x"}));
    let warned = server.post("/v1/topics/lax/events", wrong).await.is(202);
    assert!(warned["results"][0]["warnings"][0].as_str().unwrap().contains("amount"));
}

#[tokio::test]
async fn the_trace_of_a_request_goes_on_in_its_event() {
    let server = Server::dev().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("content-type", CE), ("traceparent", trace)];
    let body = event("t1", "A", json!(1)).to_string();
    server.ask(Method::POST, "/v1/topics/tasks/events", &headers, body).await.is(202);
    assert_eq!(server.get("/v1/events/t1").await.is(200)["event"]["traceparent"], trace);
    let reply = server.ask(Method::GET, "/v1/events/nothing", &[("traceparent", trace)], Body::empty()).await;
    assert_eq!(reply.refuses(404, "EVENT_UNKNOWN")["traceid"], "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[tokio::test]
async fn numbers_and_bytes_of_data_stay_as_they_came() {
    let server = Server::dev().await;
    let data = r#"{"a": 1e400, "b":-0, "c":9007199254740993, "c":1, "d":"\ud83d\ude00"}"#;
    let body = format!(r#"{{"specversion":"1.0","id":"n1","type":"A","source":"/t","data":{data}}}"#);
    let headers = [("content-type", CE)];
    server.ask(Method::POST, "/v1/topics/tasks/events", &headers, body).await.is(202);
    assert!(server.get("/v1/events/n1").await.text.contains(data));
}
