//! Reading one event out of JSON.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::attribute::{Site, Value};
use super::limits::Limits;
use super::model::{Data, Draft, Form};
use super::table::FIELDS;
use super::{cloudevent, envelope};
use crate::error::{Code, Problem};
use crate::json::request::{syntax, text};
use crate::json::scan::{Member, Raw, Scanner};

/// Reads events within limits. Every refusal is a [`Problem`] with the pointer of the place that is wrong.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'l> {
    pub(super) limits: &'l Limits,
    source: Option<&'l str>,
}

/// Returns the bytes of a part of the text that is being read: shared where they can be, copied where not.
pub(super) type BytesOf<'f> = &'f dyn Fn(&str) -> Bytes;

impl<'l> Reader<'l> {
    /// Returns a reader with these limits.
    pub fn new(limits: &'l Limits) -> Reader<'l> {
        Reader { limits, source: None }
    }

    /// Returns it with the source of events that name none: the agent's address, for what an agent answers.
    #[must_use]
    pub fn with_source(self, source: &'l str) -> Reader<'l> {
        Reader { source: Some(source), ..self }
    }

    /// Reads one event of either shape.
    ///
    /// # Errors
    ///
    /// `EVENT_INVALID`, `ATTRIBUTE_INVALID`, `EVENT_TOO_LARGE`, `JSON_INVALID`, `JSON_TOO_DEEP`.
    pub fn event<'b>(&self, body: &'b Bytes) -> Result<Draft<'b>, Box<Problem>> {
        self.check_event_bytes(body.len())?;
        self.object(text(body)?, &|data| body.slice_ref(data.as_bytes()))
    }

    /// Reads an event that is part of a larger request.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::event`], with pointers from the event's own start: see [`Problem::under`].
    pub fn raw<'b>(&self, raw: &'b RawValue) -> Result<Draft<'b>, Box<Problem>> {
        self.check_event_bytes(raw.get().len())?;
        self.object(raw.get(), &|data| Bytes::copy_from_slice(data.as_bytes()))
    }

    /// Reads one event out of its own text.
    pub(super) fn object<'b>(&self, text: &'b str, bytes_of: BytesOf<'_>) -> Result<Draft<'b>, Box<Problem>> {
        self.assemble(&self.members(text, "#")?, bytes_of)
    }

    /// Makes an event of the members of one object, whose names are known to differ.
    pub(super) fn assemble<'b>(
        &self,
        members: &[Member<'b>],
        bytes_of: BytesOf<'_>,
    ) -> Result<Draft<'b>, Box<Problem>> {
        let named = |name: &str| members.iter().any(|member| member.name == name);
        let (mut event, parent) = if named("specversion") {
            (cloudevent::read(self, members, bytes_of)?, "#")
        } else if named("event") {
            (envelope::read(self, members, bytes_of)?, "#/event")
        } else {
            return Err(no_event(members));
        };
        self.fill_source(&mut event, Site::Member { parent, name: "source" })?;
        Ok(event)
    }

    /// Gives an event without a source the one this reader has for such.
    pub(super) fn fill_source(&self, event: &mut Draft<'_>, site: Site<'_>) -> Result<(), Box<Problem>> {
        if event.source.is_empty() {
            let missing = || missing(site, "who publishes it, such as /my-agent");
            event.source = self.source.ok_or_else(missing)?.to_owned().into();
        }
        Ok(())
    }

    /// Reads the members of one object, and refuses names that come twice.
    pub(super) fn members<'a>(&self, text: &'a str, parent: &str) -> Result<Vec<Member<'a>>, Box<Problem>> {
        let mut members = Vec::with_capacity(16);
        let scanned = Scanner::new(text, self.limits.depth).members(&mut members, self.members_max());
        let fit = scanned.map_err(|wrong| syntax(text, wrong).under(parent))?;
        self.check_members(&members, fit, parent)?;
        Ok(members)
    }

    /// Returns how many members one object may have.
    pub(super) fn members_max(&self) -> usize {
        self.limits.extensions.saturating_add(FIELDS + 4)
    }

    /// Refuses too many members, and names that come twice.
    pub(super) fn check_members(
        &self,
        members: &[Member<'_>],
        fit: bool,
        parent: &str,
    ) -> Result<(), Box<Problem>> {
        if !fit {
            let detail =
                format!("has more than {} members: put what is more into the data", self.members_max());
            return Err(Box::new(
                Problem::new(Code::EventInvalid, format!("the event {detail}")).at(parent, detail),
            ));
        }
        let mut seen = 0u64;
        for (index, member) in members.iter().enumerate() {
            let bit = 1 << (short_hash(&member.name) & 63);
            if seen & bit != 0 && members[..index].iter().any(|earlier| earlier.name == member.name) {
                let site = Site::Member { parent, name: &member.name };
                return Err(site.refuse(Code::EventInvalid, "is there twice: one name, one value"));
            }
            seen |= bit;
        }
        Ok(())
    }

    pub(super) fn check_event_bytes(&self, length: usize) -> Result<(), Box<Problem>> {
        if length <= self.limits.event_bytes {
            return Ok(());
        }
        let detail = format!("the event has {length} bytes, the limit is {}", self.limits.event_bytes);
        Err(Box::new(
            Problem::new(Code::EventTooLarge, detail.clone())
                .at("#", detail)
                .hint("store the data elsewhere and send its address in the extension `dataref`"),
        ))
    }
}

