//! Topics: named lines of events, and who may use them.
//!
//! Read `name` (what a topic may be called, and patterns over names), then `definition`, then `dedupe`.

pub mod dedupe;
mod definition;
mod name;
pub(crate) use name::{glob, is_name_byte};

pub use definition::{Schema, Topic, Validation};
pub use name::{InvalidName, Pattern, TopicName};
