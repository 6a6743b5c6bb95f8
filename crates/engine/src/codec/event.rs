//! Fact 1, `EventPublished`: a CBOR map as in `cantus_core::fact`, but that strings which repeat within a frame are
//! numbers of words in the frame's dictionary.
//!
//! A field that may be a word is an unsigned number when it is one and a text when it is not: both are read.

use std::sync::Arc;

use cantus_core::Text;
use cantus_core::agent::AgentName;
use cantus_core::event::{Data, Event, Extension, Kind, Priority};
use cantus_core::fact::EventPublished;
use cantus_core::topic::TopicName;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use crate::local::{FrameBuilder, Words};

use super::texts::Texts;

/// Strings longer than this are written where they stand: a dictionary entry would not pay.
const WORD_BYTES_MAX: usize = 256;

pub(super) enum DecodeError {
    Layout(String),
    Word,
}

impl From<minicbor::decode::Error> for DecodeError {
    fn from(error: minicbor::decode::Error) -> Self {
        DecodeError::Layout(error.to_string())
    }
}

type Infallible = std::convert::Infallible;
type Written = Result<(), minicbor::encode::Error<Infallible>>;

pub(super) fn encode_published(published: &EventPublished, frame: &mut FrameBuilder, buffer: &mut Vec<u8>) {
    written(published, frame, buffer).expect("writing to memory can not fail");
}

fn written(published: &EventPublished, frame: &mut FrameBuilder, buffer: &mut Vec<u8>) -> Written {
    let mut e = Encoder::new(buffer);
    let optional = [
        published.revision.is_some(),
        published.only.is_some(),
        published.answers.is_some(),
        published.deferred_at.is_some(),
    ];
    e.map(3 + optional.iter().filter(|there| **there).count() as u64)?;
    e.u8(0)?;
    event(&published.event, frame, &mut e)?;
    e.u8(1)?;
    word(&published.actor, frame, &mut e)?;
    e.u8(2)?.u64(published.content)?;
    if let Some(revision) = published.revision {
        e.u8(3)?.u64(revision)?;
    }
    if let Some(only) = published.only {
        e.u8(4)?.u32(only)?;
    }
    if let Some(answers) = &published.answers {
        e.u8(5)?.encode(answers)?;
    }
    if let Some(deferred_at) = &published.deferred_at {
        e.u8(6)?.encode(deferred_at)?;
    }
    Ok(())
}

fn word(text: &str, frame: &mut FrameBuilder, e: &mut Encoder<&mut Vec<u8>>) -> Written {
    if text.len() > WORD_BYTES_MAX {
        e.str(text)?;
    } else {
        e.u32(frame.word(text))?;
    }
    Ok(())
}

fn event(event: &Event, frame: &mut FrameBuilder, e: &mut Encoder<&mut Vec<u8>>) -> Written {
    e.begin_map()?;
    e.u8(0)?.str(&event.id)?;
    e.u8(1)?;
    word(&event.source, frame, e)?;
    e.u8(2)?;
    word(&event.event_type, frame, e)?;
    e.u8(3)?;
    word(event.topic.as_str(), frame, e)?;
    // An event that starts its story has its own id as correlation: said by leaving it out.
    if event.correlation_id != event.id {
        e.u8(4)?;
        word(&event.correlation_id, frame, e)?;
    }
    if let Some(cause) = &event.causation_id {
        e.u8(5)?;
        word(cause, frame, e)?;
    }
    if event.hops != 0 {
        e.u8(6)?.u32(event.hops)?;
    }
    if let Some(subject) = &event.subject {
        e.u8(7)?.str(subject)?;
    }
    e.u8(8)?.str(&event.time)?;
    if event.kind != Kind::Event {
        e.u8(9)?.encode(event.kind)?;
    }
    if let Some(version) = &event.version {
        e.u8(10)?;
        word(version, frame, e)?;
    }
    if let Some(to) = &event.to {
        e.u8(11)?;
        word(to.as_str(), frame, e)?;
    }
    if let Some(key) = &event.partition_key {
        e.u8(12)?;
        word(key, frame, e)?;
    }
    if event.priority != Priority::Normal {
        e.u8(13)?.encode(event.priority)?;
    }
    if let Some(stream) = &event.stream {
        e.u8(14)?;
        word(stream, frame, e)?;
    }
    if let Some(at) = &event.expires_at {
        e.u8(15)?.encode(at)?;
    }
    if let Some(at) = &event.deliver_at {
        e.u8(16)?.encode(at)?;
    }
    for (number, text) in [(17, &event.data_schema), (18, &event.content_type)] {
        if let Some(text) = text {
            e.u8(number)?;
            word(text, frame, e)?;
        }
    }
    for (number, text) in [(19, &event.trace_parent), (20, &event.trace_state)] {
        if let Some(text) = text {
            e.u8(number)?.str(text)?;
        }
    }
    if !event.extensions.is_empty() {
        e.u8(21)?.array(event.extensions.len() as u64)?;
        for extension in &event.extensions {
            e.array(2)?;
            word(&extension.name, frame, e)?;
            e.str(&extension.json)?;
        }
    }
    if let Some(data) = &event.data {
        e.u8(22)?.encode(data)?;
    }
    e.end()?;
    Ok(())
}

