//! Reading events out of JSON: one, one or several, a batch, lines.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::attribute::{Site, Value};
use super::limits::Limits;
use super::model::{Data, Event, Form};
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

// A batch says at most this much about what is wrong with it.
const FAULTS_MAX: usize = 16;

// One event of several, and the line it stands in where lines count.
struct Part<'a> {
    length: usize,
    text: Result<&'a str, Box<Problem>>,
    line: Option<usize>,
}

impl<'a> Part<'a> {
    fn of(text: &'a str) -> Part<'a> {
        Part { length: text.len(), text: Ok(text), line: None }
    }
}

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
    pub fn event(&self, body: &Bytes) -> Result<Event, Box<Problem>> {
        self.check_event_bytes(body.len())?;
        self.object(text(body)?, &|data| body.slice_ref(data.as_bytes()))
    }

    /// Reads one event, or an array of events: never none but for `[]`.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::event`] and [`Reader::batch`].
    pub fn events(&self, body: &Bytes) -> Result<Vec<Event>, Box<Problem>> {
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'[') { self.batch(body) } else { Ok(vec![self.event(body)?]) }
    }

    /// Reads an array of events, each of either shape. `[]` is one.
    ///
    /// # Errors
    ///
    /// `BATCH_INVALID`, `BATCH_TOO_LARGE`, and those of [`Reader::event`] with the first event's code and every place that is
    /// wrong, sixteen at most.
    pub fn batch(&self, body: &Bytes) -> Result<Vec<Event>, Box<Problem>> {
        self.check_batch_bytes(body.len())?;
        let all = text(body)?;
        if !all.trim_start().starts_with('[') {
            // What is no JSON at all is called so.
            Scanner::new(all, self.limits.depth).whole().map_err(|wrong| syntax(all, wrong))?;
            let detail = "a batch is a JSON array of events";
            return Err(Box::new(Problem::new(Code::BatchInvalid, detail).at("#", detail)));
        }
        let items = Scanner::new(all, self.limits.depth.saturating_add(1))
            .items(self.limits.batch_events)
            .map_err(|wrong| syntax(all, wrong))?
            .map_err(|_| self.too_many())?;
        self.each(items.iter().map(|item| Part::of(item.text)), &|data| body.slice_ref(data.as_bytes()))
    }

    /// Reads JSON Lines: one event of either shape per line. Empty lines are skipped; pointers begin with the line's number, from
    /// 0 as in an array.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::batch`].
    pub fn lines(&self, body: &Bytes) -> Result<Vec<Event>, Box<Problem>> {
        self.check_batch_bytes(body.len())?;
        let lines = || {
            let numbered = body.split(|byte| *byte == b'\n').enumerate();
            numbered.filter(|(_, line)| !line.iter().all(u8::is_ascii_whitespace))
        };
        if lines().nth(self.limits.batch_events).is_some() {
            return Err(self.too_many());
        }
        let parts = lines().map(|(number, line)| Part {
            length: line.len(),
            text: text(line),
            line: Some(number + 1),
        });
        self.each(parts, &|data| body.slice_ref(data.as_bytes()))
    }

    /// Reads an event that is part of a larger request.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::event`], with pointers from the event's own start: see [`Problem::under`].
    pub fn raw(&self, raw: &RawValue) -> Result<Event, Box<Problem>> {
        self.check_event_bytes(raw.get().len())?;
        self.object(raw.get(), &|data| Bytes::copy_from_slice(data.as_bytes()))
    }

    /// Reads the events of a larger request; pointers begin with `pointer`, such as `#/publish`.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::batch`].
    pub fn raws(&self, raws: &[Box<RawValue>], pointer: &str) -> Result<Vec<Event>, Box<Problem>> {
        if raws.len() > self.limits.batch_events {
            return Err(self.too_many());
        }
        self.each(raws.iter().map(|raw| Part::of(raw.get())), &|data| Bytes::copy_from_slice(data.as_bytes()))
            .map_err(|problem| Box::new(problem.under(pointer)))
    }

    fn each<'a>(
        &self,
        parts: impl Iterator<Item = Part<'a>>,
        bytes_of: &dyn Fn(&str) -> Bytes,
    ) -> Result<Vec<Event>, Box<Problem>> {
        let mut events = Vec::with_capacity(parts.size_hint().0);
        let mut refused: Option<Problem> = None;
        for (index, part) in parts.enumerate() {
            let text = self.check_event_bytes(part.length).and(part.text);
            let problem = match text.and_then(|text| self.object(text, bytes_of)) {
                Ok(event) if refused.is_none() => {
                    events.push(event);
                    continue;
                }
                Ok(_) => continue,
                Err(problem) => problem.under(&format!("#/{index}")),
            };
            match &mut refused {
                None => {
                    let line = part.line.map(|line| format!(" (line {line})")).unwrap_or_default();
                    let detail = format!("event {index}{line}: {}", problem.detail);
                    refused = Some(Problem { detail, ..problem });
                }
                Some(first) => first.errors.extend(problem.errors),
            }
            if refused.as_ref().is_some_and(|first| first.errors.len() >= FAULTS_MAX) {
                break;
            }
        }
        refused.map_or(Ok(events), |problem| Err(Box::new(problem)))
    }

    // Reads one event out of its own text.
    fn object(&self, text: &str, bytes_of: &dyn Fn(&str) -> Bytes) -> Result<Event, Box<Problem>> {
        let members = self.members(text, "#")?;
        let named = |name: &str| members.iter().any(|member| member.name == name);
        let mut event = if named("specversion") {
            cloudevent::read(self, &members, bytes_of)?
        } else if named("event") {
            envelope::read(self, &members, bytes_of)?
        } else {
            return Err(no_event(&members));
        };
        let parent = if named("specversion") { "#" } else { "#/event" };
        self.fill_source(&mut event, Site::Member { parent, name: "source" })?;
        Ok(event)
    }

    /// Gives an event without a source the one this reader has for such.
    pub(super) fn fill_source(&self, event: &mut Event, site: Site<'_>) -> Result<(), Box<Problem>> {
        if event.source.is_empty() {
            let missing = || missing(site, "who publishes it, such as /my-agent");
            event.source = self.source.map(str::to_owned).ok_or_else(missing)?;
        }
        Ok(())
    }

    /// Reads the members of one object, and refuses names that come twice.
    pub(super) fn members<'a>(&self, text: &'a str, parent: &str) -> Result<Vec<Member<'a>>, Box<Problem>> {
        let members_max = self.limits.extensions.saturating_add(FIELDS + 4);
        let mut members = Vec::with_capacity(16);
        let scanned = Scanner::new(text, self.limits.depth).members(&mut members, members_max);
        let fits = scanned.map_err(|wrong| syntax(text, wrong).under(parent))?;
        if fits.is_err() {
            let detail = format!("has more than {members_max} members: put what is more into the data");
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
        Ok(members)
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

    fn check_batch_bytes(&self, length: usize) -> Result<(), Box<Problem>> {
        if length <= self.limits.batch_bytes {
            return Ok(());
        }
        let detail = format!("the batch has {length} bytes, the limit is {}", self.limits.batch_bytes);
        Err(Box::new(
            Problem::new(Code::BatchTooLarge, detail.clone()).at("#", detail).hint("send several batches"),
        ))
    }

    fn too_many(&self) -> Box<Problem> {
        let detail = format!("the batch has more than {} events", self.limits.batch_events);
        Box::new(
            Problem::new(Code::BatchTooLarge, detail.clone()).at("#", detail).hint("send several batches"),
        )
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
pub(super) fn inline_data(
    raw: &Raw<'_>,
    content_type: Option<&str>,
    bytes_of: &dyn Fn(&str) -> Bytes,
) -> Data {
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
