//! Events: the draft a client sent becomes an event without blanks, and an event becomes text in either shape.

use std::sync::Arc;

use cantus_api::error::{Code, Problem};
use cantus_api::event as wire;
use cantus_core::agent::AgentName;
use cantus_core::event::{Data, Event, Extension, Form, Kind, Payload, Priority};
use cantus_core::topic::TopicName;
use cantus_core::{Text, Timestamp, hash};
use cantus_runtime::Draft;
use ulid::Ulid;

use super::time;

/// What fills the blanks of an event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blanks<'a> {
    /// The topic of the URL: an event that names another is refused.
    pub topic: Option<&'a TopicName>,
    /// The topic of events that name none.
    pub topic_default: Option<&'a TopicName>,
    /// The time now.
    pub now: Timestamp,
    /// The event it answers or that caused it.
    pub cause: Option<&'a Cause>,
    /// The trace of the request, for events that name none.
    pub trace_parent: Option<&'a str>,
}

/// What an event takes from the one that caused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Its id.
    pub id: Text,
    /// The story it belongs to.
    pub correlation_id: Text,
    /// How many causes lie before it.
    pub hops: u32,
}

impl Cause {
    /// Returns what is taken from an event.
    pub fn of(event: &Event) -> Cause {
        Cause { id: event.id.clone(), correlation_id: event.correlation_id.clone(), hops: event.hops }
    }
}

/// Fills the blanks of an event that was read within its limits.
///
/// # Errors
/// `EVENT_INVALID`, `ATTRIBUTE_INVALID`, `TOPIC_INVALID` and `EVENT_EXPIRED`, with pointers as in a CloudEvent.
pub fn fill<T: AsRef<str>>(mut draft: wire::Event<T>, blanks: &Blanks<'_>) -> Result<Draft, Box<Problem>> {
    fill_sharing(&mut draft, blanks, &mut Shared::default())
}

/// Fills the blanks of one event of several, and takes its data. Texts that several of them have are kept once.
///
/// # Errors
/// As [`fill`].
pub fn fill_sharing<T: AsRef<str>>(
    draft: &mut wire::Event<T>,
    blanks: &Blanks<'_>,
    known: &mut Shared,
) -> Result<Draft, Box<Problem>> {
    let topic = topic_of(draft.topic.as_ref().map(T::as_ref), blanks, known)?;
    let content = content_of(draft);
    let own = |text: &Option<T>| text.as_ref().map(|text| Text::from(text.as_ref()));
    let mut shared = |text: &Option<T>| text.as_ref().map(|text| known.text(text.as_ref()));
    let moment = |name: &str, text: &Option<T>| match text {
        Some(text) => {
            time::parse(text.as_ref()).map(Some).map_err(|wrong| attribute(name, wrong.to_string()))
        }
        None => Ok(None),
    };
    let expires_at = moment("expirytime", &draft.expires_at)?;
    let deliver_at = moment("deliverat", &draft.deliver_at)?;
    let to = match &draft.to {
        Some(to) => Some(AgentName::parse(to.as_ref()).map_err(|wrong| attribute("to", wrong.to_string()))?),
        None => None,
    };
    let id = own(&draft.id).unwrap_or_else(|| fresh_id(cantus_api::ids::EVENT_PREFIX));
    let cause = blanks.cause;
    let correlation_id = shared(&draft.correlation_id)
        .or_else(|| cause.map(|cause| cause.correlation_id.clone()))
        .unwrap_or_else(|| id.clone());
    let causation_id = shared(&draft.causation_id).or_else(|| cause.map(|cause| cause.id.clone()));
    let hops = draft.hops.unwrap_or(0).max(cause.map_or(0, |cause| cause.hops.saturating_add(1)));
    let event = Event {
        content_type: shared(&draft.content_type),
        data_schema: shared(&draft.data_schema),
        stream: shared(&draft.stream),
        partition_key: shared(&draft.partition_key),
        version: shared(&draft.version),
        source: known.text(draft.source.as_ref()),
        event_type: known.text(draft.event_type.as_ref()),
        topic,
        correlation_id,
        causation_id,
        hops,
        subject: own(&draft.subject),
        time: own(&draft.time).unwrap_or_else(|| known.time(blanks.now)),
        kind: kind_in(draft.kind.unwrap_or_default()),
        to,
        priority: priority_in(draft.priority.unwrap_or_default()),
        expires_at,
        deliver_at,
        trace_parent: own(&draft.trace_parent).or_else(|| blanks.trace_parent.map(Text::from)),
        trace_state: own(&draft.trace_state),
        extensions: draft
            .extensions
            .iter()
            .map(|one| Extension {
                name: Text::from(one.name.as_ref()),
                json: Text::from(one.value.as_ref()),
            })
            .collect(),
        data: draft.data.take().map(data_in),
        id,
    };
    Ok(Draft { event: Arc::new(event), content })
}

