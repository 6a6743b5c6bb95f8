//! How filters and templates see an event.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::Value;

use super::{Event, Form};
use crate::filter::{Attribute, Subject};

/// An event as filters see it: attributes by their names in either shape, the payload parsed once when first asked.
pub struct EventSubject<'a> {
    event: &'a Event,
    data: OnceCell<Option<Value>>,
}

impl<'a> EventSubject<'a> {
    /// Creates the view.
    pub fn new(event: &'a Event) -> Self {
        Self { event, data: OnceCell::new() }
    }
}

fn text(value: &str) -> Option<Attribute<'_>> {
    Some(Attribute::Text(Cow::Borrowed(value)))
}

fn optional(value: Option<&crate::Text>) -> Option<Attribute<'_>> {
    value.and_then(|value| text(value.as_str()))
}

impl Subject for EventSubject<'_> {
    fn attribute(&self, name: &str) -> Option<Attribute<'_>> {
        let event = self.event;
        match name {
            "specversion" => text("1.0"),
            "id" => text(&event.id),
            "type" => text(&event.event_type),
            "source" => text(&event.source),
            "subject" => optional(event.subject.as_ref()),
            "time" | "timestamp" => text(&event.time),
            "kind" => text(event.kind.as_str()),
            "eventversion" | "version" => text(event.version.as_deref().unwrap_or("1.0")),
            "correlationid" | "correlation_id" => text(&event.correlation_id),
            "causationid" | "causation_id" => optional(event.causation_id.as_ref()),
            "hops" => Some(Attribute::Integer(i64::from(event.hops))),
            "to" => text(event.to.as_ref()?.as_str()),
            "topic" => text(event.topic.as_str()),
            "partitionkey" | "partition_key" => optional(event.partition_key.as_ref()),
            "priority" => text(event.priority.as_str()),
            "stream" => optional(event.stream.as_ref()),
            "expirytime" | "expires_at" => Some(Attribute::Integer(event.expires_at?.0)),
            "deliverat" | "deliver_at" => Some(Attribute::Integer(event.deliver_at?.0)),
            "dataschema" | "data_schema" => optional(event.data_schema.as_ref()),
            "datacontenttype" | "content_type" => optional(event.content_type.as_ref()),
            "traceparent" | "trace_parent" => optional(event.trace_parent.as_ref()),
            "tracestate" | "trace_state" => optional(event.trace_state.as_ref()),
            other => {
                let extension = event.extensions.iter().find(|extension| *extension.name == *other)?;
                match serde_json::from_str(&extension.json).ok()? {
                    Value::String(value) => Some(Attribute::Text(Cow::Owned(value))),
                    Value::Bool(value) => Some(Attribute::Boolean(value)),
                    Value::Number(value) => value.as_i64().map(Attribute::Integer),
                    _ => None,
                }
            }
        }
    }

    fn attribute_names(&self) -> Vec<Cow<'_, str>> {
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
        let ours =
            NAMES.iter().filter(|name| self.attribute(name).is_some()).map(|name| Cow::Borrowed(*name));
        ours.chain(self.event.extensions.iter().map(|extension| Cow::Borrowed(&*extension.name))).collect()
    }

    fn data(&self) -> Option<&Value> {
        self.data
            .get_or_init(|| {
                let data = self.event.data.as_ref()?;
                match data.form {
                    Form::Json => serde_json::from_slice(&data.bytes.0).ok(),
                    Form::Text => std::str::from_utf8(&data.bytes.0).ok().map(Value::from),
                    Form::Binary => None,
                }
            })
            .as_ref()
    }
}
