//! Values while an expression is evaluated: borrowed from the event wherever that is possible.
use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use serde_json::{Map, Value as Json};

use super::super::subject::Attribute;
use super::syntax::Literal;

/// A value of an expression.
#[derive(Debug, Clone)]
pub(crate) enum Value<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Double(f64),
    Text(Cow<'a, str>),
    Array(&'a [Json]),
    Object(&'a Map<String, Json>),
    List(Rc<[Value<'a>]>),
}

/// Why an expression has no value for an event. It then counts as false.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Failure<'a> {
    #[error("the event has no attribute `{0}`")]
    NoAttribute(&'a str),
    #[error("there is no `{0}`")]
    NoField(Cow<'a, str>),
    #[error("there is no `{0}`: the event has no JSON data")]
    NoData(Cow<'a, str>),
    #[error("there is no item {0}")]
    NoItem(String),
    #[error("`{does}` does not work on {on}")]
    Mismatch { does: &'static str, on: String },
    #[error("division by zero")]
    DivisionByZero,
    #[error("the result of `{0}` does not fit into 64 bits")]
    Overflow(&'static str),
    #[error("the filter takes too long for this event, and was stopped")]
    Budget,
    #[error("{0}")]
    Foreign(String),
}

impl<'a> Value<'a> {
    pub(crate) fn of_json(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(boolean) => Self::Boolean(*boolean),
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(integer), _, _) => Self::Integer(integer),
                (_, Some(unsigned), _) => Self::Unsigned(unsigned),
                (_, _, Some(double)) => Self::Double(double),
                // Only numbers kept as text have none of the three forms, and serde_json keeps none here.
                _ => Self::Null,
            },
            Json::String(text) => Self::Text(Cow::Borrowed(text)),
            Json::Array(items) => Self::Array(items),
            Json::Object(members) => Self::Object(members),
        }
    }

    pub(crate) fn of_attribute(attribute: Attribute<'a>) -> Self {
        match attribute {
            Attribute::Text(text) => Self::Text(text),
            Attribute::Integer(number) => Self::Integer(number),
            Attribute::Boolean(boolean) => Self::Boolean(boolean),
        }
    }

    /// Returns the value of a literal, or `None` for bytes, which our own nodes know nothing of.
    pub(crate) fn of_literal(literal: &'a Literal) -> Option<Self> {
        Some(match literal {
            Literal::Null => Self::Null,
            Literal::Boolean(boolean) => Self::Boolean(*boolean),
            Literal::Integer(number) => Self::Integer(*number),
            Literal::Unsigned(number) => Self::Unsigned(*number),
            Literal::Double(number) => Self::Double(*number),
            Literal::Text(text) => Self::Text(Cow::Borrowed(text)),
            Literal::Bytes(_) => return None,
        })
    }

    /// Returns what kind of value it is, with an article.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "an integer",
            Self::Unsigned(_) => "an unsigned integer",
            Self::Double(_) => "a number with a fraction",
            Self::Text(_) => "a text",
            Self::Array(_) | Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// Returns the number of items, when it is a list.
    pub(crate) fn items(&self) -> Option<usize> {
        match self {
            Self::Array(items) => Some(items.len()),
            Self::List(items) => Some(items.len()),
            _ => None,
        }
    }

    /// Returns one item, when it is a list that has it.
    pub(crate) fn item(&self, at: usize) -> Option<Value<'a>> {
        match self {
            Self::Array(items) => items.get(at).map(Self::of_json),
            Self::List(items) => items.get(at).cloned(),
            _ => None,
        }
    }

    fn number(&self) -> Option<Number> {
        match self {
            Self::Integer(number) => Some(Number::Whole(i128::from(*number))),
            Self::Unsigned(number) => Some(Number::Whole(i128::from(*number))),
            Self::Double(number) => Some(Number::Float(*number)),
            _ => None,
        }
    }
}

/// A number of any type. Comparing them loses nothing: 2^53 + 1 is not 2^53.
#[derive(Debug, Clone, Copy)]
enum Number {
    Whole(i128),
    Float(f64),
}

impl Number {
    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b),
            (Self::Whole(a), Self::Float(b)) => whole_with_float(a, b),
            (Self::Float(a), Self::Whole(b)) => whole_with_float(b, a).map(Ordering::reverse),
        }
    }
}

fn whole_with_float(whole: i128, float: f64) -> Option<Ordering> {
    if float.is_nan() {
        return None;
    }
    // The cast saturates, and every whole number we have lies far inside the range of i128.
    let floor = float.floor();
    Some(whole.cmp(&(floor as i128)).then(if float > floor { Ordering::Less } else { Ordering::Equal }))
}

/// Orders two values for `<` and its kin, or returns `None` when they have no order.
pub(crate) fn order(a: &Value<'_>, b: &Value<'_>) -> Option<Ordering> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
        (Value::Boolean(a), Value::Boolean(b)) => Some(a.cmp(b)),
        _ => a.number()?.compare(b.number()?),
    }
}

/// Returns whether two values are equal. Numbers are compared by what they are worth; values of different kinds are
/// not equal, and that is no error. `steps` is charged for what is looked at.
pub(crate) fn equal<'a>(a: &Value<'_>, b: &Value<'_>, steps: &mut Steps) -> Result<bool, Failure<'a>> {
    steps.take(1)?;
    match (a, b) {
        (Value::Null, Value::Null) => Ok(true),
        (Value::Boolean(a), Value::Boolean(b)) => Ok(a == b),
        (Value::Text(a), Value::Text(b)) if a.len() == b.len() => {
            steps.text(a.len())?;
            Ok(a == b)
        }
        (Value::Object(a), Value::Object(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (name, a) in *a {
                let Some(b) = b.get(name) else { return Ok(false) };
                if !equal(&Value::of_json(a), &Value::of_json(b), steps)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (a, b) => match (a.items(), b.items()) {
            (Some(length), Some(other)) => {
                if length != other {
                    return Ok(false);
                }
                for (a, b) in (0..length).filter_map(|at| a.item(at).zip(b.item(at))) {
                    if !equal(&a, &b, steps)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(match (a.number(), b.number()) {
                (Some(a), Some(b)) => a.compare(b) == Some(Ordering::Equal),
                _ => false,
            }),
        },
    }
}

/// Returns whether two JSON values are equal, numbers by what they are worth.
pub(crate) fn json_equal(a: &Json, b: &Json) -> bool {
    // The declared value is bounded by the limits on a filter, so the walk is too.
    equal(&Value::of_json(a), &Value::of_json(b), &mut Steps::new(u32::MAX)).unwrap_or(false)
}

/// How many steps may still be taken for this event.
#[derive(Debug)]
pub(crate) struct Steps(u32);

impl Steps {
    /// How many bytes of text are looked at in one step.
    const BYTES: usize = 64;

    pub(crate) fn new(steps: u32) -> Self {
        Self(steps)
    }

    /// Takes some steps. Once there are too few, none are left: the failure cannot be absorbed by an `||`.
    pub(crate) fn take<'a>(&mut self, steps: u32) -> Result<(), Failure<'a>> {
        match self.0.checked_sub(steps) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => {
                self.0 = 0;
                Err(Failure::Budget)
            }
        }
    }

    /// Takes the steps for looking at a text.
    pub(crate) fn text<'a>(&mut self, bytes: usize) -> Result<(), Failure<'a>> {
        self.take(u32::try_from(bytes / Self::BYTES).unwrap_or(u32::MAX))
    }

    /// Returns how many steps are left.
    pub(crate) fn left(&self) -> u32 {
        self.0
    }
}
