//! Dead letters: what will not be tried again by itself, with its whole story.
//!
//! Read `state`, then `decide` (edit, replay, archive, restore). The bodies and attempts stay in the log, in the
//! facts that opened and edited them; state keeps what lists, groups and decisions need.

pub mod decide;
mod state;

pub use state::{DeadLetter, ImpossibleMove, Move, Replaying, Status, fingerprint};
