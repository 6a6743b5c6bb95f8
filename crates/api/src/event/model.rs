//! The event as the outside knows it.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::write::View;
use crate::json::write::quoted;

/// An event. What a publisher may leave out is an option; times are text as it was written.
///
/// `T` is how texts are held: [`String`] in an event of its own, borrowed in a [`Draft`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event<T = String> {
    /// The id; unique with the source. Chosen by the server if absent.
    pub id: Option<T>,
    /// Who published it: a URI-reference, such as `/backend-architect`.
    pub source: T,
    /// What happened, such as `TaskCompletedEvent`.
    pub event_type: T,
    /// What it happened to.
    pub subject: Option<T>,
    /// When it happened: RFC 3339. The time of storing if absent.
    pub time: Option<T>,
    /// What sort of event it is; [`Kind::Event`] if absent.
    pub kind: Option<Kind>,
    /// The version of the data's shape; `1.0` if absent.
    pub version: Option<T>,
    /// The story it belongs to; its own id if absent.
    pub correlation_id: Option<T>,
    /// The id of the event that caused it.
    pub causation_id: Option<T>,
    /// How many events are in its chain of causes before it.
    pub hops: Option<u32>,
    /// The address of the agent it is for.
    pub to: Option<T>,
    /// The topic it is for, unless the URL says it.
    pub topic: Option<T>,
    /// What is kept in order.
    pub partition_key: Option<T>,
    /// How urgent it is; [`Priority::Normal`] if absent.
    pub priority: Option<Priority>,
    /// The entity whose events it is one of, such as `task/42`.
    pub stream: Option<T>,
    /// When it is of no use any more: RFC 3339.
    pub expires_at: Option<T>,
    /// When it is to be delivered, and not before: RFC 3339.
    pub deliver_at: Option<T>,
    /// The URI of the data's schema.
    pub data_schema: Option<T>,
    /// The media type of the data; JSON if absent.
    pub content_type: Option<T>,
    /// The trace it started in, as in the W3C header `traceparent`.
    pub trace_parent: Option<T>,
    /// More on that trace, as in the W3C header `tracestate`.
    pub trace_state: Option<T>,
    /// Further attributes, and members of an envelope that have no meaning here, in the order they came.
    pub extensions: Vec<Extension<T>>,
    /// The data; `None` is no data, which is not the same as the JSON value `null`.
    pub data: Option<Data>,
}

/// An event as it was read, still borrowing from the text it was read from.
pub type Draft<'a> = Event<Cow<'a, str>>;

impl Draft<'_> {
    /// Returns it with texts of its own.
    pub fn into_owned(self) -> Event {
        let own = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let extension = |one: Extension<Cow<'_, str>>| Extension {
            name: one.name.into_owned(),
            value: one.value.into_owned(),
        };
        Event {
            id: own(self.id),
            source: self.source.into_owned(),
            event_type: self.event_type.into_owned(),
            subject: own(self.subject),
            time: own(self.time),
            kind: self.kind,
            version: own(self.version),
            correlation_id: own(self.correlation_id),
            causation_id: own(self.causation_id),
            hops: self.hops,
            to: own(self.to),
            topic: own(self.topic),
            partition_key: own(self.partition_key),
            priority: self.priority,
            stream: own(self.stream),
            expires_at: own(self.expires_at),
            deliver_at: own(self.deliver_at),
            data_schema: own(self.data_schema),
            content_type: own(self.content_type),
            trace_parent: own(self.trace_parent),
            trace_state: own(self.trace_state),
            extensions: self.extensions.into_iter().map(extension).collect(),
            data: self.data,
        }
    }
}

impl Event {
    /// Returns an event with source and type, and nothing else.
    pub fn new(source: impl Into<String>, event_type: impl Into<String>) -> Event {
        Event { source: source.into(), event_type: event_type.into(), ..Event::default() }
    }

    /// Returns it with this JSON value as data.
    ///
    /// # Errors
    ///
    /// When the value cannot be written as JSON, such as a map whose keys are no strings.
    pub fn json<T: Serialize + ?Sized>(mut self, data: &T) -> Result<Event, serde_json::Error> {
        self.data = Some(Data { bytes: serde_json::to_vec(data)?.into(), form: Form::Json });
        Ok(self)
    }
}

impl<T: AsRef<str>> Event<T> {
    /// Returns the extension of that name.
    pub fn extension(&self, name: &str) -> Option<&Extension<T>> {
        self.extensions.iter().find(|extension| extension.name.as_ref() == name)
    }

