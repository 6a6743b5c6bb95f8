//! The rules of single attributes: which names are legal, which values, and what a value means.

use std::borrow::Cow;

use super::limits::Limits;
use super::model::{Draft, Kind, Priority};
use super::table::Field;
use crate::error::{Code, Problem};
use crate::time::Instant;

/// Where a value was found, for errors.
#[derive(Debug, Clone, Copy)]
pub(super) enum Site<'a> {
    /// A member of the object at this pointer.
    Member { parent: &'a str, name: &'a str },
    /// A header.
    Header { name: &'a str },
}

impl Site<'_> {
    pub(super) fn refuse(&self, code: Code, detail: impl Into<String>) -> Box<Problem> {
        let detail = detail.into();
        let (place, problem) = match self {
            Site::Member { parent, name } => {
                let pointer = format!("{parent}/{}", crate::json::step(name));
                let place = pointer.trim_start_matches("#/").replace('/', ".");
                (place, Problem::new(code, "").at(pointer, detail.clone()))
            }
            Site::Header { name } => {
                ((*name).to_owned(), Problem::new(code, "").at_header((*name).to_owned(), detail.clone()))
            }
        };
        Box::new(Problem { detail: format!("`{place}` {detail}"), ..problem })
    }

    pub(super) fn refuse_value(&self, detail: impl Into<String>) -> Box<Problem> {
        self.refuse(Code::AttributeInvalid, detail)
    }
}

/// A value as it was found: a string's content, or the text of another scalar.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Number(&'a str),
    Other(&'static str),
}

impl<'a> Value<'a> {
    fn into_text(self, site: Site<'_>) -> Result<Cow<'a, str>, Box<Problem>> {
        match self {
            Value::Text(text) => Ok(text),
            Value::Number(_) => Err(site.refuse_value("must be a string, not a number: put it in quotes")),
            Value::Other(kind) => Err(site.refuse_value(format!("must be a string, not {kind}"))),
        }
    }
}

/// Puts a value into the field it is for.
pub(super) fn set<'a>(
    event: &mut Draft<'a>,
    field: Field,
    value: Value<'a>,
    site: Site<'_>,
    limits: &Limits,
) -> Result<(), Box<Problem>> {
    if field == Field::Hops {
        event.hops = Some(hops(value, site)?);
        return Ok(());
    }
    let text = value.into_text(site)?;
    check_text(&text, site, limits)?;
    if text.is_empty() {
        // An empty subject is what some libraries send for none.
        if field == Field::Subject {
            return Ok(());
        }
        return Err(site.refuse_value("must not be empty: leave it out instead"));
    }
    match field {
        Field::Id => event.id = Some(text),
        Field::Source => {
            check_uri_reference(&text).map_err(|wrong| site.refuse_value(wrong))?;
            event.source = text;
        }
        Field::Type => event.event_type = text,
        Field::Subject => event.subject = Some(text),
        Field::Time => {
            check_time(&text, site)?;
            event.time = Some(text);
        }
        Field::Kind => {
            let wrong = || site.refuse_value("must be one of event, command, query, notification");
            event.kind = Some(Kind::parse(&text).ok_or_else(wrong)?);
        }
        Field::Version => event.version = Some(text),
        Field::CorrelationId => event.correlation_id = Some(text),
        Field::CausationId => event.causation_id = Some(text),
        Field::Hops => unreachable!("hops are set above"),
        Field::To => event.to = Some(text),
        Field::Topic => event.topic = Some(text),
        Field::PartitionKey => event.partition_key = Some(text),
        Field::Priority => {
            let wrong = || site.refuse_value("must be one of critical, high, normal, low");
            event.priority = Some(Priority::parse(&text).ok_or_else(wrong)?);
        }
        Field::Stream => event.stream = Some(text),
        Field::ExpiresAt => {
            check_time(&text, site)?;
            event.expires_at = Some(text);
        }
        Field::DeliverAt => {
            check_time(&text, site)?;
            event.deliver_at = Some(text);
        }
        Field::DataSchema => {
            check_uri_reference(&text).map_err(|wrong| site.refuse_value(wrong))?;
            if scheme(&text).is_none() {
                let detail = "must be an absolute URI, such as https://example.com/schemas/order.json";
                return Err(site.refuse_value(detail));
            }
            event.data_schema = Some(text);
        }
        Field::ContentType => {
            if media_type(&text).is_none() {
                return Err(site.refuse_value("must be a media type, such as application/json"));
            }
            event.content_type = Some(text);
        }
        Field::TraceParent => event.trace_parent = Some(text),
        Field::TraceState => event.trace_state = Some(text),
    }
    Ok(())
}

