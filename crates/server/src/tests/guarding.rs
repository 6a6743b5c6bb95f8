//! What every request passes: rights, hosts, paths, methods, parameters.

use axum::body::Body;
use cantus_api::definition::Permission;
use http::Method;
use serde_json::json;

use super::given::{Server, TOKEN, event};
use crate::auth::Peer;
use crate::options::{Mode, Secret, TokenGrant};

fn elsewhere() -> Peer {
    Peer { remote: "10.0.0.9:50000".parse().unwrap(), local: "10.0.0.5:4777".parse().unwrap() }
}

#[tokio::test]
async fn without_a_token_nothing_is_operated_and_elsewhere_nothing_at_all() {
    let server = Server::dev().await;
    let reply = server.post("/v1/subscriptions/worker/tasks/pause", json!({})).await;
    reply.refuses(401, "UNAUTHENTICATED");
    assert_eq!(reply.header("www-authenticate"), Some("Bearer realm=\"cantus\""));
    let headers =
        [("host", "10.0.0.5:4777"), ("content-type", "application/json"), ("x-forwarded-for", "127.0.0.1")];
    let body = event("e1", "A", json!(1)).to_string();
    let reply = server.ask_as(elsewhere(), Method::POST, "/v1/topics/tasks/events", &headers, body).await;
    reply.refuses(401, "UNAUTHENTICATED");
    for path in [
        "/livez",
        "/readyz",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/schema.json",
        "/problems/event-invalid",
    ] {
        let reply =
            server.ask_as(elsewhere(), Method::GET, path, &[("host", "10.0.0.5")], Body::empty()).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
    }
}

#[tokio::test]
async fn in_production_each_route_needs_its_right() {
    let publisher =
        TokenGrant { name: "ci".into(), token: Secret::new("publish-only"), may: vec![Permission::Publish] };
    let server = Server::with(json!({"topics": {"tasks": {}}}), |options| {
        options.mode = Mode::Serve;
        options.tokens.push(publisher);
    })
    .await;
    server.get("/v1/topics").await.refuses(401, "UNAUTHENTICATED");
    let bearer = [("authorization", "Bearer publish-only"), ("content-type", "application/json")];
    let body = event("e1", "A", json!(1)).to_string();
    server.ask(Method::POST, "/v1/topics/tasks/events", &bearer, body).await.is(202);
    let reply = server.ask(Method::GET, "/v1/topics", &bearer, Body::empty()).await;
    assert!(reply.refuses(403, "FORBIDDEN")["hint"].as_str().unwrap().contains("consume"));
    let wrong = [("authorization", "Bearer publish-onlyy")];
    let reply = server.ask(Method::GET, "/v1/topics", &wrong, Body::empty()).await;
    reply.refuses(401, "UNAUTHENTICATED");
    assert!(!reply.text.contains("publish-only"));
}