    /// Returns it borrowed, ready to be written.
    pub fn view(&self) -> View<'_> {
        View {
            id: self.id.as_ref().map(T::as_ref),
            source: self.source.as_ref(),
            event_type: self.event_type.as_ref(),
            subject: self.subject.as_ref().map(T::as_ref),
            time: self.time.as_ref().map(T::as_ref),
            kind: self.kind,
            version: self.version.as_ref().map(T::as_ref),
            correlation_id: self.correlation_id.as_ref().map(T::as_ref),
            causation_id: self.causation_id.as_ref().map(T::as_ref),
            hops: self.hops,
            to: self.to.as_ref().map(T::as_ref),
            topic: self.topic.as_ref().map(T::as_ref),
            partition_key: self.partition_key.as_ref().map(T::as_ref),
            priority: self.priority,
            stream: self.stream.as_ref().map(T::as_ref),
            expires_at: self.expires_at.as_ref().map(T::as_ref),
            deliver_at: self.deliver_at.as_ref().map(T::as_ref),
            data_schema: self.data_schema.as_ref().map(T::as_ref),
            content_type: self.content_type.as_ref().map(T::as_ref),
            trace_parent: self.trace_parent.as_ref().map(T::as_ref),
            trace_state: self.trace_state.as_ref().map(T::as_ref),
            extensions: self.extensions.iter().map(|one| (one.name.as_ref(), one.value.as_ref())).collect(),
            data: self.data.as_ref().map(|data| (&data.bytes[..], data.form)),
        }
    }
}

/// An attribute that is not in the table.
///
/// A name of lower-case letters and digits is a CloudEvents extension and appears in both shapes (in the envelope within
/// `event`). Any other name is a member of an envelope that has no meaning here: `event.x` within `event`, `routing.x` within
/// `routing`, `.x` beside them. Such members are written back to where they came from, in envelopes only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extension<T = String> {
    /// The name.
    pub name: T,
    /// The value as JSON text, as it came. A CloudEvents extension is a string, a boolean or an integer.
    pub value: T,
}

impl Extension {
    /// Returns an extension with a string value.
    pub fn text(name: impl Into<String>, value: &str) -> Extension {
        Extension { name: name.into(), value: quoted(value) }
    }
}

impl<T: AsRef<str>> Extension<T> {
    /// Returns the value as CloudEvents writes it in headers and compares it in filters: a string's content, else the JSON text.
    pub fn canonical(&self) -> Cow<'_, str> {
        canonical(self.value.as_ref())
    }
}

/// Returns a scalar's JSON text as CloudEvents writes it: a string's content, else the text as it is.
pub fn canonical(json: &str) -> Cow<'_, str> {
    if json.starts_with('"') {
        return serde_json::from_str(json).map_or(Cow::Borrowed(json), Cow::Owned);
    }
    Cow::Borrowed(json)
}

/// What sort of event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It happened.
    #[default]
    Event,
    /// It asks one agent to act.
    Command,
    /// It asks one agent to answer.
    Query,
    /// It tells whoever listens.
    Notification,
}

impl Kind {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Event => "event",
            Kind::Command => "command",
            Kind::Query => "query",
            Kind::Notification => "notification",
        }
    }

    /// Returns the kind of that word.
    pub fn parse(word: &str) -> Option<Kind> {
        [Kind::Event, Kind::Command, Kind::Query, Kind::Notification]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// How urgent an event is: its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Before all others.
    Critical,
    /// Before most.
    High,
    /// As most are.
    #[default]
    Normal,
    /// After the others.
    Low,
}

impl Priority {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Critical => "critical",
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        }
    }

    /// Returns the priority of that word.
    pub fn parse(word: &str) -> Option<Priority> {
        [Priority::Critical, Priority::High, Priority::Normal, Priority::Low]
            .into_iter()
            .find(|one| one.as_str() == word)
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The data of an event, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// The bytes. JSON keeps its white space, its repeated members and every digit.
    pub bytes: Bytes,
    /// What the bytes are.
    pub form: Form,
}

impl Data {
    /// Returns the data that is this JSON text, which is not checked.
    pub fn json(text: impl Into<Bytes>) -> Data {
        Data { bytes: text.into(), form: Form::Json }
    }

    /// Returns the data that is this text.
    pub fn text(text: impl Into<String>) -> Data {
        Data { bytes: text.into().into(), form: Form::Text }
    }

    /// Returns the data that is these bytes.
    pub fn binary(bytes: impl Into<Bytes>) -> Data {
        Data { bytes: bytes.into(), form: Form::Binary }
    }
}

/// What the bytes of some data are, and so how they are written within JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// JSON text: written as it is.
    Json,
    /// UTF-8 text that is not JSON: written as a string.
    Text,
    /// Any bytes: written as base64.
    Binary,
}
