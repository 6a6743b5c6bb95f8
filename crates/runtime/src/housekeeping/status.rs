//! What housekeeping has done and found, for health, metrics and whoever asks.

use std::sync::{Mutex, PoisonError};

use cantus_core::{Position, Timestamp};
use tokio::sync::watch;

/// What housekeeping has done and found. Shared; cheap to look at.
#[derive(Debug)]
pub struct Status {
    report: Mutex<Report>,
    /// How many passes were begun, and how many of them are over.
    passes: watch::Sender<(u64, u64)>,
    /// Whether there is a housekeeper at all.
    kept: bool,
}

/// What housekeeping has done since the start, and what stands in its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many passes there were.
    pub passes: u64,
    /// Events that went by retention.
    pub events_trimmed: u64,
    /// Events that went because a later one has their key.
    pub events_compacted: u64,
    /// Segments that were written anew or dropped.
    pub segments_rewritten: u64,
    /// Bytes that came free by that.
    pub bytes_freed: u64,
    /// How many bases were written.
    pub bases: u64,
    /// Bytes that were looked at.
    pub scrubbed_bytes: u64,
    /// How often everything was looked at.
    pub scrubs: u64,
    /// When that was last complete.
    pub scrubbed_at: Option<Timestamp>,
    /// Up to where the present look has got.
    pub scrubbing_at: Position,
    /// What the looks found, in words.
    pub damage: Vec<String>,
    /// Why the last pass could not do all it should, in words.
    pub trouble: Option<String>,
}

impl Status {
    pub(crate) fn of(kept: bool) -> Self {
        Self { report: Mutex::default(), passes: watch::Sender::new((0, 0)), kept }
    }

    /// Tells whether there is a housekeeper.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept
    }

    /// Returns what there is to tell now.
    pub fn report(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn begin_pass(&self) {
        self.passes.send_modify(|(begun, _)| *begun += 1);
    }

    pub(crate) fn end_pass(&self) {
        self.passes.send_modify(|(begun, over)| *over = *begun);
    }

    /// Returns what waits for the end of a pass that begins from now on.
    pub(crate) fn next_pass(&self) -> impl Future<Output = ()> + use<> {
        let mut passes = self.passes.subscribe();
        let next = passes.borrow().0 + 1;
        async move {
            // Without a housekeeper there is no sender to wait for.
            let _ = passes.wait_for(|(_, over)| *over >= next).await.map(|_| ());
        }
    }

    pub(crate) fn note(&self, change: impl FnOnce(&mut Report)) {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