/// Returns whether a line of text is meant as an event: a JSON object with `specversion`, or with an object `event`. A line that
/// is meant as one and is wrong is an error; any other line is just output.
pub fn looks_like_event(line: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(line) else { return false };
    if !text.trim_start().starts_with('{') || !(text.contains("specversion") || text.contains("\"event\"")) {
        return false;
    }
    let mut members = Vec::new();
    // What broke off or is too deep is judged by what came before.
    let _judged_below = Scanner::new(text, u32::MAX).members(&mut members, 1024);
    members.iter().any(|member| match &*member.name {
        "specversion" => true,
        "event" => member.value.first() == b'{',
        _ => false,
    })
}

fn no_event(members: &[Member<'_>]) -> Box<Problem> {
    let detail = "this is neither a CloudEvent (it has no `specversion`) nor an envelope (it has no `event`)";
    let hint = if members.iter().any(|member| member.name == "type") {
        "add \"specversion\":\"1.0\""
    } else {
        "send {\"specversion\":\"1.0\",\"type\":…,\"source\":…,\"data\":…}, or bare data with the headers ce-specversion: 1.0, ce-type, ce-source"
    };
    Box::new(Problem::new(Code::EventInvalid, detail).at("#", detail).hint(hint))
}

/// Returns the refusal of an event that lacks what it needs.
pub(super) fn missing(site: Site<'_>, what: &str) -> Box<Problem> {
    site.refuse(Code::EventInvalid, format!("is missing: {what}"))
}

// Enough to tell apart the names events have; a collision only costs a comparison.
fn short_hash(name: &str) -> usize {
    let bytes = name.as_bytes();
    let byte = |at: usize| usize::from(bytes.get(at).copied().unwrap_or(0));
    bytes.len() + 5 * byte(0) + 11 * byte(bytes.len() / 2) + 3 * byte(bytes.len().wrapping_sub(1))
}

/// Returns the value of an attribute: the content of a string, or what else it is.
pub(super) fn scalar<'a>(raw: &Raw<'a>) -> Value<'a> {
    match raw.string() {
        Some(text) => Value::Text(text),
        None if matches!(raw.first(), b'-' | b'0'..=b'9') => Value::Number(raw.text),
        None => Value::Other(raw.kind()),
    }
}

/// Returns the data of a JSON value, by the media type it is said to have.
pub(super) fn inline_data(raw: &Raw<'_>, content_type: Option<&str>, bytes_of: BytesOf<'_>) -> Data {
    if !super::is_json(content_type)
        && let Some(text) = raw.string()
    {
        return Data::text(text);
    }
    Data { bytes: bytes_of(raw.text), form: Form::Json }
}

/// Returns the data of a base64 string. What is JSON by its media type and by its bytes counts as JSON.
pub(super) fn base64_data(
    raw: &Raw<'_>,
    content_type: Option<&str>,
    site: Site<'_>,
    limits: &Limits,
) -> Result<Data, Box<Problem>> {
    let refuse = |detail: String| site.refuse(Code::EventInvalid, detail);
    let text = raw.string().ok_or_else(|| refuse(format!("must be a string, not {}", raw.kind())))?;
    let bytes = super::http::base64_decode(&text).ok_or_else(|| refuse("is not base64".into()))?;
    let json = super::is_json(content_type)
        && std::str::from_utf8(&bytes)
            .is_ok_and(|text| Scanner::new(text, limits.depth.saturating_sub(1)).whole().is_ok());
    let form = if json { Form::Json } else { Form::Binary };
    Ok(Data { bytes: bytes.into(), form })
}