/// What an event is found by, borrowed from its record: nothing else of it is read.
pub(super) struct Outline<'a> {
    pub(super) id: &'a str,
    pub(super) event_type: &'a str,
    pub(super) topic: &'a str,
    /// None when it is the id.
    pub(super) correlation_id: Option<&'a str>,
    pub(super) stream: Option<&'a str>,
    pub(super) priority: Priority,
}

/// Reads what a record of fact 1 is found by.
pub(super) fn outline<'a>(words: &Words<'a>, payload: &'a [u8]) -> Result<Outline<'a>, DecodeError> {
    let mut d = Decoder::new(payload);
    let fields = d.map()?.ok_or_else(|| DecodeError::Layout("the fact's map states no length".to_owned()))?;
    for _ in 0..fields {
        match d.u64()? {
            0 => return read_outline(&mut d, words),
            _ => d.skip()?,
        }
    }
    Err(DecodeError::Layout("the event is missing".to_owned()))
}

fn read_outline<'a>(d: &mut Decoder<'a>, words: &Words<'a>) -> Result<Outline<'a>, DecodeError> {
    d.map()?;
    let (mut id, mut topic, mut event_type) = (None, None, "");
    let (mut correlation_id, mut stream, mut priority) = (None, None, Priority::Normal);
    while d.datatype()? != Type::Break {
        match d.u64()? {
            0 => id = Some(d.str()?),
            2 => event_type = borrow_word(d, words)?,
            3 => topic = Some(borrow_word(d, words)?),
            4 => correlation_id = Some(borrow_word(d, words)?),
            13 => priority = d.decode()?,
            14 => stream = Some(borrow_word(d, words)?),
            _ => d.skip()?,
        }
    }
    let missing = |what: &str| DecodeError::Layout(format!("the event has no {what}"));
    Ok(Outline {
        id: id.ok_or_else(|| missing("id"))?,
        topic: topic.ok_or_else(|| missing("topic"))?,
        event_type,
        correlation_id,
        stream,
        priority,
    })
}

fn borrow_word<'a>(d: &mut Decoder<'a>, words: &Words<'a>) -> Result<&'a str, DecodeError> {
    match d.datatype()? {
        Type::String => Ok(d.str()?),
        _ => words.get(d.u32()?).ok_or(DecodeError::Word),
    }
}

fn read_word(d: &mut Decoder<'_>, texts: &mut Texts<'_>) -> Result<Text, DecodeError> {
    match d.datatype()? {
        Type::String => Ok(Text::from(d.str()?)),
        _ => texts.get(d.u32()?),
    }
}

pub(super) fn decode_published(texts: &mut Texts<'_>, payload: &[u8]) -> Result<EventPublished, DecodeError> {
    let mut d = Decoder::new(payload);
    let fields = d.map()?.ok_or_else(|| DecodeError::Layout("the fact's map states no length".to_owned()))?;
    let (mut event, mut actor, mut content) = (None, Text::default(), 0);
    let (mut revision, mut only, mut answers, mut deferred_at) = (None, None, None, None);
    for _ in 0..fields {
        match d.u64()? {
            0 => event = Some(read_event(&mut d, texts)?),
            1 => actor = read_word(&mut d, texts)?,
            2 => content = d.u64()?,
            3 => revision = Some(d.u64()?),
            4 => only = Some(d.u32()?),
            5 => answers = Some(d.decode()?),
            6 => deferred_at = Some(d.decode()?),
            _ => d.skip()?,
        }
    }
    let event = event.ok_or_else(|| DecodeError::Layout("the event is missing".to_owned()))?;
    Ok(EventPublished { event: Arc::new(event), actor, content, revision, only, answers, deferred_at })
}

