//! How a name in a filter finds its value in an event.
use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use super::limits::PATH_SEGMENTS_MAX;
use super::subject::{self, Attribute, Subject};

/// Where a value is looked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Path {
    /// An attribute, and nothing else.
    Attribute(Box<str>),
    /// A place in the payload; no segments mean the whole of it.
    Data(Box<[Box<str>]>),
    /// An extension attribute of that name, else a member of the payload.
    Named(Box<str>),
}

/// What was found there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found<'a> {
    Attribute(Attribute<'a>),
    Data(&'a Value),
}

impl Path {
    /// Reads a key of a declared map. The error says what is wrong with it.
    pub(crate) fn parse(key: &str) -> Result<Self, String> {
        if key.is_empty() {
            return Err("a name in a filter is empty".to_owned());
        }
        if key == "data" {
            return Ok(Self::Data(Box::default()));
        }
        if !key.contains('.') {
            let name = key.into();
            return Ok(if subject::is_core(key) { Self::Attribute(name) } else { Self::Named(name) });
        }
        let segments: Box<[Box<str>]> =
            key.strip_prefix("data.").unwrap_or(key).split('.').map(Into::into).collect();
        if segments.iter().any(|segment| segment.is_empty()) {
            return Err(format!("the path `{key}` has an empty segment"));
        }
        if segments.len() > PATH_SEGMENTS_MAX {
            return Err(format!("the path `{key}` has more than {PATH_SEGMENTS_MAX} segments"));
        }
        Ok(Self::Data(segments))
    }

    /// Returns what the event has there.
    pub(crate) fn look<'a>(&self, subject: &'a dyn Subject) -> Option<Found<'a>> {
        match self {
            Self::Attribute(name) => subject.attribute(name).map(Found::Attribute),
            Self::Data(segments) => descend(subject.data()?, segments).map(Found::Data),
            Self::Named(name) => match subject.attribute(name) {
                Some(attribute) => Some(Found::Attribute(attribute)),
                None => descend(subject.data()?, std::slice::from_ref(name)).map(Found::Data),
            },
        }
    }
}

/// Returns what lies at `segments` below `value`; a number is a position in an array.
fn descend<'a>(value: &'a Value, segments: &[Box<str>]) -> Option<&'a Value> {
    segments.iter().try_fold(value, |value, segment| match value {
        Value::Object(members) => members.get(&**segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(name) | Self::Named(name) => out.write_str(name),
            Self::Data(segments) => {
                out.write_str("data")?;
                segments.iter().try_for_each(|segment| write!(out, ".{segment}"))
            }
        }
    }
}

impl<'a> Found<'a> {
    /// Returns the canonical text form, or `None` for arrays and objects, which have none.
    pub(crate) fn canonical(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Attribute(attribute) => Some(attribute.canonical()),
            Self::Data(value) => canonical(value),
        }
    }

    /// Returns the value as a person reads it, shortened.
    pub(crate) fn shown(&self) -> String {
        let text = match self {
            Self::Attribute(Attribute::Text(text)) => Value::from(&**text).to_string(),
            Self::Attribute(Attribute::Integer(number)) => number.to_string(),
            Self::Attribute(Attribute::Boolean(boolean)) => boolean.to_string(),
            Self::Data(Value::Array(items)) => format!("an array of {} items", items.len()),
            Self::Data(Value::Object(members)) => format!("an object of {} members", members.len()),
            Self::Data(value) => value.to_string(),
        };
        shortened(text)
    }
}

/// Returns the canonical text form of a JSON scalar: equal scalars have equal forms (`5` and `5.0` are equal).
pub(crate) fn canonical(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Null => Some(Cow::Borrowed("null")),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(match number.as_f64() {
            Some(float) if number.is_f64() => canonical_float(float),
            _ => number.to_string(),
        })),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns the canonical form of a float: that of the integer it equals, where there is one.
pub(crate) fn canonical_float(float: f64) -> String {
    // Beyond 2^64 no integer of JSON is compared with it exactly.
    const INTEGER_MAX: f64 = 18_446_744_073_709_551_616.0;
    if float.fract() == 0.0 && float.abs() <= INTEGER_MAX {
        // In range by the line above, and whole: nothing is cut off.
        return (float as i128).to_string();
    }
    float.to_string()
}

/// Cuts a text that is shown to people to a readable length.
pub(crate) fn shortened(mut text: String) -> String {
    const CHARACTERS_MAX: usize = 120;
    if let Some((end, _)) = text.char_indices().nth(CHARACTERS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}
