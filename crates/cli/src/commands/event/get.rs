//! `cantus event get`

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use bytes::Bytes;
use cantus_api::Event;
use cantus_api::event::{Form, Limits, Reader, Shape, write_line};
use cantus_core::filter::Subject as _;
use clap::Args;
use serde_json::value::RawValue;

use crate::commands::filter::EventSubject;
use crate::context::Context;
use crate::exit::Failure;
use crate::input;

/// Print values of the event on stdin, one per line: strings as they are, everything else as JSON
///
/// Reads CloudEvents and envelopes. Exits with 3 when there is nothing at a path.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    title=$(cantus event get data.story.title)\n  \
    cantus event get type data.items.0.id <event.json")]
pub(crate) struct Get {
    /// An attribute such as `type` or `correlationid`, `data`, or a path into the data such as `data.items.0.id`
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// What to print when there is nothing at a path
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    default: Option<String>,
    /// The file with the event; stdin unless given
    #[arg(long, value_name = "FILE", env = "CANTUS_EVENT", hide_env_values = true)]
    event: Option<PathBuf>,
}

impl Get {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let bytes = match &self.event {
            Some(file) => input::file_content(file)?,
            None => input::stdin()?,
        };
        let event = read_event(&bytes)?;
        let mut text = String::new();
        for path in &self.paths {
            let value = value_at(&event, path)?.or_else(|| self.default.clone());
            let Some(value) = value else {
                return Err(Failure::not_found(format!("the event has nothing at `{path}`")).into());
            };
            text.push_str(&value);
            text.push('\n');
        }
        context.screen.print(&text)
    }
}

/// Returns the event of what `cantus events get -o json` and `cantus events ls -o jsonl` print: an event with its place in
/// the log. Anything else is returned as it is.
pub(crate) fn without_place(bytes: &[u8]) -> &[u8] {
    #[derive(serde::Deserialize)]
    struct Recorded<'a> {
        #[serde(borrow)]
        event: &'a RawValue,
        #[serde(rename = "position")]
        _position: String,
        #[serde(rename = "recorded_at")]
        _recorded_at: String,
    }
    match serde_json::from_slice::<Recorded<'_>>(bytes) {
        Ok(recorded) => recorded.event.get().as_bytes(),
        Err(_) => bytes,
    }
}

/// Reads an event of either shape, with or without its place in the log.
pub(crate) fn read_event(bytes: &[u8]) -> Result<Event> {
    if bytes.trim_ascii().is_empty() {
        return Err(Failure::usage("there is no event: stdin is empty").into());
    }
    let body = Bytes::copy_from_slice(without_place(bytes.trim_ascii()));
    Ok(Reader::new(&Limits::generous()).event(&body)?.into_owned())
}

fn value_at(event: &Event, path: &str) -> Result<Option<String>> {
    if path == "." {
        let mut line = Vec::new();
        write_line(&mut line, &event.view(), Shape::CloudEvent);
        return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
    }
    let mut steps = path.split('.');
    match steps.next() {
        Some("data" | "payload") => data_at(event, steps.collect()),
        _ => Ok(EventSubject::new(event).attribute(path).map(|value| value.canonical().into_owned())),
    }
}

fn data_at(event: &Event, steps: Vec<&str>) -> Result<Option<String>> {
    let Some(data) = &event.data else { return Ok(None) };
    if data.form != Form::Json {
        return Ok(steps.is_empty().then(|| String::from_utf8_lossy(&data.bytes).into_owned()));
    }
    let mut value: &str = std::str::from_utf8(&data.bytes)?;
    // Parts stay text on the way down, so that no number is rounded.
    for step in steps {
        let Some(next) = below(value, step)? else { return Ok(None) };
        value = next;
    }
    let value = value.trim();
    if value.starts_with('"') {
        return Ok(Some(serde_json::from_str(value)?));
    }
    Ok(Some(crate::output::compact(value.as_bytes())))
}

fn below<'a>(value: &'a str, step: &str) -> Result<Option<&'a str>> {
    Ok(match value.trim_start().as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<Cow<'a, str>, &'a RawValue> = serde_json::from_str(value)?;
            members.get(step).map(|raw| raw.get())
        }
        Some(b'[') => {
            let items: Vec<&'a RawValue> = serde_json::from_str(value)?;
            step.parse::<usize>().ok().and_then(|index| items.get(index)).map(|raw| raw.get())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Option<String> {
        let event = r#"{"specversion":"1.0","id":"e-1","source":"/s","type":"T","correlationid":"c","team":"red",
            "data":{"title":"a \"b\" é","n":9007199254740993.10,"items":[{"id":"x"},{"id":"y"}],"none":null,"a.b":1}}"#;
        value_at(&read_event(event.as_bytes()).unwrap(), path).unwrap()
    }

    #[test]
    fn strings_come_raw_and_everything_else_as_it_was_written() {
        assert_eq!(get("data.title").as_deref(), Some("a \"b\" é"));
        assert_eq!(get("data.n").as_deref(), Some("9007199254740993.10"));
        assert_eq!(get("data.items.1").as_deref(), Some(r#"{"id":"y"}"#));
        assert_eq!(get("data.items.1.id").as_deref(), Some("y"));
        assert_eq!(get("data.none").as_deref(), Some("null"));
    }

    #[test]
    fn attributes_have_the_names_of_either_shape() {
        assert_eq!(get("type").as_deref(), Some("T"));
        assert_eq!(get("correlationid").as_deref(), Some("c"));
        assert_eq!(get("correlation_id").as_deref(), Some("c"));
        assert_eq!(get("team").as_deref(), Some("red"));
    }

    #[test]
    fn what_is_not_there_is_nothing() {
        for path in ["data.missing", "data.items.2", "data.items.x", "data.title.x", "subject", "nothing", ""]
        {
            assert_eq!(get(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        assert!(read_event(b"  \n").is_err());
        let error = read_event(br#"{"a":1}"#).unwrap_err();
        assert_eq!(crate::exit::code_of(&error), cantus_api::error::ExitCode::Usage);
    }

    #[test]
    fn what_events_get_prints_as_json_is_read_as_the_event() {
        let event = r#"{"specversion":"1.0","id":"e1","type":"A","source":"/s","data":{"a":1}}"#;
        let printed =
            format!(r#"{{"event": {event}, "position": "0:4", "recorded_at": "2026-01-01T00:00:00Z"}}"#);
        assert_eq!(read_event(printed.as_bytes()).unwrap(), read_event(event.as_bytes()).unwrap());
    }
}
