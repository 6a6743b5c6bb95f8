//! Which field has which name in which shape.

/// A field of the event beside source, type, extensions and data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Source,
    Type,
    Subject,
    Time,
    Kind,
    Version,
    CorrelationId,
    CausationId,
    Hops,
    To,
    Topic,
    PartitionKey,
    Priority,
    Stream,
    ExpiresAt,
    DeliverAt,
    DataSchema,
    ContentType,
    TraceParent,
    TraceState,
}

/// How many fields there are, and so how many members a shape has of its own at most.
pub(super) const FIELDS: usize = 21;

impl Field {
    /// Returns the field a CloudEvents attribute stands for.
    pub(super) fn of_attribute(name: &str) -> Option<Field> {
        Some(match name {
            "id" => Field::Id,
            "source" => Field::Source,
            "type" => Field::Type,
            "subject" => Field::Subject,
            "time" => Field::Time,
            "kind" => Field::Kind,
            "eventversion" => Field::Version,
            "correlationid" => Field::CorrelationId,
            "causationid" => Field::CausationId,
            "hops" => Field::Hops,
            "to" => Field::To,
            "topic" => Field::Topic,
            "partitionkey" => Field::PartitionKey,
            "priority" => Field::Priority,
            "stream" => Field::Stream,
            "expirytime" => Field::ExpiresAt,
            "deliverat" => Field::DeliverAt,
            "dataschema" => Field::DataSchema,
            "datacontenttype" => Field::ContentType,
            "traceparent" => Field::TraceParent,
            "tracestate" => Field::TraceState,
            _ => return None,
        })
    }

    /// Returns the field a member of the envelope's `event` stands for.
    pub(super) fn of_event_member(name: &str) -> Option<Field> {
        Some(match name {
            "id" => Field::Id,
            "source" => Field::Source,
            "type" => Field::Type,
            "subject" => Field::Subject,
            "timestamp" => Field::Time,
            "kind" => Field::Kind,
            "version" => Field::Version,
            "correlation_id" => Field::CorrelationId,
            "causation_id" => Field::CausationId,
            "hops" => Field::Hops,
            "data_schema" => Field::DataSchema,
            "content_type" => Field::ContentType,
            "trace_parent" => Field::TraceParent,
            "trace_state" => Field::TraceState,
            _ => return None,
        })
    }

    /// Returns the field a member of the envelope's `routing` stands for.
    pub(super) fn of_routing_member(name: &str) -> Option<Field> {
        Some(match name {
            "to" => Field::To,
            "topic" => Field::Topic,
            "partition_key" => Field::PartitionKey,
            "priority" => Field::Priority,
            "stream" => Field::Stream,
            "expires_at" => Field::ExpiresAt,
            "deliver_at" => Field::DeliverAt,
            _ => return None,
        })
    }
}

// What people write in a CloudEvent when they mean an attribute of it.
const MEANT: [(&str, &str); 16] = [
    ("timestamp", "time"),
    ("correlation_id", "correlationid"),
    ("causation_id", "causationid"),
    ("partition_key", "partitionkey"),
    ("version", "eventversion"),
    ("event_version", "eventversion"),
    ("expires_at", "expirytime"),
    ("expiry_time", "expirytime"),
    ("deliver_at", "deliverat"),
    ("data_schema", "dataschema"),
    ("content_type", "datacontenttype"),
    ("data_content_type", "datacontenttype"),
    ("trace_parent", "traceparent"),
    ("trace_state", "tracestate"),
    ("payload", "data"),
    ("spec_version", "specversion"),
];

/// Returns the attribute that was meant by a name that is not legal.
pub(super) fn attribute_meant(name: &str) -> Option<String> {
    if let Some((_, meant)) = MEANT.iter().find(|(written, _)| *written == name) {
        return Some((*meant).to_owned());
    }
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    (!plain.is_empty() && plain != name).then_some(plain)
}

/// Returns whether a CloudEvents extension would mean something else as a member of the envelope's `event`: it is written there
/// with the prefix `ce_`.
pub(super) fn clashes_in_envelope(name: &str) -> bool {
    matches!(name, "timestamp" | "version")
}
