//! Events, in both shapes and in headers.

use bytes::Bytes;
use cantus_api::Event;
use cantus_api::event::{Limits, Reader, Shape, to_headers, write};

/// The first byte chooses how the body is declared.
pub(super) fn structured(input: &[u8]) {
    const TYPES: &[&str] = &[
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "application/json",
        "application/vnd.cantus.envelope+json",
        "application/x-ndjson",
    ];
    let Some((which, body)) = input.split_first() else { return };
    let limits = Limits::default();
    let reader = Reader::new(&limits);
    let body = Bytes::copy_from_slice(body);
    let content_type = TYPES[usize::from(*which) % TYPES.len()];
    let Ok(drafts) = reader.request(Some(content_type), &[], &body) else { return };
    for event in drafts.into_iter().map(cantus_api::event::Draft::into_owned) {
        for shape in [Shape::CloudEvent, Shape::Envelope] {
            same_in(&event, shape);
        }
    }
}

/// Writes and reads once, which may give defaults their names; from then on nothing changes any more.
fn same_in(event: &Event, shape: Shape) {
    let limits = Limits::generous();
    let reader = Reader::new(&limits);
    let mut first = Vec::new();
    write(&mut first, &event.view(), shape);
    let first = Bytes::from(first);
    let read = match reader.event(&first) {
        Ok(read) => read.into_owned(),
        Err(problem) => {
            panic!("what was written is refused: {problem:?}\n{}", String::from_utf8_lossy(&first))
        }
    };
    let mut second = Vec::new();
    write(&mut second, &read.view(), shape);
    assert_eq!(
        String::from_utf8_lossy(&first),
        String::from_utf8_lossy(&second),
        "an event is written as itself"
    );
}

/// Headers line by line, an empty line, the body.
pub(super) fn binary(input: &[u8]) {
    let end = input.windows(2).position(|pair| pair == b"\n\n").unwrap_or(input.len());
    let body = Bytes::copy_from_slice(input.get(end + 2..).unwrap_or_default());
    let mut headers: Vec<(&str, &[u8])> = Vec::new();
    for line in input[..end].split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let Ok(name) = std::str::from_utf8(&line[..colon]) else { continue };
        headers.push((name.trim(), line[colon + 1..].trim_ascii()));
    }
    let content_type = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let content_type = content_type.and_then(|(_, value)| std::str::from_utf8(value).ok());
    let limits = Limits::default();
    let reader = Reader::new(&limits);
    let Ok(draft) = reader.binary(content_type, &headers, &body) else { return };
    let event = draft.into_owned();
    let written = to_headers(&event.view());
    let again: Vec<(&str, &[u8])> =
        written.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let content_type = written.iter().find(|(name, _)| name == "content-type").map(|(_, value)| &**value);
    let limits = Limits::generous();
    let again = match Reader::new(&limits).binary(content_type, &again, &body) {
        Ok(again) => again.into_owned(),
        Err(problem) => panic!("what was written is refused: {problem:?}\n{written:?}"),
    };
    assert_eq!(to_headers(&again.view()), written, "an event is written as itself");
}
