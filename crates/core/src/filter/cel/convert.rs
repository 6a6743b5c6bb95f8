//! Conversions: `int(x)`, `string(x)` and their kin.
use super::node::Conversion;
use super::value::{Failure, Value};

/// Makes a value into one of another type. What has no counterpart there is a failure, nothing is cut to fit, except
/// that a whole number keeps nothing of a fraction.
pub(crate) fn convert<'a>(conversion: Conversion, value: Value<'a>) -> Result<Value<'a>, Failure<'a>> {
    let converted = match conversion {
        Conversion::Dynamic => Some(value.clone()),
        Conversion::Boolean => boolean(&value).map(Value::Boolean),
        Conversion::Integer => integer(&value).map(Value::Integer),
        Conversion::Unsigned => unsigned(&value).map(Value::Unsigned),
        Conversion::Double => double(&value).map(Value::Double),
        Conversion::Text => text(&value),
    };
    converted.ok_or_else(|| Failure::Mismatch { does: conversion.name(), on: value.kind().to_owned() })
}

fn boolean(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Boolean(boolean) => Some(*boolean),
        Value::Text(text) => match &**text {
            "1" | "t" | "true" | "TRUE" | "True" => Some(true),
            "0" | "f" | "false" | "FALSE" | "False" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn integer(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Unsigned(number) => i64::try_from(*number).ok(),
        // Both bounds are exact as floats, and out of range themselves: the language says so of the lower one.
        Value::Double(number) => {
            (*number > i64::MIN as f64 && *number < i64::MAX as f64).then_some(*number as i64)
        }
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn unsigned(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::Unsigned(number) => Some(*number),
        Value::Double(number) => (*number >= 0.0 && *number < u64::MAX as f64).then_some(*number as u64),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn double(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Unsigned(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

fn text<'a>(value: &Value<'a>) -> Option<Value<'a>> {
    let text = match value {
        Value::Text(_) => return Some(value.clone()),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Unsigned(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        _ => return None,
    };
    Some(Value::Text(text.into()))
}
