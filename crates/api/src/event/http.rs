//! Events in HTTP messages: which mode a request is in, and the binary mode, where attributes are headers.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::attribute::{Site, Value, check_text, is_json, is_text, media_type, set};
use super::cloudevent::{check_name, check_specversion, push_extension};
use super::limits::Limits;
use super::model::{Data, Draft, Form, canonical};
use super::read::{Reader, missing};
use super::table::Field;
use super::write::View;
use crate::error::{Code, Problem};
use crate::json::request::{syntax, text};
use crate::json::scan::Scanner;
use crate::json::write::quoted;

/// The headers of a message: names in any case, values as they came. Only those that begin with `ce-` are looked at.
pub type Headers<'h> = [(&'h str, &'h [u8])];

impl Reader<'_> {
    /// Reads the events of a request in any mode: CloudEvents binary, structured or batch; envelopes; JSON of either shape, one or
    /// an array; JSON Lines.
    ///
    /// # Errors
    ///
    /// `MEDIA_TYPE_UNSUPPORTED`, and those of [`Reader::event`] and [`Reader::batch`].
    pub fn request<'b>(
        &self,
        content_type: Option<&'b str>,
        headers: &Headers<'b>,
        body: &'b Bytes,
    ) -> Result<Vec<Draft<'b>>, Box<Problem>> {
        let media = content_type.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        if media.starts_with("application/cloudevents-batch") {
            return if media == "application/cloudevents-batch+json" {
                self.batch(body)
            } else {
                Err(unsupported(&media))
            };
        }
        if media.starts_with("application/cloudevents") {
            let json = media == "application/cloudevents+json";
            return if json { Ok(vec![self.event(body)?]) } else { Err(unsupported(&media)) };
        }
        if headers.iter().any(|(name, _)| starts_with_ignore_case(name, "ce-")) {
            return Ok(vec![self.binary(content_type, headers, body)?]);
        }
        match &*media {
            "application/json" | super::envelope::MEDIA_TYPE => self.events(body),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/json-lines" => self.lines(body),
            _ => Err(unsupported(&media)),
        }
    }

    /// Reads one event in the binary mode: attributes are `ce-` headers, the body is the data, `Content-Type` is its media type.
    ///
    /// # Errors
    ///
    /// `EVENT_INVALID`, `ATTRIBUTE_INVALID`, `EVENT_TOO_LARGE`, `JSON_INVALID`, `JSON_TOO_DEEP`.
    pub fn binary<'b>(
        &self,
        content_type: Option<&'b str>,
        headers: &Headers<'b>,
        body: &Bytes,
    ) -> Result<Draft<'b>, Box<Problem>> {
        let mut event = Draft::default();
        if let Some(content_type) = content_type {
            let site = Site::Header { name: "content-type" };
            set(&mut event, Field::ContentType, Value::Text(content_type.into()), site, self.limits)?;
        }
        let (mut seen, mut bytes) = (Vec::new(), body.len());
        for (name, value) in headers.iter().filter(|(name, _)| starts_with_ignore_case(name, "ce-")) {
            bytes = bytes.saturating_add(name.len() + value.len());
            let name = name.to_ascii_lowercase();
            let site = Site::Header { name: &name };
            if seen.contains(&name) {
                return Err(site.refuse(Code::EventInvalid, "is there twice: one name, one value"));
            }
            header(&mut event, &name[3..], value, site, self.limits)?;
            seen.push(name);
        }
        self.check_event_bytes(bytes)?;
        for (name, what) in [
            ("ce-specversion", "send ce-specversion: 1.0"),
            ("ce-type", "what happened, such as ce-type: TaskCompleted"),
        ] {
            if !seen.iter().any(|one| one == name) {
                return Err(missing(Site::Header { name }, what));
            }
        }
        self.fill_source(&mut event, Site::Header { name: "ce-source" })?;
        event.data = binary_data(content_type, body, self.limits)?;
        Ok(event)
    }
}

fn header<'b>(
    event: &mut Draft<'b>,
    name: &str,
    value: &'b [u8],
    site: Site<'_>,
    limits: &Limits,
) -> Result<(), Box<Problem>> {
    let value = decode(value).map_err(|wrong| site.refuse_value(wrong))?;
    match name {
        "specversion" => check_specversion(Some(&value), site),
        "datacontenttype" => {
            Err(site.refuse(Code::EventInvalid, "must not be sent: the header Content-Type says it"))
        }
        "data" | "data_base64" => {
            Err(site.refuse(Code::EventInvalid, "must not be sent: the body is the data"))
        }
        _ => match Field::of_attribute(name) {
            Some(field) => set(event, field, Value::Text(value), site, limits),
            None => {
                check_name(name, site)?;
                check_text(&value, site, limits)?;
                push_extension(event, name.to_owned().into(), quoted(&value).into(), site, limits)
            }
        },
    }
}

