//! Topics: named lines of events, and who may use them.
//!
//! Read `name` (what a topic may be called, and patterns over names), then `definition`, then `dedupe`; `weight` is how much the
//! schemas of its events may ask for.

pub mod dedupe;
mod definition;
mod name;
pub mod weight;
pub(crate) use name::{glob, is_name_byte};

pub use definition::{Schema, Topic, Validation};
pub use name::{InvalidName, Pattern, TopicName};
