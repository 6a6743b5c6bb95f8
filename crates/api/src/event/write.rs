//! Writing events as JSON, straight into bytes.

use base64::Engine as _;
use serde::{Deserialize, Serialize};

use super::model::{Form, Kind, Priority};
use super::table::clashes_in_envelope;
use crate::json::compact;
use crate::json::write::string;

/// The two shapes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// `{"specversion":"1.0",…}`
    #[default]
    #[serde(alias = "cloudevents")]
    CloudEvent,
    /// `{"event":…,"payload":…,"routing":…}`
    Envelope,
}

impl Shape {
    /// Returns the media type of one event in this shape.
    pub fn media_type(self) -> &'static str {
        match self {
            Shape::CloudEvent => "application/cloudevents+json",
            Shape::Envelope => super::envelope::MEDIA_TYPE,
        }
    }
}

/// An event borrowed from whoever holds it. The fields are those of [`Event`](super::Event).
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "every field is described at Event")]
pub struct View<'a> {
    pub id: Option<&'a str>,
    pub source: &'a str,
    pub event_type: &'a str,
    pub subject: Option<&'a str>,
    pub time: Option<&'a str>,
    pub kind: Option<Kind>,
    pub version: Option<&'a str>,
    pub correlation_id: Option<&'a str>,
    pub causation_id: Option<&'a str>,
    pub hops: Option<u32>,
    pub to: Option<&'a str>,
    pub topic: Option<&'a str>,
    pub partition_key: Option<&'a str>,
    pub priority: Option<Priority>,
    pub stream: Option<&'a str>,
    pub expires_at: Option<&'a str>,
    pub deliver_at: Option<&'a str>,
    pub data_schema: Option<&'a str>,
    pub content_type: Option<&'a str>,
    pub trace_parent: Option<&'a str>,
    pub trace_state: Option<&'a str>,
    /// Name and JSON text of each.
    pub extensions: Vec<(&'a str, &'a str)>,
    pub data: Option<(&'a [u8], Form)>,
}

/// Appends the event in the shape asked for. JSON data is written as it came, with its white space.
pub fn write(out: &mut Vec<u8>, event: &View<'_>, shape: Shape) {
    put(out, event, shape, &|out, json| out.extend_from_slice(json));
}

/// Appends the event as one line, without the line end: JSON data loses the white space between its tokens, and nothing else.
pub fn write_line(out: &mut Vec<u8>, event: &View<'_>, shape: Shape) {
    put(out, event, shape, &|out, json| {
        if json.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            compact(out, json);
        } else {
            out.extend_from_slice(json);
        }
    });
}

type PutJson<'f> = &'f dyn Fn(&mut Vec<u8>, &[u8]);

fn put(out: &mut Vec<u8>, event: &View<'_>, shape: Shape, put_json: PutJson<'_>) {
    out.reserve(320 + event.data.map_or(0, |(bytes, _)| bytes.len()));
    match shape {
        Shape::CloudEvent => cloudevent(out, event, put_json),
        Shape::Envelope => envelope(out, event, put_json),
    }
}

fn cloudevent(out: &mut Vec<u8>, event: &View<'_>, put_json: PutJson<'_>) {
    out.extend_from_slice(b"{\"specversion\":\"1.0\"");
    text(out, ",\"id\":", event.id);
    text(out, ",\"type\":", Some(event.event_type));
    text(out, ",\"source\":", Some(event.source));
    text(out, ",\"subject\":", event.subject);
    text(out, ",\"time\":", event.time);
    text(out, ",\"kind\":", event.kind.map(Kind::as_str));
    text(out, ",\"eventversion\":", event.version);
    text(out, ",\"correlationid\":", event.correlation_id);
    text(out, ",\"causationid\":", event.causation_id);
    number(out, ",\"hops\":", event.hops);
    text(out, ",\"to\":", event.to);
    text(out, ",\"topic\":", event.topic);
    text(out, ",\"partitionkey\":", event.partition_key);
    text(out, ",\"priority\":", event.priority.map(Priority::as_str));
    text(out, ",\"stream\":", event.stream);
    text(out, ",\"expirytime\":", event.expires_at);
    text(out, ",\"deliverat\":", event.deliver_at);
    text(out, ",\"dataschema\":", event.data_schema);
    text(out, ",\"datacontenttype\":", event.content_type);
    text(out, ",\"traceparent\":", event.trace_parent);
    text(out, ",\"tracestate\":", event.trace_state);
    for (name, value) in &event.extensions {
        if !name.contains('.') {
            member(out, true, name, value);
        }
    }
    data(out, event, ["data", "data_base64"], put_json);
    out.push(b'}');
}

