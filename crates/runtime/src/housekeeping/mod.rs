//! Housekeeping: what is not needed any more goes, what was erased disappears, what is there is looked at.
//!
//! ```text
//! pass:  trim ─▶ compact ─▶ erase ─▶ rewrite ─▶ scrub ─▶ rest
//! ```
//! A decision is a fact before a byte goes, and the core takes it: `trim` and `compact` find out what may go, `mask` lets
//! nobody see it from then on, `rewrite` writes segments anew without it, once `bases` hold all state that it led to.
//! Read `keeper` (the thread and its pace), then these. Housekeeping is never in a hurry but for an erasure.

mod bases;
mod bell;
mod compact;
mod erase;
mod keeper;
mod mask;
mod rewrite;
mod scrub;
mod status;
mod there;
mod trim;

use std::time::Duration;

use cantus_core::Span;

pub(crate) use bell::Bell;
pub(crate) use keeper::Keeper;
#[cfg(feature = "simulation")]
pub(crate) use keeper::Steps;
pub(crate) use mask::{Mask, Masked};
pub use status::{Report, Status};

/// How housekeeping is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often it looks for something to do.
    pub every: Duration,
    /// How long events are held for subscriptions that did not take them, once their retention is over.
    pub hold_age: Span,
    /// How many bytes are held for them.
    pub hold_bytes: u64,
    /// How long facts are kept that are neither events nor tell of one.
    pub history: Span,
    /// Within which time everything is looked at.
    pub scrub_within: Duration,
    /// How much of the disk's time it takes at most, in percent.
    pub share: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(60),
            hold_age: Span::hours(7 * 24),
            hold_bytes: 10 << 30,
            history: Span::hours(90 * 24),
            scrub_within: Duration::from_secs(7 * 24 * 3600),
            share: 5,
        }
    }
}
