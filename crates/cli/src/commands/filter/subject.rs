//! How filters see an event of the wire: as the server would see it once it is stored.

use std::borrow::Cow;
use std::cell::OnceCell;

use cantus_api::Event;
use cantus_api::event::Form;
use cantus_api::time::Instant;
use cantus_core::filter::{Attribute, Subject};
use serde_json::Value;

/// An event of the wire as filters see it. What the server fills in the same way for everybody is filled in here too.
pub(crate) struct EventSubject<'a> {
    event: &'a Event,
    data: OnceCell<Option<Value>>,
}

/// The attributes that are no extensions, by their CloudEvents names.
const NAMES: [&str; 22] = [
    "specversion",
    "id",
    "type",
    "source",
    "subject",
    "time",
    "kind",
    "eventversion",
    "correlationid",
    "causationid",
    "hops",
    "to",
    "topic",
    "partitionkey",
    "priority",
    "stream",
    "expirytime",
    "deliverat",
    "dataschema",
    "datacontenttype",
    "traceparent",
    "tracestate",
];

impl<'a> EventSubject<'a> {
    /// Returns the event as filters see it.
    pub(crate) fn new(event: &'a Event) -> EventSubject<'a> {
        EventSubject { event, data: OnceCell::new() }
    }
}

fn text(value: &str) -> Option<Attribute<'_>> {
    Some(Attribute::Text(Cow::Borrowed(value)))
}

fn optional(value: Option<&String>) -> Option<Attribute<'_>> {
    value.and_then(|value| text(value))
}

// The server holds these as milliseconds since 1970.
fn milliseconds(value: Option<&String>) -> Option<Attribute<'_>> {
    Some(Attribute::Integer(Instant::parse(value?).ok()?.unix_ms()))
}

impl Subject for EventSubject<'_> {
    fn attribute(&self, name: &str) -> Option<Attribute<'_>> {
        let event = self.event;
        match name {
            "specversion" => text("1.0"),
            "id" => optional(event.id.as_ref()),
            "type" => text(&event.event_type),
            "source" => text(&event.source),
            "subject" => optional(event.subject.as_ref()),
            "time" | "timestamp" => optional(event.time.as_ref()),
            "kind" => text(event.kind.unwrap_or_default().as_str()),
            "eventversion" | "version" => text(event.version.as_deref().unwrap_or("1.0")),
            "correlationid" | "correlation_id" => {
                optional(event.correlation_id.as_ref().or(event.id.as_ref()))
            }
            "causationid" | "causation_id" => optional(event.causation_id.as_ref()),
            "hops" => Some(Attribute::Integer(i64::from(event.hops.unwrap_or(0)))),
            "to" => optional(event.to.as_ref()),
            "topic" => optional(event.topic.as_ref()),
            "partitionkey" | "partition_key" => optional(event.partition_key.as_ref()),
            "priority" => text(event.priority.unwrap_or_default().as_str()),
            "stream" => optional(event.stream.as_ref()),
            "expirytime" | "expires_at" => milliseconds(event.expires_at.as_ref()),
            "deliverat" | "deliver_at" => milliseconds(event.deliver_at.as_ref()),
            "dataschema" | "data_schema" => optional(event.data_schema.as_ref()),
            "datacontenttype" | "content_type" => optional(event.content_type.as_ref()),
            "traceparent" | "trace_parent" => optional(event.trace_parent.as_ref()),
            "tracestate" | "trace_state" => optional(event.trace_state.as_ref()),
            other => match serde_json::from_str(&event.extension(other)?.value).ok()? {
                Value::String(value) => Some(Attribute::Text(Cow::Owned(value))),
                Value::Bool(value) => Some(Attribute::Boolean(value)),
                Value::Number(value) => value.as_i64().map(Attribute::Integer),
                _ => None,
            },
        }
    }

    fn attribute_names(&self) -> Vec<Cow<'_, str>> {
        let ours =
            NAMES.iter().filter(|name| self.attribute(name).is_some()).map(|name| Cow::Borrowed(*name));
        ours.chain(self.event.extensions.iter().map(|extension| Cow::Borrowed(&*extension.name))).collect()
    }

    fn data(&self) -> Option<&Value> {
        self.data
            .get_or_init(|| {
                let data = self.event.data.as_ref()?;
                match data.form {
                    Form::Json => serde_json::from_slice(&data.bytes).ok(),
                    Form::Text => std::str::from_utf8(&data.bytes).ok().map(Value::from),
                    Form::Binary => None,
                }
            })
            .as_ref()
    }
}
