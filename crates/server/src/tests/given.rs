//! What the tests stand on: a server in a temporary folder, and short ways to ask it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use cantus_api::definition::{Definitions, Permission, Sandbox};
use cantus_core::Span;
use cantus_core::coordinator::Limits;
use cantus_engine::local;
use cantus_runtime::delivery::webhook::WebhookSettings;
use cantus_runtime::housekeeping::Settings;
use cantus_runtime::{Config, MachineTime, Runtime, TimeSource};
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::app::App;
use crate::auth::Peer;
use crate::convert::definition::Defaults;
use crate::convert::wire::CloudEvents;
use crate::options::{Secret, ServerOptions, TokenGrant};

/// The token that may do everything.
pub(super) const TOKEN: &str = "all-rights";

/// A server.
pub(super) struct Server {
    pub(super) app: App,
    router: Router,
    runtime: Option<Runtime>,
    folder: Arc<tempfile::TempDir>,
    options: ServerOptions,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the JSON of an answer with this status.
    pub(super) fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Returns the problem of an answer with this status and code.
    pub(super) fn refuses(&self, status: u16, code: &str) -> Value {
        let problem = self.is(status);
        assert_eq!(problem["code"], code, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(problem["status"], status);
        problem
    }
}

impl Server {
    /// A dev server with agent `/worker`, its inbox `worker/tasks`, and topic `tasks`.
    pub(super) async fn dev() -> Server {
        Server::with(
            json!({
                "topics": {"tasks": {}},
                "agents": {"/worker": {"subscriptions": [{"topic": "tasks", "from": "start",
                    "retry": {"max_retries": 1, "initial_delay": "1ms", "max_delay": "1ms"}}]}}
            }),
            |_| {},
        )
        .await
    }

    /// A server with these definitions and options.
    pub(super) async fn with(definitions: Value, change: impl FnOnce(&mut ServerOptions)) -> Server {
        let listen = "127.0.0.1:4777".parse().unwrap();
        let may = vec![Permission::Publish, Permission::Consume, Permission::Operate, Permission::Define];
        let token = TokenGrant { name: "all".into(), token: Secret::new(TOKEN), may };
        let mut options = ServerOptions { tokens: vec![token], ..ServerOptions::dev(listen) };
        change(&mut options);
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let server = Server::start(folder, options).await;
        server.install(definitions).await;
        server
    }

    /// The same, with webhooks sent as these settings say.
    pub(super) async fn with_webhooks(
        definitions: Value,
        change: impl FnOnce(&mut ServerOptions),
        settings: impl FnOnce(&mut WebhookSettings),
    ) -> Server {
        let mut options = ServerOptions::dev("127.0.0.1:4777".parse().unwrap());
        let may = vec![Permission::Publish, Permission::Consume, Permission::Operate, Permission::Define];
        options.tokens.push(TokenGrant { name: "all".into(), token: Secret::new(TOKEN), may });
        change(&mut options);
        let mut webhooks = self::settings(&options);
        settings(&mut webhooks);
        let server = Server::start_with(Arc::new(tempfile::tempdir().unwrap()), options, webhooks).await;
        server.install(definitions).await;
        server
    }

    /// The same as a dev server that keeps house when it is asked to, with a time of its own.
    pub(super) async fn keeping(definitions: Value, time: Arc<dyn TimeSource>) -> Server {
        let options = ServerOptions::dev("127.0.0.1:4777".parse().unwrap());
        let webhooks = settings(&options);
        let house = Settings {
            every: Duration::from_secs(24 * 3600),
            hold_age: Span::hours(24),
            share: 100,
            ..Settings::default()
        };
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let server = Server::start_in(folder, options, webhooks, Some(house), time).await;
        server.install(definitions).await;
        server
    }

    async fn start(folder: Arc<tempfile::TempDir>, options: ServerOptions) -> Server {
        let webhooks = settings(&options);
        Server::start_with(folder, options, webhooks).await
    }

    async fn start_with(
        folder: Arc<tempfile::TempDir>,
        options: ServerOptions,
        webhooks: WebhookSettings,
    ) -> Server {
        Server::start_in(folder, options, webhooks, None, Arc::new(MachineTime)).await
    }

    async fn start_in(
        folder: Arc<tempfile::TempDir>,
        options: ServerOptions,
        webhooks: WebhookSettings,
        housekeeping: Option<Settings>,
        time: Arc<dyn TimeSource>,
    ) -> Server {
        let log = local::Options {
            segment_bytes_first: 64 * 1024,
            segment_bytes_max: 256 * 1024,
            reserve_bytes: 0,
            ..local::Options::default()
        };
        let opened = cantus_engine::open(folder.path(), log).unwrap();
        let config = Config {
            version: "test".into(),
            auto_create: true,
            limits: Limits::default(),
            wire: Arc::new(CloudEvents { limits: options.limits }),
            exec: None,
            observer: options.observation.clone(),
            housekeeping,
            time,
            webhooks: Some(webhooks),
            on_broken: Box::new(|reason| panic!("{reason}")),
        };
        let runtime = Runtime::start(opened.engine, opened.checkpoint, config).await.unwrap();
        let app = App::new(runtime.handle(), options.clone());
        let router = crate::http::router(app.clone());
        Server { app, router, runtime: Some(runtime), folder, options }
    }

