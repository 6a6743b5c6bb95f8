//! Rows: the pieces of state that a checkpoint keeps, each under a key. A checkpoint is a cache: the log is the truth.

use crate::agent::AgentName;
use crate::ids::{BulkId, DeadLetterId, Position};
use crate::text::Text;
use crate::topic::TopicName;

/// The name of a piece of state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Counters and the version of the definitions.
    Meta,
    /// A topic.
    Topic(TopicName),
    /// An agent.
    Agent(AgentName),
    /// A subscription, without what it has open.
    Subscription(u32),
    /// An open delivery: subscription, position, generation.
    Open(u32, Position, u16),
    /// A dead letter.
    DeadLetter(DeadLetterId),
    /// The revision of a stream, by the hash of its name. Cold: loaded when a decision asks for it.
    Stream(u64),
    /// A chunk of a topic's dedupe window.
    Dedupe(Text, u64),
    /// An accepted event that is published later.
    Deferred(Position),
    /// An answered request, by the hash of its idempotency key.
    Request(u128),
    /// Parked agents, by the fact that parked them.
    Pause(Position),
    /// An erasure, by its fact.
    Erasure(Position),
    /// A part of the log that is lost, by its first place.
    Gap(Position),
    /// A bulk operation.
    Bulk(BulkId),
    /// The items of a bulk operation that runs.
    BulkItems(BulkId),
    /// How far the audit has got.
    Audit,
    /// Not a row: the event at a position of the log, for decisions that need its body.
    Event(Position),
}

impl Key {
    /// Writes the key so that keys of one kind lie together.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(24);
        match self {
            Key::Meta => bytes.push(1),
            Key::Topic(name) => {
                bytes.push(2);
                bytes.extend(name.as_str().as_bytes());
            }
            Key::Agent(name) => {
                bytes.push(3);
                bytes.extend(name.as_str().as_bytes());
            }
            Key::Subscription(number) => {
                bytes.push(4);
                bytes.extend(number.to_be_bytes());
            }
            Key::Open(number, position, generation) => {
                bytes.push(5);
                bytes.extend(number.to_be_bytes());
                bytes.extend(position.0.to_be_bytes());
                bytes.extend(generation.to_be_bytes());
            }
            Key::DeadLetter(id) => {
                bytes.push(6);
                bytes.extend(id.0.0.to_be_bytes());
            }
            Key::Stream(hash) => {
                bytes.push(7);
                bytes.extend(hash.to_be_bytes());
            }
            Key::Dedupe(topic, chunk) => {
                bytes.push(8);
                bytes.extend(chunk.to_be_bytes());
                bytes.extend(topic.as_bytes());
            }
            Key::Deferred(position) => {
                bytes.push(9);
                bytes.extend(position.0.to_be_bytes());
            }
            Key::Request(hash) => {
                bytes.push(10);
                bytes.extend(hash.to_be_bytes());
            }
            Key::Pause(position) => {
                bytes.push(11);
                bytes.extend(position.0.to_be_bytes());
            }
            Key::Erasure(position) => {
                bytes.push(20);
                bytes.extend(position.0.to_be_bytes());
            }
            Key::Gap(position) => {
                bytes.push(21);
                bytes.extend(position.0.to_be_bytes());
            }
            Key::Bulk(id) => {
                bytes.push(24);
                bytes.extend(id.0.0.to_be_bytes());
            }
            Key::BulkItems(id) => {
                bytes.push(25);
                bytes.extend(id.0.0.to_be_bytes());
            }
            Key::Audit => bytes.push(26),
            Key::Event(position) => {
                bytes.push(12);
                bytes.extend(position.0.to_be_bytes());
            }
        }
        bytes
    }

    /// Reads a key; None when the bytes are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Key> {
        let (&tag, rest) = bytes.split_first()?;
        let u64_at = |from: usize| Some(u64::from_be_bytes(rest.get(from..from + 8)?.try_into().ok()?));
        let u32_at = |from: usize| Some(u32::from_be_bytes(rest.get(from..from + 4)?.try_into().ok()?));
        let text = |from: usize| std::str::from_utf8(rest.get(from..)?).ok();
        Some(match tag {
            1 => Key::Meta,
            2 => Key::Topic(TopicName::parse(text(0)?).ok()?),
            3 => Key::Agent(AgentName::parse(text(0)?).ok()?),
            4 => Key::Subscription(u32_at(0)?),
            5 => {
                let generation = u16::from_be_bytes(rest.get(12..14)?.try_into().ok()?);
                Key::Open(u32_at(0)?, Position(u64_at(4)?), generation)
            }
            6 => Key::DeadLetter(DeadLetterId(Position(u64_at(0)?))),
            7 => Key::Stream(u64_at(0)?),
            8 => Key::Dedupe(Text::from(text(8)?), u64_at(0)?),
            9 => Key::Deferred(Position(u64_at(0)?)),
            10 => Key::Request(u128::from_be_bytes(rest.get(0..16)?.try_into().ok()?)),
            11 => Key::Pause(Position(u64_at(0)?)),
            20 => Key::Erasure(Position(u64_at(0)?)),
            21 => Key::Gap(Position(u64_at(0)?)),
            24 => Key::Bulk(BulkId(Position(u64_at(0)?))),
            26 => Key::Audit,
            25 => Key::BulkItems(BulkId(Position(u64_at(0)?))),
            _ => return None,
        })
    }

    /// Tells whether the row stays on disk until a decision asks for it.
    pub fn is_cold(&self) -> bool {
        matches!(self, Key::Stream(_) | Key::Event(_))
    }
}

/// What a decision asked for.
#[derive(Clone, Debug)]
pub enum Loaded {
    /// A row of state, or None where there is none.
    Row(Option<Vec<u8>>),
    /// An event of the log, or None where it can not be read any more.
    Event(Option<std::sync::Arc<crate::event::Event>>),
}