#[tokio::test]
async fn requests_for_other_hosts_and_from_foreign_pages_are_refused() {
    let server = Server::dev().await;
    for host in ["evil.com", "localhost.evil.com", "10.0.0.1"] {
        let reply = server.ask(Method::GET, "/livez", &[("host", host)], Body::empty()).await;
        reply.refuses(421, "HOST_NOT_ALLOWED");
    }
    let origin = [("origin", "https://evil.com")];
    let reply = server.ask(Method::GET, "/v1/topics", &origin, Body::empty()).await;
    reply.refuses(403, "ORIGIN_NOT_ALLOWED");
    let reply = server.ask(Method::GET, "/v1/topics", &[("origin", "null")], Body::empty()).await;
    reply.refuses(403, "ORIGIN_NOT_ALLOWED");
    let known = [("origin", "http://localhost:3000")];
    let reply = server.ask(Method::GET, "/v1/topics", &known, Body::empty()).await;
    reply.is(200);
    assert_eq!(reply.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there_say_what_is() {
    let server = Server::dev().await;
    let problem = server.get("/v1/event").await.refuses(404, "ROUTE_UNKNOWN");
    assert!(problem["hint"].as_str().unwrap().contains("/v1/events"));
    assert_eq!(problem["instance"], "/v1/event");
    server.get("/v1/events/").await.refuses(404, "ROUTE_UNKNOWN");
    let reply = server.ask(Method::PUT, "/v1/events", &[], Body::empty()).await;
    reply.refuses(405, "METHOD_NOT_ALLOWED");
    assert_eq!(reply.header("allow"), Some("POST, GET, HEAD, OPTIONS"));
    let reply = server.ask(Method::TRACE, "/v1/topics", &[], Body::empty()).await;
    reply.refuses(405, "METHOD_NOT_ALLOWED");
    let reply = server.ask(Method::OPTIONS, "/v1/topics", &[], Body::empty()).await;
    assert_eq!((reply.status, reply.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
    let reply = server.ask(Method::HEAD, "/v1/topics", &[], Body::empty()).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, ""));
    let reply = server.get("/v1/events/%FF").await;
    assert_eq!(reply.status, 400, "{}", reply.text);
}

#[tokio::test]
async fn parameters_are_known_and_there_once() {
    let server = Server::dev().await;
    let problem = server.get("/v1/events?limt=1").await.refuses(400, "PARAMETER_INVALID");
    assert_eq!(problem["hint"], "did you mean `limit`?");
    server.get("/v1/events?since=start&since=end").await.refuses(400, "PARAMETER_INVALID");
    server.get("/v1/topics/tasks?x=1").await.refuses(400, "PARAMETER_INVALID");
}

#[tokio::test]
async fn every_code_has_its_page_and_every_problem_leads_to_it() {
    let server = Server::dev().await;
    let problem = server.get("/v1/events/nothing").await.refuses(404, "EVENT_UNKNOWN");
    let page = server.get(problem["type"].as_str().unwrap()).await;
    assert!(page.status == 200 && page.text.contains("EVENT_UNKNOWN"), "{}", page.text);
    server.get("/problems/nothing-like-it").await.refuses(404, "ROUTE_UNKNOWN");
}

#[tokio::test]
async fn metrics_count_what_there_is() {
    let server = Server::dev().await;
    server.publish("e1", "A", json!(1)).await;
    server.bury().await;
    let text = server.get("/metrics").await.text;
    for line in [
        "cantus_events_appended_total{topic=\"tasks\"} 1",
        "cantus_deliveries_total{subscription=\"worker/tasks\",outcome=\"dead\"} 1",
        "cantus_append_duration_seconds_count 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.contains("http_route=\"/v1/topics/{topic}/events\""), "{text}");
}

#[tokio::test]
async fn metrics_tell_what_attempts_came_to() {
    let server = Server::dev().await;
    server.publish("e1", "A", json!(1)).await;
    let before = server.get("/metrics").await.text;
    let lag = |text: &str| {
        text.lines()
            .any(|line| line.starts_with("cantus_consumer_lag_seconds{subscription=\"worker/tasks\"} "))
    };
    assert!(lag(&before), "{before}");
    server.bury().await;
    server.publish("e2", "A", json!(1)).await;
    let delivery = server.pull().await;
    let path = format!("/v1/deliveries/{}/ack", delivery["delivery"].as_str().unwrap());
    server.post(&path, json!({"token": delivery["token"]})).await.is(200);
    *server.app.metrics.page.lock().await = None;
    let text = server.get("/metrics").await.text;
    for line in [
        "cantus_attempts_total{subscription=\"worker/tasks\",outcome=\"acked\",class=\"\"} 1",
        "cantus_attempts_total{subscription=\"worker/tasks\",outcome=\"failed\",class=\"invalid_payload\"} 1",
        "cantus_delivery_duration_seconds_count{subscription=\"worker/tasks\"} 1",
        "messaging_client_consumed_messages_total{messaging_system=\"cantus\"} 2",
        "cantus_consumer_lag_seconds{subscription=\"worker/tasks\"} 0",
        "cantus_agents_connected{transport=\"http\"} 0",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    assert!(
        text.contains("\nprocess_resident_memory_bytes ") && text.contains("\nprocess_cpu_seconds_total "),
        "{text}"
    );
}

#[tokio::test]
async fn a_body_that_is_not_the_json_of_its_route_is_refused() {
    let server = Server::dev().await;
    let bearer = format!("Bearer {TOKEN}");
    let path = "/v1/subscriptions/worker/tasks/seek";
    for (media_type, body, status, code) in [
        ("application/json", "{", 400, "JSON_INVALID"),
        ("application/json", "[]", 400, "JSON_INVALID"),
        ("application/json", "\u{feff}{}", 400, "JSON_INVALID"),
        ("text/plain", "{}", 415, "MEDIA_TYPE_UNSUPPORTED"),
    ] {
        let headers = [("authorization", &*bearer), ("content-type", media_type)];
        server.ask(Method::POST, path, &headers, body.to_owned()).await.refuses(status, code);
    }
    let deep = "[".repeat(100_000);
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    server.ask(Method::POST, path, &headers, deep).await.refuses(400, "JSON_TOO_DEEP");
    let large = format!("{{\"to\":\"{}\"}}", "x".repeat(1 << 20));
    server.ask(Method::POST, path, &headers, large).await.refuses(413, "BODY_TOO_LARGE");
}
