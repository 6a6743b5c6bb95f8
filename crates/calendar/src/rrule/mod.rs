//! Rules of RFC 5545: `DTSTART`, `RRULE`, `RDATE`, `EXDATE`.
//!
//! Read `by` (which days and times of day a rule keeps), `periods` (rules of days and longer), `steps` (rules of hours and shorter), `rule` (both
//! behind one question), then `set` (rules, added times, taken-out times). `lines`, `value` and `parse` read texts.
//!
//! Rules of `DAILY` and longer name local times of day. As the standard says, one that the clocks skip is taken by the offset before the jump
//! (02:30 becomes 03:30), and one that happens twice is its first time. Rules of `HOURLY` and shorter step through elapsed time, so they neither
//! skip nor repeat at a change of the clocks, and keep those steps whose local time fits.
//!
//! A `DTSTART` that the rule does not match is not an occurrence, and `COUNT` does not count it.

mod by;
mod lines;
mod parse;
mod periods;
mod rule;
mod set;
mod steps;
mod value;

pub(crate) use set::Set;

/// The largest `COUNT`. It is worked out once, when the rule is read; `UNTIL` has no such bound.
pub const COUNT_MAX: u32 = 100_000;
/// The most `RRULE` lines of one set.
pub const RULES_MAX: usize = 16;
