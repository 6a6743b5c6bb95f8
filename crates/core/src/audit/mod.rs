//! The audit: every call by which somebody operates or defines is an entry, in the same slice as what it changed.
//!
//! An entry holds the hash of the one before it and its own, so that one that was changed, left out or put in shows.
//! Read `chain`, then `told` (what an entry says was so before and is so after). The entry itself is the fact
//! `CallAudited`. What was refused changed nothing and leaves no entry; a backup
//! changes nothing and leaves one, of no facts, before its first byte goes, and so does an apply that accepts edited programs.

mod chain;
mod told;

pub use chain::{Broken, Digest, Head, InvalidDigest, follows};

use crate::command::Audited;
use crate::coordinator::View;
use crate::fact::{CallAudited, Fact};
use crate::ids::Position;

/// Returns the entry of a call that led to these facts.
pub(crate) fn entry(view: &View<'_>, audited: &Audited, facts: &[Fact]) -> CallAudited {
    let head = &view.state.audit;
    let (before, after) = told::told(view.state, facts);
    let entry = CallAudited {
        number: head.entries + 1,
        at: view.now.at,
        actor: audited.actor.clone(),
        from: audited.from.clone(),
        action: audited.action.clone(),
        target: audited.target.clone(),
        before,
        after,
        facts: u32::try_from(facts.len()).unwrap_or(u32::MAX),
        previous: head.last,
        previous_hash: head.hash,
        hash: Digest::default(),
    };
    CallAudited { hash: entry.digest(), ..entry }
}

impl Head {
    /// Moves on to an entry.
    pub(crate) fn take(&mut self, position: Position, entry: &CallAudited) {
        self.entries = entry.number;
        self.last = Some(position);
        self.hash = entry.hash;
    }
}
