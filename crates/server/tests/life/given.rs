//! A server over a log in memory, and a client that says exactly what a test says.

use std::net::SocketAddr;
use std::sync::Arc;

use cantus_api::definition::Permission;
use cantus_core::coordinator::Limits;
use cantus_engine::{Memory, MemoryCheckpoint};
use cantus_runtime::{Config, Runtime};
use cantus_server::RunError;
use cantus_server::convert::wire::CloudEvents;
use cantus_server::options::{Secret, ServerOptions, TokenGrant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// May do everything.
pub(crate) const TOKEN: &str = "a-token-of-tests";

/// A server that runs.
pub(crate) struct Given {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), RunError>>,
    _runtime: Runtime,
}

/// The options servers of tests begin with.
pub(crate) fn options() -> ServerOptions {
    let mut options = ServerOptions::dev(([127, 0, 0, 1], 0).into());
    let may = vec![Permission::Publish, Permission::Consume, Permission::Operate, Permission::Define];
    options.tokens.push(TokenGrant { name: "test".to_owned(), token: Secret::new(TOKEN), may });
    options
}

impl Given {
    pub(crate) async fn start() -> Given {
        Given::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut ServerOptions)) -> Given {
        let config = Config {
            version: "test".to_owned(),
            auto_create: true,
            limits: Limits::default(),
            wire: Arc::new(CloudEvents::default()),
            exec: None,
            observer: cantus_runtime::observe::Unobserved::shared(),
            housekeeping: None,
            time: std::sync::Arc::new(cantus_runtime::MachineTime),
            webhooks: None,
            on_broken: Box::new(|reason| panic!("the log failed: {reason}")),
        };
        let log = Memory::new();
        let checkpoint = Box::new(MemoryCheckpoint::of(&log));
        let runtime = Runtime::start(Box::new(log), checkpoint, config).await.expect("a runtime starts");
        let mut options = options();
        change(&mut options);
        let listener = TcpListener::bind(options.listen).await.expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        let (stop, asked) = oneshot::channel();
        let handle = runtime.handle();
        let served = tokio::spawn(async move {
            cantus_server::run(handle, options, listener, async { asked.await.expect("tests say when") })
                .await
        });
        Given { address, stop, served, _runtime: runtime }
    }

    /// Makes agent `/worker` with an inbox of topic `tasks`.
    pub(crate) async fn subscribe(&self) {
        let create = r#"{"agent":"worker","topic":"tasks"}"#;
        let mut socket = self.connect().await;
        let agent = socket.post("/v1/agents", r#"{"agent":"worker"}"#).await;
        assert!(agent.status < 300, "{}", agent.body);
        let created = socket.post("/v1/subscriptions", create).await;
        assert_eq!(created.status, 201, "{}", created.body);
    }

    pub(crate) async fn connect(&self) -> Socket {
        Socket::connect(self.address).await
    }

    /// Asks the server to stop; the result tells that it has.
    pub(crate) fn ask_to_stop(self) -> JoinHandle<Result<(), RunError>> {
        // A server that did not start does not listen to this either.
        let _gone = self.stop.send(());
        let Given { served, _runtime: runtime, .. } = self;
        tokio::spawn(async move {
            let served = served.await.expect("a server does not panic");
            drop(runtime);
            served
        })
    }

    pub(crate) async fn stop(self) -> Result<(), RunError> {
        self.ask_to_stop().await.expect("a server does not panic")
    }
}

/// A connection.
pub(crate) struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let value = found.next();
        assert!(found.next().is_none(), "{name} is there twice");
        value
    }
}

impl Socket {
    pub(crate) async fn connect(address: SocketAddr) -> Socket {
        Socket { stream: TcpStream::connect(address).await.expect("a server listens"), buffer: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.try_send(text).await.expect("a server reads");
    }

    pub(crate) async fn try_send(&mut self, text: &str) -> std::io::Result<()> {
        self.stream.write_all(text.as_bytes()).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        self.answer().await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> Answer {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        self.send(&(head + body)).await;
        self.answer().await
    }

    /// Reads up to the end of an answer's head.
    pub(crate) async fn head(&mut self) -> Answer {
        let end = loop {
            match self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                Some(end) => break end,
                None => assert!(
                    self.more().await,
                    "the answer broke off: {:?}",
                    String::from_utf8_lossy(&self.buffer)
                ),
            }
        };
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).expect("a head is text");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().expect("an answer begins with a line");
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let headers = lines.map(|line| line.split_once(": ").expect("a header has a value"));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Answer { status, headers, body: String::new() }
    }

    /// Reads an answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        let length: usize =
            answer.header("content-length").map_or(0, |length| length.parse().expect("a length"));
        while self.buffer.len() < length {
            assert!(self.more().await, "the body broke off");
        }
        answer.body = String::from_utf8(self.buffer.drain(..length).collect()).expect("a body of text");
        answer
    }

    /// Waits for the server to close, without another answer.
    pub(crate) async fn is_closed(&mut self) -> bool {
        !self.more().await && self.buffer.is_empty()
    }

    /// Reads all that comes until the server closes.
    pub(crate) async fn rest(&mut self) -> String {
        while self.more().await {}
        String::from_utf8(std::mem::take(&mut self.buffer)).expect("an answer is text")
    }

    async fn more(&mut self) -> bool {
        // A connection that is reset is closed as well.
        self.stream.read_buf(&mut self.buffer).await.unwrap_or(0) > 0
    }
}
