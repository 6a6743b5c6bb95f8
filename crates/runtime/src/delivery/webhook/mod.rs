//! Webhooks: an event is sent to a URL, and what it answers means something.
//!
//! Read `guard` and `address` (where a webhook may lead), `resolve` and `connect` (how it gets there), `client` (one exchange, within its
//! limits), `secrets` (what is signed with), `handshake` (asking for permission first), `answer` (what a status means), then `attempt`.
//!
//! A name is resolved once, every address is checked, and the connection goes to a checked address: nothing resolves again, no proxy
//! and no redirect leads elsewhere.

mod address;
mod answer;
mod attempt;
mod client;
mod connect;
mod guard;
mod handshake;
mod resolve;
mod secrets;

pub use address::{Kind, kind};
#[cfg(feature = "simulation")]
pub(crate) use answer::failure_of;
pub(super) use attempt::Sending;
pub use attempt::{Probe, Webhooks};
pub use guard::{Barred, Guard, Network};
pub use resolve::{Resolve, Resolved, SystemResolver};
pub use secrets::Variables;

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use cantus_core::Refusal;
use cantus_core::event::Event;
use cantus_core::subscription::Mode;
use http::HeaderMap;

use crate::admission::Draft;
use crate::start::Answering;

/// How webhooks are sent.
#[derive(Clone)]
pub struct WebhookSettings {
    /// Where they may lead.
    pub guard: Guard,
    /// How events look.
    pub wire: Arc<dyn WebhookWire>,
    /// How names become addresses.
    pub resolver: Arc<dyn Resolve>,
    /// Where variables of the server are read.
    pub variables: Variables,
    /// A file with certificates of authorities that are trusted besides those of the machine.
    pub ca_file: Option<PathBuf>,
    /// The name receivers are asked for their permission with.
    pub origin: String,
    /// What the program calls itself.
    pub user_agent: String,
}

impl WebhookSettings {
    /// Returns the settings of a server that resolves names as its machine does, and reads variables of its own process.
    pub fn new(guard: Guard, wire: Arc<dyn WebhookWire>) -> WebhookSettings {
        WebhookSettings {
            guard,
            wire,
            resolver: Arc::new(SystemResolver),
            variables: Arc::new(|name| std::env::var(name).ok()),
            ca_file: None,
            origin: "cantus".to_owned(),
            user_agent: concat!("Cantus/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// How events look in HTTP messages. The runtime sends them, but knows no wire format.
pub trait WebhookWire: Send + Sync {
    /// Writes an event as an HTTP message.
    fn message(&self, event: &Event, mode: Mode) -> Message;

    /// Signs a message with each of the secrets. Returns the value of the header `webhook-signature`.
    ///
    /// # Errors
    /// When a secret is none; the text does not hold it.
    fn sign(&self, secrets: &[String], id: &str, timestamp: i64, body: &[u8]) -> Result<String, String>;

    /// Reads the events of a receiver's answer, in any mode: what they leave out comes from the event it answers.
    ///
    /// # Errors
    /// When they are no events, or not legal ones.
    fn read_response(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        answering: &Answering<'_>,
    ) -> Result<Vec<Draft>, Refusal>;
}

/// An event as an HTTP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Headers, in lower case, `content-type` among them.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}