/// Undoes what the binary mode does to a header's value: quotes first, then one pass over the percent signs.
fn decode(value: &[u8]) -> Result<Cow<'_, str>, String> {
    let value = std::str::from_utf8(value.trim_ascii()).map_err(|_| "is not UTF-8: percent-encode it")?;
    let mut unquoted = Cow::Borrowed(value);
    if let Some(inner) = value.strip_prefix('"') {
        unquoted = Cow::Owned(unquote(inner).ok_or("begins with a quote that does not end")?);
    }
    if !unquoted.contains('%') {
        return Ok(unquoted);
    }
    let bytes = unquoted.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        if byte != b'%' {
            out.push(byte);
            at += 1;
            continue;
        }
        let digit = |at: usize| bytes.get(at).and_then(|byte| (*byte as char).to_digit(16));
        let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2)) else {
            return Err(
                "has a % that is not followed by two hexadecimal digits: write %25 for a percent sign".into(),
            );
        };
        out.push((high * 16 + low) as u8);
        at += 3;
    }
    String::from_utf8(out)
        .map(Cow::Owned)
        .map_err(|_| "is not UTF-8 once its percent-encoding is undone".into())
}

// The content of a quoted string, given without its first quote.
fn unquote(inner: &str) -> Option<String> {
    let (mut out, mut chars) = (String::with_capacity(inner.len()), inner.chars());
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(out),
            '\\' => out.push(chars.next()?),
            other => out.push(other),
        }
    }
}

fn binary_data(
    content_type: Option<&str>,
    body: &Bytes,
    limits: &Limits,
) -> Result<Option<Data>, Box<Problem>> {
    if body.is_empty() {
        return Ok(None);
    }
    let json_depth = limits.depth.saturating_sub(1);
    let form = match content_type {
        Some(content_type) if is_json(Some(content_type)) => {
            let text = text(body)?;
            let raw = Scanner::new(text, json_depth).whole().map_err(|wrong| syntax(text, wrong))?;
            return Ok(Some(Data { bytes: body.slice_ref(raw.text.as_bytes()), form: Form::Json }));
        }
        Some(content_type) if is_text(content_type) && std::str::from_utf8(body).is_ok() => Form::Text,
        Some(_) => Form::Binary,
        // Nothing is said about the body: it is JSON if it is JSON.
        None => {
            let json =
                std::str::from_utf8(body).is_ok_and(|text| Scanner::new(text, json_depth).whole().is_ok());
            if json { Form::Json } else { Form::Binary }
        }
    };
    Ok(Some(Data { bytes: body.clone(), form }))
}

fn unsupported(media: &str) -> Box<Problem> {
    let detail = match media {
        "" => "the request has no Content-Type".to_owned(),
        media => format!("`{media}` is no format of events that is read here"),
    };
    let hint = match media_type(media) {
        Some(("application", "x-www-form-urlencoded")) | None => {
            "with curl, add -H 'content-type: application/cloudevents+json'; or send bare data with the headers ce-specversion: 1.0, ce-type, ce-source"
        }
        _ => {
            "send application/cloudevents+json, application/cloudevents-batch+json, application/json, application/x-ndjson, or bare data with the headers ce-specversion: 1.0, ce-type, ce-source"
        }
    };
    Box::new(
        Problem::new(Code::MediaTypeUnsupported, detail.clone()).at_header("content-type", detail).hint(hint),
    )
}

/// Returns the event in the binary mode: its headers, lower-case and percent-encoded, `content-type` among them. The body is its
/// data. Members that only an envelope has are left out.
pub fn to_headers(event: &View<'_>) -> Vec<(String, String)> {
    let mut headers = vec![("ce-specversion".to_owned(), "1.0".to_owned())];
    let hops = event.hops.map(|hops| hops.to_string());
    let fields = [
        ("ce-id", event.id),
        ("ce-type", Some(event.event_type)),
        ("ce-source", Some(event.source)),
        ("ce-subject", event.subject),
        ("ce-time", event.time),
        ("ce-kind", event.kind.map(super::Kind::as_str)),
        ("ce-eventversion", event.version),
        ("ce-correlationid", event.correlation_id),
        ("ce-causationid", event.causation_id),
        ("ce-hops", hops.as_deref()),
        ("ce-to", event.to),
        ("ce-topic", event.topic),
        ("ce-partitionkey", event.partition_key),
        ("ce-priority", event.priority.map(super::Priority::as_str)),
        ("ce-stream", event.stream),
        ("ce-expirytime", event.expires_at),
        ("ce-deliverat", event.deliver_at),
        ("ce-dataschema", event.data_schema),
        ("ce-traceparent", event.trace_parent),
        ("ce-tracestate", event.trace_state),
    ];
    headers.extend(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), encode(value?)))));
    for (name, json) in event.extensions.iter().filter(|(name, _)| !name.contains('.')) {
        headers.push((format!("ce-{name}"), encode(&canonical(json))));
    }
    let json = event.data.is_some_and(|(_, form)| form == Form::Json);
    if let Some(content_type) = event.content_type.or(json.then_some("application/json")) {
        headers.push(("content-type".to_owned(), content_type.to_owned()));
    }
    headers
}

fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        if matches!(byte, 0x21..=0x7E) && !matches!(byte, b'"' | b'%') {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn starts_with_ignore_case(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Returns the bytes of base64 text of the standard alphabet, padded or not.
pub(super) fn base64_decode(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    LENIENT.decode(text).ok()
}