fn hops(value: Value<'_>, site: Site<'_>) -> Result<u32, Box<Problem>> {
    let text: &str = match &value {
        Value::Text(text) => text,
        Value::Number(text) => text,
        Value::Other(_) => "",
    };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let hops = if digits { text.parse().ok() } else { None };
    hops.ok_or_else(|| site.refuse_value("must be a whole number from 0 to 4294967295"))
}

/// Checks an attribute's text: no control characters, no noncharacters, not too long.
pub(super) fn check_text(text: &str, site: Site<'_>, limits: &Limits) -> Result<(), Box<Problem>> {
    let name_len = match site {
        Site::Member { name, .. } | Site::Header { name } => name.len(),
    };
    if text.len().saturating_add(name_len) > limits.attribute_bytes {
        let detail = format!("is longer than {} bytes: put long texts into the data", limits.attribute_bytes);
        return Err(site.refuse_value(detail));
    }
    // Without an early end this is done many bytes at a time.
    if text.bytes().fold(true, |plain, byte| plain & (byte.wrapping_sub(0x20) < 0x5F)) {
        return Ok(());
    }
    for character in text.chars() {
        let code = u32::from(character);
        if character.is_control() {
            return Err(site.refuse_value(format!("contains the control character U+{code:04X}")));
        }
        if (0xFDD0..=0xFDEF).contains(&code) || code & 0xFFFE == 0xFFFE {
            return Err(site.refuse_value(format!("contains U+{code:04X}, which is no character")));
        }
    }
    Ok(())
}

fn check_time(text: &str, site: Site<'_>) -> Result<(), Box<Problem>> {
    Instant::parse(text).map(|_| ()).map_err(|wrong| site.refuse_value(wrong.to_string()))
}

/// Returns whether a name is a legal CloudEvents attribute name.
pub(super) fn is_attribute_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// Checks a URI-reference of RFC 3986 by its characters and its scheme.
fn check_uri_reference(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let mut fragment = false;
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => {
                let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
                if !hex(at + 1) || !hex(at + 2) {
                    return Err("is no URI-reference: % must be followed by two hexadecimal digits".into());
                }
            }
            b'#' if fragment => return Err("is no URI-reference: it has more than one #".into()),
            b'#' => fragment = true,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => {}
            b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'?' | b'[' | b']' | b'@' => {}
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => {}
            _ => {
                let found = text[at..].chars().next().expect("the byte begins a character");
                let encoded: String = found.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
                return Err(format!("is no URI-reference: write {encoded} instead of {found:?}"));
            }
        }
    }
    let first_segment = text.split(['/', '?', '#']).next().unwrap_or("");
    if first_segment.contains(':') && scheme(text).is_none() {
        return Err("is no URI-reference: what is before the first colon is no scheme".into());
    }
    Ok(())
}

// The scheme of a URI, or none for a relative reference.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let rest_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    (scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(rest_legal))
        .then_some(scheme)
}

/// Returns type and subtype of a media type, without its parameters, or none if it is none.
pub(super) fn media_type(text: &str) -> Option<(&str, &str)> {
    let essence = text.split(';').next().unwrap_or("").trim();
    let (main, sub) = essence.split_once('/')?;
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    (token(main) && token(sub)).then_some((main, sub))
}

/// Returns whether data of this media type is JSON: `*/json`, `*/*+json`, or none given.
pub fn is_json(content_type: Option<&str>) -> bool {
    let Some(text) = content_type else { return true };
    if text == "application/json" {
        return true;
    }
    media_type(text)
        .is_some_and(|(_, sub)| sub.eq_ignore_ascii_case("json") || ends_with_ignore_case(sub, "+json"))
}

/// Returns whether data of this media type is text in UTF-8.
pub(super) fn is_text(content_type: &str) -> bool {
    let Some((main, sub)) = media_type(content_type) else { return false };
    let texts = [
        "xml",
        "yaml",
        "x-yaml",
        "toml",
        "javascript",
        "graphql",
        "sql",
        "x-www-form-urlencoded",
        "x-ndjson",
    ];
    let textual = main.eq_ignore_ascii_case("text")
        || texts.iter().any(|text| sub.eq_ignore_ascii_case(text))
        || ["+xml", "+yaml"].iter().any(|suffix| ends_with_ignore_case(sub, suffix));
    let charset = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    });
    let readable =
        |charset: &str| ["utf-8", "utf8", "us-ascii"].iter().any(|one| charset.eq_ignore_ascii_case(one));
    textual && charset.is_none_or(readable)
}

fn ends_with_ignore_case(text: &str, suffix: &str) -> bool {
    text.len()
        .checked_sub(suffix.len())
        .and_then(|at| text.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
}