fn read_event(d: &mut Decoder<'_>, texts: &mut Texts<'_>) -> Result<Event, DecodeError> {
    d.map()?;
    let (mut id, mut source, mut event_type, mut topic) = (None, None, None, None);
    let (mut correlation_id, mut causation_id, mut hops, mut subject, mut time) = (None, None, 0, None, None);
    let (mut kind, mut version, mut to, mut partition_key) = (Kind::Event, None, None, None);
    let (mut priority, mut stream, mut expires_at, mut deliver_at) = (Priority::Normal, None, None, None);
    let (mut data_schema, mut content_type, mut trace_parent, mut trace_state) = (None, None, None, None);
    let (mut extensions, mut data) = (Vec::new(), None);
    while d.datatype()? != Type::Break {
        match d.u64()? {
            0 => id = Some(Text::from(d.str()?)),
            1 => source = Some(read_word(d, texts)?),
            2 => event_type = Some(read_word(d, texts)?),
            3 => topic = Some(read_topic(d, texts)?),
            4 => correlation_id = Some(read_word(d, texts)?),
            5 => causation_id = Some(read_word(d, texts)?),
            6 => hops = d.u32()?,
            7 => subject = Some(Text::from(d.str()?)),
            8 => time = Some(Text::from(d.str()?)),
            9 => kind = d.decode()?,
            10 => version = Some(read_word(d, texts)?),
            11 => {
                let name = read_word(d, texts)?;
                let agent =
                    AgentName::parse(&name).map_err(|error| DecodeError::Layout(error.to_string()))?;
                to = Some(agent);
            }
            12 => partition_key = Some(read_word(d, texts)?),
            13 => priority = d.decode()?,
            14 => stream = Some(read_word(d, texts)?),
            15 => expires_at = Some(d.decode()?),
            16 => deliver_at = Some(d.decode()?),
            17 => data_schema = Some(read_word(d, texts)?),
            18 => content_type = Some(read_word(d, texts)?),
            19 => trace_parent = Some(Text::from(d.str()?)),
            20 => trace_state = Some(Text::from(d.str()?)),
            21 => extensions = read_extensions(d, texts)?,
            22 => data = Some(d.decode::<Data>()?),
            _ => d.skip()?,
        }
    }
    d.skip()?;
    let missing = |what: &str| DecodeError::Layout(format!("the event has no {what}"));
    let id = id.ok_or_else(|| missing("id"))?;
    Ok(Event {
        source: source.unwrap_or_default(),
        event_type: event_type.unwrap_or_default(),
        topic: topic.ok_or_else(|| missing("topic"))?,
        correlation_id: correlation_id.unwrap_or_else(|| id.clone()),
        id,
        causation_id,
        hops,
        subject,
        time: time.unwrap_or_default(),
        kind,
        version,
        to,
        partition_key,
        priority,
        stream,
        expires_at,
        deliver_at,
        data_schema,
        content_type,
        trace_parent,
        trace_state,
        extensions,
        data,
    })
}

fn read_topic(d: &mut Decoder<'_>, texts: &mut Texts<'_>) -> Result<TopicName, DecodeError> {
    match d.datatype()? {
        Type::String => texts.topic(d.str()?),
        _ => {
            let word = texts.word(d.u32()?)?;
            texts.topic(word)
        }
    }
}

fn read_extensions(d: &mut Decoder<'_>, texts: &mut Texts<'_>) -> Result<Vec<Extension>, DecodeError> {
    let count = d.array()?.ok_or_else(|| DecodeError::Layout("the extensions state no number".to_owned()))?;
    let mut extensions = Vec::new();
    for _ in 0..count {
        d.array()?;
        let name = read_word(d, texts)?;
        extensions.push(Extension { name, json: Text::from(d.str()?) });
    }
    Ok(extensions)
}
