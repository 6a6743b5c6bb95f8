//! Where something is in what was sent: problems are found in CloudEvents, and told in the words of the mode they came in.

use std::collections::HashMap;

use bytes::Bytes;
use cantus_api::error::Problem;
use serde_json::value::RawValue;

use super::Mode;
use crate::problem::Place;

/// Moves the places of a problem to where they are in what was sent: headers in the binary mode, the parts of an envelope.
pub(super) fn relocate(mut problem: Box<Problem>, mode: Mode, body: &Bytes) -> Box<Problem> {
    for fault in &mut problem.errors {
        let Some(pointer) = fault.pointer.take() else { continue };
        match mode {
            Mode::Binary => match pointer.strip_prefix("#/") {
                Some(rest) if rest == "data" || rest.starts_with("data/") => {
                    fault.pointer = Some(format!("#{}", &rest["data".len()..]));
                }
                Some(name) => fault.header = Some(format!("ce-{name}")),
                None => fault.pointer = Some(pointer),
            },
            Mode::Structured => fault.pointer = Some(pointer),
            Mode::Json | Mode::Lines => {
                fault.pointer = Some(in_envelope(&pointer, mode, body).unwrap_or(pointer))
            }
        }
    }
    problem
}

/// Returns where a member of a CloudEvent is in the envelope that was sent, if it was one.
fn in_envelope(pointer: &str, mode: Mode, body: &Bytes) -> Option<String> {
    let rest = pointer.strip_prefix("#/")?;
    let batch = mode.place(body) == Place::Batch;
    let (index, member) = if batch { rest.split_once('/')? } else { ("", rest) };
    let text = std::str::from_utf8(body).ok()?;
    let own = match mode {
        Mode::Lines => {
            text.lines().filter(|line| !line.trim().is_empty()).nth(index.parse().ok()?)?.to_owned()
        }
        _ if batch => {
            let all: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            all.get(index.parse::<usize>().ok()?)?.get().to_owned()
        }
        _ => text.to_owned(),
    };
    let members: HashMap<String, &RawValue> = serde_json::from_str(&own).ok()?;
    if members.contains_key("specversion") || !members.contains_key("event") {
        return None;
    }
    let (name, below) = match member.split_once('/') {
        Some((name, below)) => (name, format!("/{below}")),
        None => (member, String::new()),
    };
    let moved = match name {
        "data" => "payload",
        "topic" => "routing/topic",
        "to" => "routing/to",
        "partitionkey" => "routing/partition_key",
        "priority" => "routing/priority",
        "stream" => "routing/stream",
        "expirytime" => "routing/expires_at",
        "deliverat" => "routing/deliver_at",
        "time" => "event/timestamp",
        "hops" => "event/hops",
        "id" => "event/id",
        _ => return None,
    };
    let prefix = if batch { format!("#/{index}/") } else { "#/".to_owned() };
    Some(format!("{prefix}{moved}{below}"))
}
