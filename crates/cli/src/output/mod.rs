//! What commands print: data on stdout as a table, as JSON or as JSON Lines; everything else on stderr.
//!
//! Read `screen` (who decides how), `table`, `json`, `time` and `style` (the pieces), then `event` (how an event looks on a line).

mod event;
mod json;
mod list;
mod screen;
mod style;
mod table;
mod time;

pub(crate) use event::{data_preview, event_line};
pub(crate) use json::{compact, pretty};
pub(crate) use list::{ListOptions, gather};
pub(crate) use screen::{Format, Screen};
pub(crate) use style::Tone;
pub(crate) use table::{Table, fields};
pub(crate) use time::{TimeStyle, duration_ms, relative};
