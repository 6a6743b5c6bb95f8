//! What is declared of a subscription.

use minicbor::{Decode, Encode};

use super::confinement::Confinement;
use super::{Rate, breaker, retry};
use crate::agent::AgentPattern;
use crate::ids::Position;
use crate::text::Text;
use crate::time::{Span, Timestamp};
use crate::topic::{Pattern, TopicName};

/// What is declared of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Subscription {
    /// Which topics it listens to.
    #[n(0)]
    pub topics: Vec<Pattern>,
    /// Which events it wants, as JSON text as declared; None means all.
    #[n(1)]
    pub filter: Option<Text>,
    /// What is done with a delivery.
    #[n(2)]
    pub action: Action,
    /// How failures are retried.
    #[n(3)]
    pub retry: retry::Policy,
    /// How many attempts may run at once.
    #[n(4)]
    pub concurrency: u32,
    /// How many deliveries may be leased or waiting for a retry at once.
    #[n(5)]
    pub max_in_flight: u32,
    /// What keeps its place.
    #[n(6)]
    pub order: Order,
    /// What a dead letter does to its key.
    #[n(7)]
    pub after_dead_letter: AfterDeadLetter,
    /// How long a lease lasts without a word.
    #[n(8)]
    pub lease: Span,
    /// Where it starts when it is new.
    #[n(9)]
    pub from: Place,
    /// The name it had before; it keeps that one's place.
    #[n(10)]
    pub renamed_from: Option<Text>,
    /// Who brought it.
    #[n(11)]
    pub origin: crate::agent::Origin,
    /// When its breaker opens; None means as by default.
    #[n(12)]
    pub breaker: Option<breaker::Policy>,
    /// How many attempts may begin in a span of time; None means as many as can.
    #[n(13)]
    pub rate: Option<Rate>,
    /// How long a lease lasts at most, however often it is extended; None means as by default.
    #[n(14)]
    pub max_lifetime: Option<Span>,
    /// The event that says that a delivery's first attempt starts.
    #[n(15)]
    pub on_start: Option<Announce>,
    /// The event that says that a delivery became a dead letter.
    #[n(16)]
    pub on_failure: Option<Announce>,
}

/// How long a lease lasts at most when nothing is said.
const MAX_LIFETIME_DEFAULT: Span = Span::hours(12);

impl Subscription {
    /// Returns when its breaker opens, and how it probes.
    pub fn breaker_policy(&self) -> breaker::Policy {
        self.breaker.unwrap_or_default()
    }

    /// Returns how long a lease lasts at most.
    pub fn lease_max(&self) -> Span {
        self.max_lifetime.unwrap_or(MAX_LIFETIME_DEFAULT)
    }
}

/// An event that says what happens to a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Announce {
    /// Its type.
    #[n(0)]
    pub event_type: Text,
    /// Its topic; that of the event handled when absent.
    #[n(1)]
    pub topic: Option<TopicName>,
    /// Its payload as a CEL expression over the event handled; a description of the delivery when absent.
    #[n(2)]
    pub data: Option<Text>,
}

/// What is done with a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Action {
    /// A program is run.
    #[n(0)]
    Exec(#[n(0)] Box<ExecAction>),
    /// The agent pulls.
    #[n(1)]
    Inbox,
    /// Another event is published.
    #[n(2)]
    Publish(#[n(0)] PublishAction),
    /// Other agents are parked.
    #[n(3)]
    Pause(#[n(0)] PauseAction),
    /// It is sent to a URL.
    #[n(4)]
    Webhook(#[n(0)] Box<WebhookAction>),
}

impl Action {
    /// Returns the word users write.
    pub fn as_str(&self) -> &'static str {
        match self {
            Action::Exec(_) => "exec",
            Action::Inbox => "inbox",
            Action::Publish(_) => "publish",
            Action::Pause(_) => "pause",
            Action::Webhook(_) => "webhook",
        }
    }
}

/// A program to run.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct ExecAction {
    /// Program and arguments, no shell.
    #[n(0)]
    pub argv: Vec<Text>,
    /// Where it runs.
    #[n(1)]
    pub cwd: Option<Text>,
    /// Variables it gets.
    #[n(2)]
    pub env: Vec<(Text, Text)>,
    /// Variables of the server it gets.
    #[n(3)]
    pub pass_env: Vec<Text>,
    /// What it reads on stdin.
    #[n(4)]
    pub stdin: Feed,
    /// The template of its prompt.
    #[n(5)]
    pub prompt: Option<Text>,
    /// When an attempt is ended.
    #[n(6)]
    pub timeout: Span,
    /// The event made of its plain output.
    #[n(7)]
    pub on_success: Option<OnSuccess>,
    /// How it is confined.
    #[n(8)]
    pub sandbox: Sandbox,
    /// What a strict sandbox lets it do; the least when absent.
    #[n(20)]
    pub confinement: Option<Confinement>,
}

/// What a program reads on stdin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Feed {
    /// The event as CloudEvents JSON.
    #[default]
    #[n(0)]
    Event,
    /// The payload's bytes.
    #[n(1)]
    Data,
    /// The prompt.
    #[n(2)]
    Prompt,
}

