//! The wire, rule by rule: events in both shapes, bad input, HTTP modes, and the table of errors with its pages.
#![expect(clippy::unwrap_used, reason = "what these helpers open is there, or the test fails")]

mod bad_input;
mod errors;
mod http_modes;
mod nouns;
mod properties;
mod shapes;
mod signatures;
mod specification;

use bytes::Bytes;
use cantus_api::event::{Draft, Limits, Reader, Shape, View, write};
use cantus_api::{Event, Problem};

fn limits() -> &'static Limits {
    static LIMITS: std::sync::OnceLock<Limits> = std::sync::OnceLock::new();
    LIMITS.get_or_init(Limits::default)
}

fn reader() -> Reader<'static> {
    Reader::new(limits())
}

fn read(text: impl AsRef<[u8]>) -> Result<Event, Box<Problem>> {
    reader().event(&Bytes::copy_from_slice(text.as_ref())).map(Draft::into_owned)
}

/// Events with texts of their own.
fn owned(drafts: Vec<Draft<'_>>) -> Vec<Event> {
    drafts.into_iter().map(Draft::into_owned).collect()
}

fn good(text: impl AsRef<[u8]>) -> Event {
    read(text).unwrap_or_else(|problem| panic!("refused: {problem}"))
}

fn written(view: &View<'_>, shape: Shape) -> String {
    let mut out = Vec::new();
    write(&mut out, view, shape);
    String::from_utf8(out).expect("JSON is UTF-8")
}

/// A CloudEvent with these further members.
fn event_with(members: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"1","type":"t","source":"/s"{members}}}"#)
}

/// Code and pointer of a refusal.
fn refused(text: impl AsRef<[u8]>) -> (String, String) {
    place(&read(text).expect_err("it is wrong"))
}

fn place(problem: &Problem) -> (String, String) {
    let fault = problem.errors.first().expect("a refusal names a place");
    let place = fault.pointer.as_ref().or(fault.header.as_ref()).or(fault.parameter.as_ref());
    (problem.code.to_string(), place.expect("a refusal names a place").clone())
}

fn at(code: &str, pointer: &str) -> (String, String) {
    (code.to_owned(), pointer.to_owned())
}
