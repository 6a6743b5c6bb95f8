//! Server: how the process behaves. Each plain value can also come from a `CANTUS_…` variable.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Duration, HookName, Sandbox, Size, TopicName};

/// The `server` section. What is left out is for the command that starts the server to decide.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where it listens: `address:port`, default `127.0.0.1:4777`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Incoming hooks by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<HookName, Hook>,
    /// Who may do what.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<Token>,
    /// Whether a topic nobody declared comes into being with its first event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_create: Option<bool>,
    /// How programs are confined when their action does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Sandbox>,
    /// Whether exec actions may be defined over the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_remote_exec: Option<bool>,
    /// Host names requests may carry, besides the loopback names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_hosts: Vec<String>,
    /// Origins browsers may come from, besides the loopback names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_origins: Vec<String>,
    /// How many events may cause one another, default 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_hops: Option<u32>,
    /// How long and how many event ids are remembered per topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dedupe: Option<Dedupe>,
    /// How large things may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// For how long what retention lets go is held all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    /// How many bytes of the disk have to stay free: publishes are refused while less is; default 1GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserve: Option<Size>,
    /// What webhooks may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhooks: Option<Webhooks>,
}

/// What webhooks may do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhooks {
    /// Private addresses and hosts that they may lead to; in `dev` all private addresses are allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_private: Vec<Reach>,
    /// Ports they may lead to though something else than HTTP listens there usually.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_ports: Vec<u16>,
    /// Variables of the server that definitions which come over the network may name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// A file with certificates of authorities that are trusted besides those of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The name receivers are asked for their permission with, default the host's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// A network, an address or a host name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Reach {
    /// All addresses that share these first bits.
    Network(std::net::IpAddr, u8),
    /// A host name, in lower case.
    Host(String),
}

impl Reach {
    /// Reads `10.0.0.0/8`, `192.168.1.7`, `fd00::/8` or a host name.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<Reach, String> {
        let wrong = || {
            let shown: String = text.chars().take(60).collect();
            format!(
                "`{shown}` is no network, address or host name; write 10.0.0.0/8, 192.168.1.7 or agents.internal"
            )
        };
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        if let Ok(address) = address.parse::<std::net::IpAddr>() {
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = match bits {
                None => most,
                Some(bits) => bits.parse::<u8>().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?,
            };
            return Ok(Reach::Network(address, bits));
        }
        match super::WebhookUrl::parse(&format!("http://{text}/")).as_ref().map(super::WebhookUrl::host) {
            Ok(super::UrlHost::Name(name)) if bits.is_none() && !text.contains(':') => {
                Ok(Reach::Host(name.clone()))
            }
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Reach {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Reach> for String {
    fn from(reach: Reach) -> String {
        match reach {
            Reach::Network(address, bits) => format!("{address}/{bits}"),
            Reach::Host(name) => name,
        }
    }
}

/// An incoming hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// Where its events go.
    pub topic: TopicName,
    /// The file with the secret its sender signs with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
}

/// A bearer token and what its holder may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The actor that facts will name.
    pub name: String,
    /// The file with the token.
    pub token_file: PathBuf,
    /// What its holder may do; never empty.
    pub may: Vec<Permission>,
}

/// What the holder of a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Publish events.
    Publish,
    /// Read events, pull and answer deliveries.
    Consume,
    /// Pause, seek, replay and the like.
    Operate,
    /// Change definitions.
    Define,
}

/// How long and how many event ids are remembered per topic, whichever is fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dedupe {
    /// How long, default 24h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
    /// How many, default 1,000,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<u32>,
}

/// For how long what retention lets go is held all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// How long events are held for subscriptions that did not take them, once their time is over; default 7d.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_hold: Option<Duration>,
    /// How many bytes are held for them; default 10GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_hold_bytes: Option<Size>,
    /// How long definitions, pauses and the like stay in the log; default 90d.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<Duration>,
}

/// How large things may be. Defaults: event 1 MiB, batch 10,000 events or 8 MiB, JSON depth 128, attribute 4 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The largest event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_bytes: Option<Size>,
    /// The most events in a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_events: Option<u32>,
    /// The largest batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_bytes: Option<Size>,
    /// The deepest JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_depth: Option<u32>,
    /// The longest attribute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute_bytes: Option<Size>,
}