/// Texts that several events have: the last of each length and look are known, the others are made anew.
#[derive(Debug, Default)]
pub struct Shared {
    texts: [Option<Text>; 32],
    topic: Option<TopicName>,
    time: Option<(Timestamp, Text)>,
}

impl Shared {
    fn text(&mut self, text: &str) -> Text {
        let bytes = text.as_bytes();
        let byte = |at: usize| usize::from(bytes.get(at).copied().unwrap_or(0));
        let look =
            bytes.len() + 3 * byte(0) + 5 * byte(bytes.len() / 2) + 7 * byte(bytes.len().wrapping_sub(1));
        let place = &mut self.texts[look % 32];
        match place {
            Some(known) if **known == *text => known.clone(),
            _ => place.insert(Text::from(text)).clone(),
        }
    }

    fn time(&mut self, at: Timestamp) -> Text {
        match &self.time {
            Some((known, text)) if *known == at => text.clone(),
            _ => self.time.insert((at, Text::from(time::text(at)))).1.clone(),
        }
    }
}

fn topic_of(named: Option<&str>, blanks: &Blanks<'_>, known: &mut Shared) -> Result<TopicName, Box<Problem>> {
    let Some(named) = named else {
        let given = blanks.topic.or(blanks.topic_default).cloned();
        return given.ok_or_else(|| {
            let detail = "is missing: no topic is named";
            Box::new(
                Problem::new(Code::EventInvalid, format!("`topic` {detail}"))
                    .at("#/topic", detail)
                    .hint("add \"topic\" to the event, or publish to /v1/topics/TOPIC/events"),
            )
        });
    };
    let topic = match &known.topic {
        Some(topic) if topic.as_str() == named => topic.clone(),
        _ => {
            let topic = TopicName::parse(named).map_err(|wrong| {
                Problem::new(Code::TopicInvalid, wrong.to_string()).at("#/topic", wrong.to_string())
            })?;
            known.topic.insert(topic).clone()
        }
    };
    match blanks.topic.filter(|meant| **meant != topic) {
        None => Ok(topic),
        Some(meant) => {
            let detail = format!("names topic `{topic}`, the URL names `{meant}`");
            Err(Box::new(
                Problem::new(Code::EventInvalid, format!("`topic` {detail}"))
                    .at("#/topic", detail)
                    .hint("leave it out, or publish to /v1/events"),
            ))
        }
    }
}

fn attribute(name: &str, wrong: String) -> Box<Problem> {
    let problem = Problem::new(Code::AttributeInvalid, format!("`{name}` {wrong}"));
    Box::new(problem.at(format!("#/{name}"), wrong))
}

/// Returns a new id: the prefix and a ULID.
pub fn fresh_id(prefix: &str) -> Text {
    let mut ulid = [0; ulid::ULID_LEN];
    let ulid: &str = Ulid::generate().array_to_str(&mut ulid);
    let mut id = [0; 64];
    let length = prefix.len() + ulid.len();
    id[..prefix.len()].copy_from_slice(prefix.as_bytes());
    id[prefix.len()..length].copy_from_slice(ulid.as_bytes());
    Text::from(std::str::from_utf8(&id[..length]).expect("prefix and ULID are text"))
}

