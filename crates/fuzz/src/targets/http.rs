//! Bodies of requests: the first byte chooses the route, the second how the body is declared.

use std::cell::RefCell;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use cantus_api::definition::Permission;
use cantus_core::coordinator::Limits;
use cantus_engine::{Memory, MemoryCheckpoint};
use cantus_runtime::{Config, Runtime};
use cantus_server::convert::wire::CloudEvents;
use cantus_server::options::{Secret, ServerOptions, TokenGrant};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

const TOKEN: &str = "all-rights";

const ROUTES: &[(&str, &str)] = &[
    ("POST", "/v1/events"),
    ("POST", "/v1/topics/tasks/events"),
    ("POST", "/v1/subscriptions"),
    ("POST", "/v1/subscriptions/worker/tasks/pull"),
    ("POST", "/v1/subscriptions/worker/tasks/pause"),
    ("POST", "/v1/subscriptions/worker/tasks/seek"),
    ("POST", "/v1/subscriptions/worker/tasks/resume"),
    ("POST", "/v1/deliveries/ack"),
    ("POST", "/v1/deliveries/dlv_01ARZ3NDEKTSV4RRFFQ69G5FAV/ack"),
    ("POST", "/v1/deliveries/dlv_01ARZ3NDEKTSV4RRFFQ69G5FAV/nack"),
    ("POST", "/v1/deliveries/dlv_01ARZ3NDEKTSV4RRFFQ69G5FAV/progress"),
    ("POST", "/v1/agents"),
    ("POST", "/v1/agents/worker/pause"),
    ("POST", "/v1/dead-letters/dl_01ARZ3NDEKTSV4RRFFQ69G5FAV/edit"),
    ("POST", "/v1/dead-letters/dl_01ARZ3NDEKTSV4RRFFQ69G5FAV/replay"),
    ("POST", "/v1/dead-letters/dl_01ARZ3NDEKTSV4RRFFQ69G5FAV/archive"),
    ("POST", "/v1/bulk-operations"),
    ("POST", "/v1/definitions"),
    ("POST", "/hooks/github/repo"),
];

const TYPES: &[&str] = &[
    "application/json",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/vnd.cantus.envelope+json",
    "application/x-ndjson",
    "text/plain",
];

/// After so many requests a server is made anew, so that what it has stored stays small.
const REQUESTS_MAX: usize = 20_000;

struct Server {
    router: Router,
    asked: usize,
    _runtime: Runtime,
}

thread_local! {
    static TOKIO: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    static SERVER: RefCell<Option<Server>> = const { RefCell::new(None) };
}

pub(super) fn run(input: &[u8]) {
    let [route, declared, body @ ..] = input else { return };
    let (method, path) = ROUTES[usize::from(*route) % ROUTES.len()];
    // Whoever asks to wait is made to: that is right, and slow.
    if path.ends_with("/pull") && body.windows(4).any(|piece| piece.eq_ignore_ascii_case(b"wait")) {
        return;
    }
    let content_type = TYPES[usize::from(*declared) % TYPES.len()];
    TOKIO.with(|tokio| {
        SERVER.with_borrow_mut(|server| {
            if server.as_ref().is_none_or(|server| server.asked >= REQUESTS_MAX) {
                *server = Some(tokio.block_on(start()));
            }
            let server = server.as_mut().expect("it was made two lines above");
            server.asked += 1;
            tokio.block_on(ask(server.router.clone(), method, path, content_type, body));
        });
    });
}

async fn ask(router: Router, method: &str, path: &str, content_type: &str, body: &[u8]) {
    let request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).expect("the table has methods"))
        .uri(path)
        .header("host", "localhost:4777")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", content_type)
        .body(Body::from(body.to_vec()))
        .expect("the table has legal requests");
    let Ok(response) = router.oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("an answer can be read").to_bytes();
    let shown = || format!("{method} {path}: {} {}", parts.status, String::from_utf8_lossy(&body));
    assert_ne!(parts.status, StatusCode::INTERNAL_SERVER_ERROR, "{}", shown());
    if parts.status.is_client_error() || parts.status.is_server_error() {
        let declared = parts.headers.get("content-type").map(http::HeaderValue::as_bytes);
        assert_eq!(declared, Some(&b"application/problem+json"[..]), "{}", shown());
        let problem: serde_json::Value = serde_json::from_slice(&body).expect("a problem is JSON");
        assert!(problem["code"].is_string(), "{}", shown());
        assert_eq!(problem["status"], parts.status.as_u16(), "{}", shown());
    }
}

async fn start() -> Server {
    let listen = "127.0.0.1:4777".parse().expect("an address");
    let may = vec![Permission::Publish, Permission::Consume, Permission::Operate, Permission::Define];
    let token = TokenGrant { name: "all".into(), token: Secret::new(TOKEN), may };
    let options = ServerOptions { tokens: vec![token], ..ServerOptions::dev(listen) };
    let log = Memory::new();
    let checkpoint = MemoryCheckpoint::of(&log);
    let config = Config {
        version: "fuzz".into(),
        auto_create: true,
        limits: Limits::default(),
        wire: Arc::new(CloudEvents { limits: options.limits }),
        exec: None,
        webhooks: None,
        observer: cantus_runtime::observe::Unobserved::shared(),
        housekeeping: None,
        time: std::sync::Arc::new(cantus_runtime::MachineTime),
        on_broken: Box::new(|reason| panic!("{reason}")),
    };
    let runtime = Runtime::start(Box::new(log), Box::new(checkpoint), config).await.expect("it starts");
    let router = cantus_server::in_process(runtime.handle(), options);
    let worker = r#"{"name":"/worker","subscriptions":[{"topic":"tasks"}]}"#;
    ask(router.clone(), "POST", "/v1/agents", "application/json", worker.as_bytes()).await;
    Server { router, asked: 0, _runtime: runtime }
}
