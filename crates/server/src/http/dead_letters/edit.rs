//! Editing the event of a dead letter. The edited event is written as JSON, changed, and read again through the same door
//! as every event, so it can not become what could not have been published.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cantus_api::dead_letter::Edit;
use cantus_api::error::{Code, Problem};
use cantus_api::event::{Reader, Shape};
use cantus_core::command::{Command, EditDeadLetter};
use cantus_core::event::Event;
use cantus_core::{Refusal, Text};
use cantus_runtime::Failed;
use serde_json::value::RawValue;

use super::super::answer;
use super::super::call::Call;
use super::super::route::Answered;
use super::{Format, id_of, note, story};
use crate::convert::event::{self, Blanks};
use crate::problem::{self, Place};

/// What makes the event itself, and what a replay decides.
const FIXED: [(&str, &str); 7] = [
    ("id", "an edited event gets an id of its own when it is replayed"),
    ("source", "who published it stays who published it"),
    ("specversion", "there is only one version"),
    ("topic", "replay it with `topic` to publish it elsewhere"),
    ("correlationid", "it stays in its story"),
    ("causationid", "an edited event names the original as its cause"),
    ("hops", "they are counted"),
];
/// How often an edit is made anew when somebody else edited meanwhile.
const STALE_TRIES_MAX: usize = 8;

pub(super) async fn edit(mut call: Call) -> Answered {
    let Format { format } = call.query()?;
    let shape = call.shape(format)?;
    let id = id_of(&call)?;
    // As base64, data takes a third more.
    let bytes = call.limits().event_bytes.saturating_mul(2).saturating_add(64 * 1024);
    let edit: Edit = call.json_within(bytes).await?;
    check(&edit)?;
    let note = note(edit.note.as_deref())?;
    for _ in 0..STALE_TRIES_MAX {
        let (kept, told) = story::find(&call.app, id, call.param("id")).await?;
        let current = told.edited.as_ref().unwrap_or(&told.original);
        let edited = edited(&call, current, &edit)?;
        if let Some(refusal) = call.app.handle.schema_check(&edited) {
            return Err(problem::of_refusal(&refusal, Place::Alone));
        }
        let attributes = edit.attributes.iter();
        let command = EditDeadLetter {
            id,
            seen_edit: kept.it.edit,
            data: changes_data(&edit).then(|| edited.data.clone()).flatten(),
            attributes: attributes
                .map(|(name, value)| {
                    (Text::from(name.as_str()), value.as_ref().map(|json| Text::from(json.get())))
                })
                .collect(),
            event: Arc::new(edited),
            actor: call.caller.actor.clone(),
            note: note.clone(),
        };
        match call.app.handle.submit(Command::EditDeadLetter(Box::new(command))).await {
            Ok(_) => return answer::ok(&story::read(&call, id, shape).await?),
            Err(Failed::Refused(Refusal::Stale)) => {}
            Err(failed) => return Err(problem::of(failed, Place::Alone)),
        }
    }
    Err(problem::of(Failed::Overloaded, Place::Alone))
}

fn changes_data(edit: &Edit) -> bool {
    edit.data.is_some() || edit.data_base64.is_some()
}

fn check(edit: &Edit) -> Result<(), Box<Problem>> {
    let refused = |pointer: &str, detail: String| {
        Err(Box::new(Problem::new(Code::ParameterInvalid, detail.clone()).at(pointer, detail)))
    };
    if edit.data.is_some() && edit.data_base64.is_some() {
        return refused(
            "#/data_base64",
            "`data_base64` stands beside `data`: an event has one of the two".to_owned(),
        );
    }
    if !changes_data(edit) && edit.attributes.is_empty() {
        return refused(
            "#",
            "the edit changes nothing: give `data`, `data_base64` or `attributes`".to_owned(),
        );
    }
    for name in edit.attributes.keys() {
        let pointer = format!("#/attributes/{}", name.replace('~', "~0").replace('/', "~1"));
        if let Some((_, why)) = FIXED.iter().find(|(fixed, _)| fixed == name) {
            return refused(&pointer, format!("`{name}` can not be changed: {why}"));
        }
        if matches!(name.as_str(), "data" | "data_base64") {
            return refused(&pointer, format!("`{name}` is no attribute: it stands beside `attributes`"));
        }
    }
    Ok(())
}

/// Returns the event with the changes, read as any event is read.
fn edited(call: &Call, current: &Event, edit: &Edit) -> Result<Event, Box<Problem>> {
    let mut json = Vec::new();
    event::write(&mut json, current, Shape::CloudEvent);
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&json)
        .map_err(|_| Box::new(Problem::new(Code::Internal, "the event could not be taken apart")))?;
    for (name, value) in &edit.attributes {
        match value {
            Some(value) => members.insert(name.clone(), value.clone()),
            None => members.remove(name),
        };
    }
    if changes_data(edit) {
        members.remove("data");
        members.remove("data_base64");
    }
    if let Some(data) = &edit.data {
        members.insert("data".to_owned(), data.clone());
    }
    if let Some(base64) = &edit.data_base64 {
        let text = RawValue::from_string(serde_json::Value::from(base64.as_str()).to_string());
        members.insert("data_base64".to_owned(), text.expect("a string is JSON"));
    }
    let json = Bytes::from(serde_json::to_vec(&members).expect("members are JSON with string keys"));
    let limits = call.limits();
    let blanks = Blanks { topic: Some(&current.topic), ..Blanks::default() };
    let draft = Reader::new(&limits).event(&json).and_then(|draft| event::fill(draft, &blanks));
    let draft = draft.map_err(|problem| Box::new(in_edit(*problem)))?;
    let mut event = Event::clone(&draft.event);
    // What only envelopes have is not in that JSON, and stays; data that was left alone stays byte for byte.
    event.extensions.extend(current.extensions.iter().filter(|one| one.name.contains('.')).cloned());
    if !changes_data(edit) {
        event.data.clone_from(&current.data);
    }
    Ok(event)
}

/// Moves the places of a problem to where they are in the request.
fn in_edit(mut problem: Problem) -> Problem {
    for fault in &mut problem.errors {
        if let Some(pointer) = &mut fault.pointer
            && let Some(rest) = pointer.strip_prefix("#/")
            && !(rest == "data" || rest.starts_with("data/") || rest == "data_base64")
        {
            *pointer = format!("#/attributes/{rest}");
        }
    }
    problem
}
