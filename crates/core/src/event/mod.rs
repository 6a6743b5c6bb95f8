//! Events: immutable records that somebody published.
//!
//! Read `model` (the record), then `subject` (how filters see it), then `publish` (how a publish is decided).

mod model;
pub mod publish;
mod subject;

pub use model::{Data, Event, Extension, Form, Kind, Payload, Priority};
pub use subject::EventSubject;
