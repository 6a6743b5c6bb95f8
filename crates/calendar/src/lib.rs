//! When something recurs: cron, spans, rules of RFC 5545 and single times, in time zones.
//!
//! Read `recurrence` (the four ways to say when), `zone` (local times that are skipped or happen twice), `search` (the next local time
//! that fits), then `cron`, `every` and `rrule`. Nothing here reads a clock, a disk or the environment: the same text and the same time give the
//! same answer on every machine that runs the same version, because the time zones are compiled in.
//!
//! # Limits
//!
//! A text is at most [`TEXT_BYTES_MAX`] bytes. One question looks at no more than [`search::LOOKS_MAX`] days and steps and then gives up
//! ([`Next::GaveUp`]); that is enough to prove for every cron expression and every rule of `DAILY` and longer that it never fires again,
//! since the calendar repeats after 400 years. `COUNT` is at most [`rrule::COUNT_MAX`]. Memory is bounded by the text.

mod cron;
mod error;
mod every;
mod recurrence;
pub mod rrule;
pub mod search;
mod zone;

pub use jiff::Timestamp;

pub use error::InvalidExpression;
pub use recurrence::{Fires, Next, Recurrence};
pub use zone::{InvalidZone, Zone, time_zones_version};

/// The longest text that is read as an expression, in bytes.
pub const TEXT_BYTES_MAX: usize = 64 << 10;
