//! Events: immutable records that somebody published.
//!
//! Read `model` (the record), then `subject` (how filters see it), then `publish` (how a publish is decided)
//! and `renew` (the new event of an edited one).

mod model;
pub mod publish;
pub(crate) mod renew;
mod subject;

pub use model::{Data, Event, Extension, Form, Kind, Payload, Priority};
pub use subject::EventSubject;
