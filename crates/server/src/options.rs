//! How a server is set up.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cantus_api::definition::{Dedupe, Permission, Sandbox};
use cantus_api::event::Limits;
use cantus_runtime::delivery::webhook::Guard;

use crate::convert::webhook::WebhookRules;

use crate::observe::Observation;

/// How a server is set up. [`ServerOptions::dev`] and [`ServerOptions::serve`] give sound values.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where it listens.
    pub listen: SocketAddr,
    /// For whom it is: decides what needs no token and what is created by using it.
    pub mode: Mode,
    /// The version that is told.
    pub version: String,
    /// The name of this node.
    pub node: String,
    /// The name of the engine.
    pub engine: String,
    /// The name the file gives to the whole.
    pub name: Option<String>,
    /// Who may do what.
    pub tokens: Vec<TokenGrant>,
    /// What the programs show that this server runs. It lets nobody else in, so it is not enough to serve with.
    pub programs: Option<TokenGrant>,
    /// Host names requests may carry besides the loopback names and the address they came to; with or without a port.
    pub hosts: Vec<String>,
    /// Origins browsers may come from besides the loopback names, such as `https://ops.example.com`.
    pub origins: Vec<String>,
    /// Incoming hooks by name.
    pub hooks: BTreeMap<String, Hook>,
    /// How large events may be.
    pub limits: Limits,
    /// Whether exec actions are accepted over the network.
    pub allow_remote_exec: bool,
    /// How programs are confined whose action does not say; absent, such actions are refused.
    pub sandbox: Option<Sandbox>,
    /// How long and how many event ids are remembered per topic; as usual when absent.
    pub dedupe: Option<Dedupe>,
    /// What webhooks are allowed.
    pub webhooks: WebhookRules,
    /// How many connections are held at once; further ones wait to be accepted.
    pub connections_max: usize,
    /// How many bytes of bodies are held at once, over all requests.
    pub body_bytes_in_flight: usize,
    /// How long a request's headers may take.
    pub header_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// How long an answer may be stuck with a client that does not read.
    pub write_timeout: Duration,
    /// What is told of attempts and publishes.
    pub observation: Arc<Observation>,
    /// How long requests may go on after the server was asked to stop.
    pub drain: Duration,
    /// Where backups lie while they are sent, on the file system of the log; None keeps nothing to back up.
    pub backups: Option<PathBuf>,
}

/// For whom a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One person on one machine: publishing and consuming from there needs no token.
    Dev,
    /// Production: everything needs a token.
    Serve,
}

impl Mode {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Dev => "dev",
            Mode::Serve => "serve",
        }
    }
}

/// A bearer token and what its holder may do.
#[derive(Clone, Debug)]
pub struct TokenGrant {
    /// The name that facts carry as `token:NAME`.
    pub name: String,
    /// The token.
    pub token: Secret,
    /// What its holder may do.
    pub may: Vec<Permission>,
}

/// An incoming hook.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Where its events go.
    pub topic: String,
    /// What its sender signs with.
    pub secret: Option<Secret>,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a secret; white space around it is dropped, as files end with a line end.
    pub fn new(text: &str) -> Secret {
        Secret(text.trim().to_owned())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

impl ServerOptions {
    /// Returns the options of `cantus dev`.
    pub fn dev(listen: SocketAddr) -> ServerOptions {
        ServerOptions {
            listen,
            mode: Mode::Dev,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node: "0".to_owned(),
            engine: "local".to_owned(),
            name: None,
            tokens: Vec::new(),
            programs: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            hooks: BTreeMap::new(),
            limits: Limits::default(),
            allow_remote_exec: false,
            sandbox: Some(Sandbox::None),
            dedupe: None,
            webhooks: WebhookRules {
                guard: Guard { allow_private: true, ..Guard::default() },
                ..WebhookRules::default()
            },
            connections_max: 4096,
            body_bytes_in_flight: 256 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            observation: Arc::default(),
            drain: Duration::from_secs(10),
            backups: None,
        }
    }

    /// Returns the options of `cantus serve`. Without tokens it refuses to listen.
    pub fn serve(listen: SocketAddr) -> ServerOptions {
        ServerOptions {
            mode: Mode::Serve,
            sandbox: None,
            webhooks: WebhookRules::default(),
            ..ServerOptions::dev(listen)
        }
    }
}
