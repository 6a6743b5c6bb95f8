//! The record.

use bytes::Bytes;
use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};
use minicbor::{Decode, Encode};

use crate::agent::AgentName;
use crate::text::Text;
use crate::time::Timestamp;
use crate::topic::TopicName;

/// An immutable record that somebody published. Times that a client wrote are kept as it wrote them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Event {
    /// With `source`, the identity.
    #[n(0)]
    pub id: Text,
    /// Who published it, a URI reference.
    #[n(1)]
    pub source: Text,
    /// What happened, such as `TaskCompleted`.
    #[n(2)]
    pub event_type: Text,
    /// The one line it lies in.
    #[n(3)]
    pub topic: TopicName,
    /// The story it belongs to.
    #[n(4)]
    pub correlation_id: Text,
    /// The event that caused it.
    #[n(5)]
    pub causation_id: Option<Text>,
    /// How many causes lie before it.
    #[n(6)]
    pub hops: u32,
    /// What it is about.
    #[n(7)]
    pub subject: Option<Text>,
    /// When it happened, RFC 3339 as written.
    #[n(8)]
    pub time: Text,
    /// What it asks for.
    #[n(9)]
    pub kind: Kind,
    /// The version of its payload's shape.
    #[n(10)]
    pub version: Option<Text>,
    /// The only agent that may receive it.
    #[n(11)]
    pub to: Option<AgentName>,
    /// Events with one key keep their order.
    #[n(12)]
    pub partition_key: Option<Text>,
    /// Its lane.
    #[n(13)]
    pub priority: Priority,
    /// The entity it belongs to, such as `task/42`.
    #[n(14)]
    pub stream: Option<Text>,
    /// Not delivered from then on.
    #[n(15)]
    pub expires_at: Option<Timestamp>,
    /// Not part of its topic before then.
    #[n(16)]
    pub deliver_at: Option<Timestamp>,
    /// Where its payload's schema is.
    #[n(17)]
    pub data_schema: Option<Text>,
    /// The payload's media type.
    #[n(18)]
    pub content_type: Option<Text>,
    /// W3C trace context of its creation.
    #[n(19)]
    pub trace_parent: Option<Text>,
    /// W3C trace state of its creation.
    #[n(20)]
    pub trace_state: Option<Text>,
    /// All other attributes, in the order they came.
    #[n(21)]
    pub extensions: Vec<Extension>,
    /// The payload; absent is not the same as JSON `null`.
    #[n(22)]
    pub data: Option<Data>,
}

impl Event {
    /// Returns an event that says no more than it must: it starts its own story, and has no data.
    pub fn new(id: Text, source: Text, event_type: Text, topic: TopicName, time: Text) -> Self {
        Self {
            correlation_id: id.clone(),
            id,
            source,
            event_type,
            topic,
            causation_id: None,
            hops: 0,
            subject: None,
            time,
            kind: Kind::default(),
            version: None,
            to: None,
            partition_key: None,
            priority: Priority::default(),
            stream: None,
            expires_at: None,
            deliver_at: None,
            data_schema: None,
            content_type: None,
            trace_parent: None,
            trace_state: None,
            extensions: Vec::new(),
            data: None,
        }
    }

    /// Returns the key that keeps events in order: the partition key, else the stream.
    pub fn order_key(&self) -> Option<&Text> {
        self.partition_key.as_ref().or(self.stream.as_ref())
    }

    /// Returns about how many bytes the event takes in memory.
    pub fn weight(&self) -> usize {
        self.data.as_ref().map_or(0, |data| data.bytes.0.len()) + 512 + self.extensions.len() * 64
    }

    /// Returns how many bytes the event takes in the log at most.
    pub fn footprint(&self) -> usize {
        /// What numbers, lengths and the frame around it take.
        const AROUND: usize = 256;
        const PER_EXTENSION: usize = 16;
        let texts =
            [&self.id, &self.source, &self.event_type, self.topic.text(), &self.correlation_id, &self.time];
        let optional = [
            &self.causation_id,
            &self.subject,
            &self.version,
            &self.partition_key,
            &self.stream,
            &self.data_schema,
            &self.content_type,
            &self.trace_parent,
            &self.trace_state,
        ];
        let texts = texts.into_iter().chain(optional.into_iter().flatten());
        let texts =
            texts.map(|text| text.len()).sum::<usize>() + self.to.as_ref().map_or(0, |to| to.as_str().len());
        let extensions = self.extensions.iter();
        let extensions = extensions.map(|it| it.name.len() + it.json.len() + PER_EXTENSION).sum::<usize>();
        let data = self.data.as_ref().map_or(0, |data| data.bytes.0.len());
        AROUND + texts + extensions + data
    }

    /// Returns whether the event may no longer be delivered.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// An attribute that is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Extension {
    /// Its name as it came.
    #[n(0)]
    pub name: Text,
    /// Its value as JSON text.
    #[n(1)]
    pub json: Text,
}

/// A payload and how it came.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Data {
    /// Which form it has.
    #[n(0)]
    pub form: Form,
    /// The bytes as they came.
    #[n(1)]
    pub bytes: Payload,
}

/// Bytes as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload(pub Bytes);

impl<C> Encode<C> for Payload {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Payload {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
        Ok(Self(Bytes::copy_from_slice(d.bytes()?)))
    }
}

/// The form of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Form {
    /// One JSON value.
    #[n(0)]
    Json,
    /// UTF-8 text.
    #[n(1)]
    Text,
    /// Anything else.
    #[n(2)]
    Binary,
}

/// What an event asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    /// Nothing: it happened.
    #[default]
    #[n(0)]
    Event,
    /// One agent shall act.
    #[n(1)]
    Command,
    /// One agent shall answer.
    #[n(2)]
    Query,
    /// Nothing: whoever listens may know.
    #[n(3)]
    Notification,
}

impl Kind {
    /// Returns the word users write.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Event => "event",
            Kind::Command => "command",
            Kind::Query => "query",
            Kind::Notification => "notification",
        }
    }
}

/// The lane of an event; a higher one goes first within a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Priority {
    /// First.
    #[n(0)]
    Critical,
    /// Before normal.
    #[n(1)]
    High,
    /// When nothing is said.
    #[default]
    #[n(2)]
    Normal,
    /// Last, never starved.
    #[n(3)]
    Low,
}

impl Priority {
    /// All lanes, the first served first.
    pub const ALL: [Priority; 4] = [Priority::Critical, Priority::High, Priority::Normal, Priority::Low];
    /// How many of twice-so-many turns each lane gets when all are full.
    pub const WEIGHTS: [u32; 4] = [8, 4, 2, 1];

    /// Returns the lane's index, 0 for the first served.
    pub fn lane(self) -> usize {
        self as usize
    }

    /// Returns the word users write.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Critical => "critical",
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        }
    }
}