/// Returns the hash of what a client sent: the same whatever shape or mode it came in, and before any blank is filled.
pub fn content_of<T: AsRef<str>>(draft: &wire::Event<T>) -> u64 {
    const ABSENT: &[u8] = &[0xFF]; // No text has this byte.
    fn text<T: AsRef<str>>(text: &Option<T>) -> &[u8] {
        text.as_ref().map_or(ABSENT, |text| text.as_ref().as_bytes())
    }
    let hops = draft.hops.map(u32::to_le_bytes);
    let form = match draft.data.as_ref().map(|data| data.form) {
        None => ABSENT,
        Some(wire::Form::Json) => b"json",
        Some(wire::Form::Text) => b"text",
        Some(wire::Form::Binary) => b"binary",
    };
    // The topic is left out: the window is the topic's own, and the URL may say it as well as the event.
    let mut parts: Vec<&[u8]> = Vec::with_capacity(24 + 2 * draft.extensions.len());
    parts.extend([
        text(&draft.id),
        draft.source.as_ref().as_bytes(),
        draft.event_type.as_ref().as_bytes(),
        text(&draft.subject),
        text(&draft.time),
        draft.kind.unwrap_or_default().as_str().as_bytes(),
        text(&draft.version),
        text(&draft.correlation_id),
        text(&draft.causation_id),
        hops.as_ref().map_or(ABSENT, |hops| &hops[..]),
        text(&draft.to),
        text(&draft.partition_key),
        draft.priority.unwrap_or_default().as_str().as_bytes(),
        text(&draft.stream),
        text(&draft.expires_at),
        text(&draft.deliver_at),
        text(&draft.data_schema),
        text(&draft.content_type),
        text(&draft.trace_parent),
        text(&draft.trace_state),
        form,
    ]);
    let mut extensions: Vec<(&str, &str)> =
        draft.extensions.iter().map(|one| (one.name.as_ref(), one.value.as_ref())).collect();
    extensions.sort_unstable();
    parts.extend(extensions.into_iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]));
    parts.extend(draft.data.as_ref().map(|data| &data.bytes[..]));
    hash::parts(&parts) as u64
}

fn data_in(data: wire::Data) -> Data {
    let form = match data.form {
        wire::Form::Json => Form::Json,
        wire::Form::Text => Form::Text,
        wire::Form::Binary => Form::Binary,
    };
    Data { form, bytes: Payload(data.bytes) }
}

fn kind_in(kind: wire::Kind) -> Kind {
    match kind {
        wire::Kind::Event => Kind::Event,
        wire::Kind::Command => Kind::Command,
        wire::Kind::Query => Kind::Query,
        wire::Kind::Notification => Kind::Notification,
    }
}

fn kind_out(kind: Kind) -> wire::Kind {
    match kind {
        Kind::Event => wire::Kind::Event,
        Kind::Command => wire::Kind::Command,
        Kind::Query => wire::Kind::Query,
        Kind::Notification => wire::Kind::Notification,
    }
}

fn priority_in(priority: wire::Priority) -> Priority {
    match priority {
        wire::Priority::Critical => Priority::Critical,
        wire::Priority::High => Priority::High,
        wire::Priority::Normal => Priority::Normal,
        wire::Priority::Low => Priority::Low,
    }
}

/// Returns a priority for the wire.
pub fn priority_out(priority: Priority) -> wire::Priority {
    match priority {
        Priority::Critical => wire::Priority::Critical,
        Priority::High => wire::Priority::High,
        Priority::Normal => wire::Priority::Normal,
        Priority::Low => wire::Priority::Low,
    }
}

