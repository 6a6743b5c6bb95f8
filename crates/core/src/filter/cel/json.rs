//! Writing the value of an expression as JSON, as far as it fits.
use cel::common::types;
use cel::common::value::Val;
use serde_json::{Map, Number, Value as Json};

use super::super::limits::{VALUE_BYTES_MAX, VALUE_DEPTH_MAX};
use super::foreign_values;
use super::value::Value;

/// Why a value cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unwritable {
    #[error("the value of the expression is larger than {VALUE_BYTES_MAX} bytes of JSON")]
    TooLarge,
    #[error("the value of the expression is nested more than {VALUE_DEPTH_MAX} levels deep")]
    TooDeep,
    #[error("it is {0}, and JSON has only finite numbers")]
    NotFinite(&'static str),
    #[error("it is bytes, which JSON does not have; make a text of them with string(…)")]
    Bytes,
    #[error("it is an optional value, which JSON does not have; write .orValue(…) behind it")]
    Optional,
    #[error("it is a `{0}`, which JSON does not have")]
    Kind(String),
    #[error("the name of a member must be a text, it is {0}; make a text of it with string(…)")]
    Name(&'static str),
    #[error("the object has two members named `{0}`")]
    Twice(String),
}

type Written = Result<Json, Unwritable>;

/// How much of a value may still be written. Everything is counted before it is copied, so a value that is too large
/// costs no more than one that just fits.
#[derive(Debug)]
pub(crate) struct Output {
    bytes_left: usize,
}

impl Output {
    pub(crate) fn new() -> Self {
        Self { bytes_left: VALUE_BYTES_MAX }
    }

    /// Takes the room for some bytes.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Unwritable> {
        self.bytes_left = self.bytes_left.checked_sub(bytes).ok_or(Unwritable::TooLarge)?;
        Ok(())
    }

    /// Takes the room for the brackets and commas of a list or an object that stands inside `depth` others.
    pub(crate) fn open(&mut self, items: usize, depth: usize) -> Result<(), Unwritable> {
        if depth >= VALUE_DEPTH_MAX {
            return Err(Unwritable::TooDeep);
        }
        self.take(items.saturating_sub(1).saturating_add(2))
    }

    /// Takes the room for the name of a member and the colon behind it.
    pub(crate) fn name(&mut self, name: &str) -> Result<String, Unwritable> {
        self.take(1)?;
        self.text(name)
    }

    fn text(&mut self, text: &str) -> Result<String, Unwritable> {
        // Quotes, and whatever has to be escaped.
        self.take(text.len().saturating_add(2))?;
        let escapes = text.bytes().map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
            0..0x20 => 5,
            _ => 0,
        });
        self.take(escapes.sum())?;
        Ok(text.to_owned())
    }

    fn number(&mut self, number: Number) -> Written {
        self.take(number.to_string().len())?;
        Ok(Json::Number(number))
    }

    /// Writes a value that stands inside `depth` lists and objects.
    pub(crate) fn value(&mut self, value: &Value<'_>, depth: usize) -> Written {
        match value {
            Value::Null => self.take(4).map(|()| Json::Null),
            Value::Boolean(boolean) => self.take(5 - usize::from(*boolean)).map(|()| Json::Bool(*boolean)),
            Value::Integer(number) => self.number((*number).into()),
            Value::Unsigned(number) => self.number((*number).into()),
            Value::Double(number) => match Number::from_f64(*number) {
                Some(number) => self.number(number),
                None => Err(Unwritable::NotFinite(not_finite(*number))),
            },
            Value::Text(text) => self.text(text).map(Json::String),
            Value::Array(items) => {
                self.open(items.len(), depth)?;
                let items = items.iter().map(|item| self.value(&Value::of_json(item), depth + 1));
                items.collect::<Result<_, _>>().map(Json::Array)
            }
            Value::List(items) => {
                self.open(items.len(), depth)?;
                let items = items.iter().map(|item| self.value(item, depth + 1));
                items.collect::<Result<_, _>>().map(Json::Array)
            }
            Value::Object(members) => {
                self.open(members.len(), depth)?;
                let member = |(name, value): (&String, &Json)| {
                    Ok((self.name(name)?, self.value(&Value::of_json(value), depth + 1)?))
                };
                members.iter().map(member).collect::<Result<_, _>>().map(Json::Object)
            }
        }
    }

    /// Writes a value of crate `cel`.
    pub(crate) fn foreign(&mut self, val: &dyn Val, depth: usize) -> Written {
        if let Some(scalar) = foreign_values::scalar(val) {
            return self.value(&scalar, depth);
        }
        let of = val.get_type();
        let kind = || Unwritable::Kind(of.name().to_owned());
        match of.kind() {
            types::Kind::List => {
                let mut items = val.as_iterable().ok_or_else(kind)?.iter();
                let mut written = Vec::new();
                // The brackets; a comma stands in front of every item but the first.
                self.open(0, depth)?;
                while let Some(item) = items.next() {
                    self.take(usize::from(!written.is_empty()))?;
                    written.push(self.foreign(item, depth + 1)?);
                }
                Ok(Json::Array(written))
            }
            types::Kind::Map => {
                let mut names = val.as_iterable().ok_or_else(kind)?.iter();
                let values = val.as_indexer().ok_or_else(kind)?;
                let mut sorted = Vec::new();
                while let Some(name) = names.next() {
                    sorted.push((text(name)?, name));
                }
                // Maps of crate `cel` have no order, and the same event has to give the same value every time.
                sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
                self.open(sorted.len(), depth)?;
                let mut members = Map::new();
                for (written, name) in sorted {
                    let value = values.get(name).map_err(|_| kind())?;
                    let written = self.name(&written)?;
                    members.insert(written, self.foreign(value.as_ref(), depth + 1)?);
                }
                Ok(Json::Object(members))
            }
            types::Kind::Bytes => Err(Unwritable::Bytes),
            _ if of.name().starts_with("optional") => Err(Unwritable::Optional),
            _ => Err(kind()),
        }
    }
}

fn text(name: &dyn Val) -> Result<String, Unwritable> {
    match foreign_values::scalar(name) {
        Some(Value::Text(text)) => Ok(text.into_owned()),
        Some(other) => Err(Unwritable::Name(other.kind())),
        None => Err(Unwritable::Name("no scalar")),
    }
}

fn not_finite(number: f64) -> &'static str {
    if number.is_nan() {
        "not a number"
    } else if number > 0.0 {
        "infinite"
    } else {
        "negatively infinite"
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::tests::values::payloads;
    use super::*;

    proptest! {
        #[test]
        fn the_bytes_that_are_counted_are_those_that_are_written(payload in payloads()) {
            let (mut own, mut foreign) = (Output::new(), Output::new());
            prop_assert_eq!(own.value(&Value::of_json(&payload), 0), Ok(payload.clone()));
            prop_assert_eq!(foreign.foreign(foreign_values::of_json(&payload).as_ref(), 0), Ok(payload.clone()));
            let written = payload.to_string().len();
            prop_assert_eq!(VALUE_BYTES_MAX - own.bytes_left, written);
            prop_assert_eq!(VALUE_BYTES_MAX - foreign.bytes_left, written);
        }
    }
}