fn envelope(out: &mut Vec<u8>, event: &View<'_>, put_json: PutJson<'_>) {
    out.extend_from_slice(b"{\"event\":{");
    let start = out.len();
    text(out, ",\"id\":", event.id);
    text(out, ",\"type\":", Some(event.event_type));
    text(out, ",\"source\":", Some(event.source));
    text(out, ",\"subject\":", event.subject);
    text(out, ",\"timestamp\":", event.time);
    text(out, ",\"kind\":", event.kind.map(Kind::as_str));
    text(out, ",\"version\":", event.version);
    text(out, ",\"correlation_id\":", event.correlation_id);
    text(out, ",\"causation_id\":", event.causation_id);
    number(out, ",\"hops\":", event.hops);
    text(out, ",\"data_schema\":", event.data_schema);
    text(out, ",\"content_type\":", event.content_type);
    text(out, ",\"trace_parent\":", event.trace_parent);
    text(out, ",\"trace_state\":", event.trace_state);
    for (name, value) in &event.extensions {
        if let Some(own) = name.strip_prefix("event.") {
            member(out, true, own, value);
        } else if !name.contains('.') && clashes_in_envelope(name) {
            member(out, true, &format!("ce_{name}"), value);
        } else if !name.contains('.') {
            member(out, true, name, value);
        }
    }
    close(out, start);
    data(out, event, ["payload", "payload_base64"], put_json);
    out.extend_from_slice(b",\"routing\":{");
    let start = out.len();
    text(out, ",\"to\":", event.to);
    text(out, ",\"topic\":", event.topic);
    text(out, ",\"partition_key\":", event.partition_key);
    text(out, ",\"priority\":", event.priority.map(Priority::as_str));
    text(out, ",\"stream\":", event.stream);
    text(out, ",\"expires_at\":", event.expires_at);
    text(out, ",\"deliver_at\":", event.deliver_at);
    for (name, value) in &event.extensions {
        if let Some(own) = name.strip_prefix("routing.") {
            member(out, true, own, value);
        }
    }
    if out.len() == start {
        out.truncate(start - b",\"routing\":{".len());
    } else {
        close(out, start);
    }
    for (name, value) in &event.extensions {
        if let Some(own) = name.strip_prefix('.') {
            member(out, true, own, value);
        }
    }
    out.push(b'}');
}

// Every member was written with a comma before it: the first one's is taken away again.
fn close(out: &mut Vec<u8>, start: usize) {
    if out.get(start) == Some(&b',') {
        out.remove(start);
    }
    out.push(b'}');
}

fn text(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.extend_from_slice(name.as_bytes());
        string(out, value);
    }
}

fn number(out: &mut Vec<u8>, name: &str, value: Option<u32>) {
    if let Some(value) = value {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(value.to_string().as_bytes());
    }
}

fn member(out: &mut Vec<u8>, comma: bool, name: &str, json: &str) {
    if comma {
        out.push(b',');
    }
    string(out, name);
    out.push(b':');
    compact(out, json.as_bytes());
}

fn data(out: &mut Vec<u8>, event: &View<'_>, names: [&str; 2], put_json: PutJson<'_>) {
    let Some((bytes, form)) = event.data else { return };
    let name = if form == Form::Binary { names[1] } else { names[0] };
    out.push(b',');
    string(out, name);
    out.push(b':');
    match form {
        Form::Json => put_json(out, bytes),
        Form::Text => match std::str::from_utf8(bytes) {
            Ok(bytes) => string(out, bytes),
            Err(_) => string(out, &String::from_utf8_lossy(bytes)),
        },
        Form::Binary => {
            out.push(b'"');
            out.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(bytes).as_bytes());
            out.push(b'"');
        }
    }
}