/// Hands on an event as the wire sees it. Kind and hops are left out where they say nothing.
pub fn with_view<R>(event: &Event, look: impl FnOnce(&wire::View<'_>) -> R) -> R {
    let expires_at = event.expires_at.map(time::text);
    let deliver_at = event.deliver_at.map(time::text);
    let view = wire::View {
        id: Some(&event.id),
        source: &event.source,
        event_type: &event.event_type,
        subject: event.subject.as_deref(),
        time: Some(&event.time),
        kind: (event.kind != Kind::Event).then(|| kind_out(event.kind)),
        version: event.version.as_deref(),
        correlation_id: Some(&event.correlation_id),
        causation_id: event.causation_id.as_deref(),
        hops: (event.hops > 0).then_some(event.hops),
        to: event.to.as_ref().map(AgentName::as_str),
        topic: Some(event.topic.as_str()),
        partition_key: event.partition_key.as_deref(),
        priority: Some(priority_out(event.priority)),
        stream: event.stream.as_deref(),
        expires_at: expires_at.as_deref(),
        deliver_at: deliver_at.as_deref(),
        data_schema: event.data_schema.as_deref(),
        content_type: event.content_type.as_deref(),
        trace_parent: event.trace_parent.as_deref(),
        trace_state: event.trace_state.as_deref(),
        extensions: event.extensions.iter().map(|one| (&*one.name, &*one.json)).collect(),
        data: event.data.as_ref().map(|data| {
            let form = match data.form {
                Form::Json => wire::Form::Json,
                Form::Text => wire::Form::Text,
                Form::Binary => wire::Form::Binary,
            };
            (&data.bytes.0[..], form)
        }),
    };
    look(&view)
}

/// Appends an event as JSON.
pub fn write(out: &mut Vec<u8>, event: &Event, shape: wire::Shape) {
    with_view(event, |view| wire::write(out, view, shape));
}

/// Returns an event as JSON text to be put into an answer.
pub fn text(event: &Event, shape: wire::Shape) -> wire::Text {
    with_view(event, |view| wire::Text::of(view, shape))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use cantus_api::event::{Limits, Reader, Shape};

    fn read(json: &str, blanks: &Blanks<'_>) -> Result<Draft, Box<Problem>> {
        let (limits, body) = (Limits::default(), Bytes::copy_from_slice(json.as_bytes()));
        let draft = Reader::new(&limits).event(&body)?;
        fill(draft, blanks)
    }

    fn topic(name: &str) -> TopicName {
        TopicName::parse(name).unwrap()
    }

    #[test]
    fn an_event_starts_its_own_story() {
        let tasks = topic("tasks");
        let blanks = Blanks { topic: Some(&tasks), ..Blanks::default() };
        let draft = read(r#"{"specversion":"1.0","type":"A","source":"/a"}"#, &blanks).unwrap();
        assert!(draft.event.id.starts_with("evt_"));
        assert_eq!(draft.event.id, draft.event.correlation_id);
        assert_eq!(&*draft.event.time, "1970-01-01T00:00:00.000Z");
        assert_eq!((draft.event.hops, &draft.event.causation_id), (0, &None));
    }

    #[test]
    fn what_has_a_cause_inherits_its_story_and_has_one_hop_more() {
        let tasks = topic("tasks");
        let cause = Cause { id: "e0".into(), correlation_id: "c0".into(), hops: 4 };
        let blanks = Blanks { topic: Some(&tasks), cause: Some(&cause), ..Blanks::default() };
        let draft = read(r#"{"specversion":"1.0","type":"A","source":"/a","hops":1}"#, &blanks).unwrap();
        assert_eq!(draft.event.correlation_id, "c0".into());
        assert_eq!(draft.event.causation_id, Some("e0".into()));
        assert_eq!(draft.event.hops, 5);
    }

    #[test]
    fn the_topic_of_the_url_and_that_of_the_event_must_be_one() {
        let tasks = topic("tasks");
        let blanks = Blanks { topic: Some(&tasks), ..Blanks::default() };
        let other = r#"{"specversion":"1.0","type":"A","source":"/a","topic":"other"}"#;
        assert!(read(other, &blanks).unwrap_err().is(Code::EventInvalid));
        let by_default = Blanks { topic_default: Some(&tasks), ..Blanks::default() };
        assert_eq!(read(other, &by_default).unwrap().event.topic.as_str(), "other");
        let none = r#"{"specversion":"1.0","type":"A","source":"/a"}"#;
        let problem = read(none, &Blanks::default()).unwrap_err();
        assert_eq!(problem.errors[0].pointer.as_deref(), Some("#/topic"));
        let illegal = r#"{"specversion":"1.0","type":"A","source":"/a","topic":"$system"}"#;
        assert!(read(illegal, &Blanks::default()).unwrap_err().is(Code::TopicInvalid));
    }

    #[test]
    fn the_same_content_in_either_shape_is_the_same_content() {
        let tasks = topic("t");
        let blanks = Blanks { topic: Some(&tasks), ..Blanks::default() };
        let flat = r#"{"specversion":"1.0","id":"1","type":"A","source":"/a","x":"y","w":1,"topic":"t","data":{"n":1}}"#;
        let nested = r#"{"event":{"id":"1","type":"A","source":"/a","w":1,"x":"y"},"payload":{"n":1}}"#;
        let other = r#"{"event":{"id":"1","type":"A","source":"/a","w":1,"x":"y"},"payload":{"n":2}}"#;
        let content = |json| read(json, &blanks).unwrap().content;
        assert_eq!(content(flat), content(nested));
        assert_ne!(content(flat), content(other));
    }

    #[test]
    fn what_was_read_is_written_again() {
        let text = concat!(
            r#"{"specversion":"1.0","id":"1","type":"A","source":"/a","subject":"s","time":"2025-11-29T14:30:00Z","#,
            r#""kind":"query","eventversion":"2.0","correlationid":"c","causationid":"z","hops":3,"to":"/b","topic":"t","#,
            r#""partitionkey":"k","priority":"high","stream":"task/42","expirytime":"2999-01-01T00:00:00.000Z","#,
            r#""dataschema":"http://x/y","datacontenttype":"application/json","custom":true,"data":{"n":1e400, "m":-0}}"#
        );
        let draft = read(text, &Blanks::default()).unwrap();
        let mut out = Vec::new();
        write(&mut out, &draft.event, Shape::CloudEvent);
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