/// How a program is confined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Sandbox {
    /// Not at all.
    #[default]
    #[n(0)]
    None,
    /// To what its confinement says.
    #[n(1)]
    Strict,
}

/// The event made of a program's plain output.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct OnSuccess {
    /// Its type.
    #[n(0)]
    pub event_type: Text,
    /// Its topic; that of the event handled when absent.
    #[n(1)]
    pub topic: Option<TopicName>,
    /// What its payload is made of.
    #[n(2)]
    pub data: Produced,
}

/// What a payload is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Produced {
    /// The output as text.
    #[default]
    #[n(0)]
    Stdout,
    /// The output, which must be JSON.
    #[n(1)]
    StdoutJson,
    /// Nothing.
    #[n(2)]
    Nothing,
}

/// A URL to send events to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct WebhookAction {
    /// Where to.
    #[n(0)]
    pub url: Text,
    /// What it is signed with, the newest first: `env:NAME` or `file:PATH`, never a secret itself.
    #[n(1)]
    pub secrets: Vec<Text>,
    /// How the event is put into the request.
    #[n(2)]
    pub mode: Mode,
    /// Further headers. `${NAME}` in a value is a variable of the server, `$$` a dollar sign.
    #[n(3)]
    pub headers: Vec<(Text, Text)>,
    /// When an attempt is ended.
    #[n(4)]
    pub timeout: Span,
    /// Whether it may lead to private addresses.
    #[n(5)]
    pub allow_private: bool,
    /// Whether the receiver is asked for its permission first.
    #[n(6)]
    pub handshake: bool,
    /// A file with the certificates of authorities that are trusted besides those of the machine.
    #[n(7)]
    pub ca_file: Option<Text>,
}

/// How an event is put into a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Mode {
    /// Its attributes are headers, its payload is the body.
    #[default]
    #[n(0)]
    Binary,
    /// All of it is the body, as CloudEvents JSON.
    #[n(1)]
    Structured,
}

impl Mode {
    /// Returns the word users write.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Binary => "binary",
            Mode::Structured => "structured",
        }
    }
}

/// Another event to publish, each part a CEL expression.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PublishAction {
    /// Its type; that of the event handled when absent.
    #[n(0)]
    pub event_type: Option<Text>,
    /// Its topic; that of the event handled when absent.
    #[n(1)]
    pub topic: Option<Text>,
    /// Its payload; that of the event handled when absent.
    #[n(2)]
    pub data: Option<Text>,
}

/// Agents to park.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PauseAction {
    /// Which.
    #[n(0)]
    pub agents: Vec<AgentPattern>,
    /// Until what.
    #[n(1)]
    pub until: Until,
}

/// The end of a pause.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Until {
    /// So long.
    #[n(0)]
    After(#[n(0)] Span),
    /// An event that matches this filter (JSON text) in a topic the pausing subscription listens to.
    #[n(1)]
    Event(#[n(0)] Text),
}

/// What keeps its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Order {
    /// Events with one key, one at a time.
    #[default]
    #[n(0)]
    Key,
    /// Nothing.
    #[n(1)]
    None,
    /// All events of the subscription, one at a time.
    #[n(2)]
    Topic,
}

impl Order {
    /// Returns the word users write.
    pub fn as_str(self) -> &'static str {
        match self {
            Order::Key => "key",
            Order::None => "none",
            Order::Topic => "topic",
        }
    }
}

/// What a dead letter does to its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum AfterDeadLetter {
    /// The key goes on.
    #[default]
    #[n(0)]
    Continue,
    /// The key waits for a person.
    #[n(1)]
    HoldKey,
}

/// Where a new subscription starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub enum Place {
    /// Behind everything that is there.
    #[default]
    #[n(0)]
    End,
    /// Before everything that is there.
    #[n(1)]
    Start,
    /// At the first event recorded at or after then.
    #[n(2)]
    Time(#[n(0)] Timestamp),
    /// Behind this position.
    #[n(3)]
    After(#[n(0)] Position),
}