    /// Changes a bit of the first record on the disk, behind everybody's back.
    pub(super) fn rot_of_the_oldest_segment(&self) {
        let names = std::fs::read_dir(self.folder.path().join("log")).unwrap();
        let paths = names.map(|entry| entry.unwrap().path());
        let segments = paths.filter(|path| path.extension().is_some_and(|it| it == "segment"));
        let oldest = segments.min().expect("there is a segment");
        let mut bytes = std::fs::read(&oldest).unwrap();
        bytes[4096 + 100] ^= 1;
        std::fs::write(&oldest, bytes).unwrap();
    }

    pub(super) async fn install(&self, definitions: Value) {
        let definitions: Definitions = serde_json::from_value(definitions).unwrap();
        let defaults = Defaults {
            sandbox: Some(Sandbox::None),
            webhooks: self.options.webhooks.clone(),
            ..Defaults::default()
        };
        crate::install::install(&self.app.handle, &definitions, "cantus.yaml", "file", &defaults)
            .await
            .unwrap();
    }

    /// Does with a file's definitions what a start does. Tells whether they were put in force.
    pub(super) async fn start_again_with(&self, definitions: Value) -> bool {
        let definitions: Definitions = serde_json::from_value(definitions).unwrap();
        let defaults = Defaults { sandbox: Some(Sandbox::None), ..Defaults::default() };
        let handle = &self.app.handle;
        let done =
            crate::install::install_at_start(handle, &definitions, "cantus.yaml", "file", &defaults).await;
        matches!(done.unwrap(), crate::install::Started::Installed(_))
    }

    /// Stops and starts again on the same folder.
    pub(super) async fn restarted(mut self) -> Server {
        let runtime = self.runtime.take().unwrap();
        runtime.stop(Duration::from_secs(5)).await;
        Server::start(self.folder.clone(), self.options.clone()).await
    }

    /// Asks, with these headers, as somebody on this machine.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let local = "127.0.0.1:4777".parse().unwrap();
        self.ask_as(Peer { remote: "127.0.0.1:50000".parse().unwrap(), local }, method, path, headers, body)
            .await
    }

    /// Asks as somebody elsewhere.
    pub(super) async fn ask_as(
        &self,
        peer: Peer,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "localhost:4777");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.into()).unwrap();
        request.extensions_mut().insert(peer);
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        Reply { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    pub(super) async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, &[], Body::empty()).await
    }

    /// Posts JSON without a token.
    pub(super) async fn post(&self, path: &str, body: Value) -> Reply {
        self.ask(Method::POST, path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// Posts JSON with the token that may do everything.
    pub(super) async fn operate(&self, path: &str, body: Value) -> Reply {
        let bearer = format!("Bearer {TOKEN}");
        let headers = [("content-type", "application/json"), ("authorization", &*bearer)];
        self.ask(Method::POST, path, &headers, body.to_string()).await
    }

    /// Reads with the token that may do everything.
    pub(super) async fn ask_operating(&self, path: &str) -> Reply {
        let bearer = format!("Bearer {TOKEN}");
        self.ask(Method::GET, path, &[("authorization", &bearer)], Body::empty()).await
    }

    pub(super) async fn delete(&self, path: &str) -> Reply {
        let bearer = format!("Bearer {TOKEN}");
        self.ask(Method::DELETE, path, &[("authorization", &bearer)], Body::empty()).await
    }

    /// Publishes an event of topic `tasks` and returns its receipt.
    pub(super) async fn publish(&self, id: &str, event_type: &str, data: Value) -> Value {
        let event = event(id, event_type, data);
        self.post("/v1/topics/tasks/events", event).await.is(202)["results"][0].clone()
    }

    /// Pulls one delivery of `worker/tasks`.
    pub(super) async fn pull(&self) -> Value {
        let pulled = self.post("/v1/subscriptions/worker/tasks/pull", json!({"wait": "10s"})).await.is(200);
        pulled["deliveries"][0].clone()
    }

    /// Fails the next delivery of `worker/tasks` for good and returns the id of its dead letter.
    pub(super) async fn bury(&self) -> String {
        let delivery = self.pull().await;
        let path = format!("/v1/deliveries/{}/nack", delivery["delivery"].as_str().unwrap());
        let nack =
            json!({"token": delivery["token"], "class": "invalid_payload", "reason": "amount is no number"});
        let nacked = self.post(&path, nack).await.is(200);
        assert_eq!(nacked["status"], "dead");
        nacked["dead_letter"].as_str().unwrap().to_owned()
    }
}

/// How a server with these options sends webhooks.
fn settings(options: &ServerOptions) -> WebhookSettings {
    let wire = Arc::new(CloudEvents { limits: options.limits });
    WebhookSettings::new(options.webhooks.guard.clone(), wire)
}

/// An event in the CloudEvents shape.
pub(super) fn event(id: &str, event_type: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": id, "type": event_type, "source": "/tester", "data": data})
}
