//! What a filter looks at.
use std::borrow::Cow;

use serde_json::Value;

/// What a filter looks at. Implemented by events.
///
/// Resolving names is the subject's business: it answers both to the names of CloudEvents (`correlationid`) and to
/// our own words (`correlation_id`), and to extensions by their name.
pub trait Subject {
    /// Returns the attribute of that name, or `None` when the event lacks it.
    fn attribute(&self, name: &str) -> Option<Attribute<'_>>;

    /// Returns the name of every attribute that is present.
    fn attribute_names(&self) -> Vec<Cow<'_, str>>;

    /// Returns the payload, or `None` when there is none or it is not JSON.
    fn data(&self) -> Option<&Value>;
}

/// The value of one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute<'a> {
    /// Text; also a time, a URI or bytes in their canonical form.
    Text(Cow<'a, str>),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
}

impl<'a> Attribute<'a> {
    /// Returns the canonical text form: what CloudEvents compares.
    pub fn canonical(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text,
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Boolean(true) => Cow::Borrowed("true"),
            Self::Boolean(false) => Cow::Borrowed("false"),
        }
    }
}

/// Names that are always attributes: an event that lacks one is never looked up in its payload instead.
const CORE: &[&str] = &[
    "causation_id",
    "causationid",
    "content_type",
    "correlation_id",
    "correlationid",
    "data_schema",
    "datacontenttype",
    "dataschema",
    "deliver_at",
    "deliverat",
    "eventversion",
    "expires_at",
    "expirytime",
    "hops",
    "id",
    "kind",
    "partition_key",
    "partitionkey",
    "priority",
    "source",
    "specversion",
    "stream",
    "subject",
    "time",
    "to",
    "topic",
    "trace_parent",
    "trace_state",
    "traceparent",
    "tracestate",
    "type",
    "version",
];

/// Returns whether every event may carry this attribute, whatever its extensions are.
pub(crate) fn is_core(name: &str) -> bool {
    CORE.binary_search(&name).is_ok()
}

/// Returns the core attribute a mistyped name probably means.
pub(crate) fn nearest_core(name: &str) -> Option<&'static str> {
    super::invalid::nearest(name, CORE)
}

/// Returns whether an attribute may be called that: `[a-z0-9]+` in CloudEvents, with `_` in our own words.
pub(crate) fn is_attribute_name(name: &str) -> bool {
    !name.is_empty()
        && name != "data"
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
