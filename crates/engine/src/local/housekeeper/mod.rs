//! What is done to sealed segments beside the writer, one thing at a time.
//!
//! Read `rewrite` (a segment anew, without what may go) with `output`, `drop` (the oldest segments), `wipe` (leftovers),
//! `base`, `scrub`, `backup`, `mend` (what is left of a damaged segment).

mod backup;
mod base;
mod drop;
mod mend;
mod output;
mod rewrite;
mod scrub;
mod wipe;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::damage::Damage;
use super::error::DiskError;
use super::keeper::Work;
use super::segment::Segment;
use super::shared::Shared;

pub use backup::{BackedUp, BackupError};

pub use rewrite::{Outcome, RewriteError, Sifted};
pub use scrub::Scrubbed;

/// Works on the sealed segments of an open log. Clones share the work: one thing is done at a time.
#[derive(Debug, Clone)]
pub struct Housekeeper {
    pub(crate) shared: Arc<Shared>,
    pub(crate) work: Arc<Work>,
    one_at_a_time: Arc<Mutex<()>>,
}

/// A segment, as far as its index tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentState {
    /// The position it begins at.
    pub first_position: u64,
    /// The first position behind it.
    pub next_position: u64,
    /// Up to where it is written, in bytes.
    pub bytes: u64,
    /// The log time before its first frame, in milliseconds.
    pub first_time_ms: u64,
    /// The log time of its last frame.
    pub last_time_ms: u64,
    /// How many records it has.
    pub records: u64,
    /// Whether another segment follows.
    pub sealed: bool,
    /// How often it was written anew.
    pub revision: u64,
}

impl Housekeeper {
    pub(crate) fn new(shared: Arc<Shared>, work: Arc<Work>) -> Self {
        Self { shared, work, one_at_a_time: Arc::default() }
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns all segments, oldest first; the last one is being written.
    pub fn segments(&self) -> Vec<SegmentState> {
        let segments = self.shared.segments();
        let count = segments.len();
        let durable = self.shared.durable();
        let state = |(at, segment): (usize, &Arc<Segment>)| {
            let index = segment.index();
            let totals = index.totals();
            let sealed = at + 1 < count;
            let next = segments.get(at + 1).map(|next| next.first_position);
            let first = index.summaries(0..1).ok().and_then(|first| first.first().copied());
            SegmentState {
                first_position: segment.first_position,
                next_position: next.unwrap_or(durable.max(segment.first_position - 1) + 1),
                bytes: totals.end_offset,
                first_time_ms: first.map_or(totals.log_time_ms, |summary| summary.log_time_ms),
                last_time_ms: totals.log_time_ms,
                records: totals.records,
                sealed,
                revision: segment.header.map_or(0, |header| header.revision),
            }
        };
        segments.iter().enumerate().map(state).collect()
    }

    /// Returns the last durable position.
    pub fn durable(&self) -> u64 {
        self.shared.durable()
    }

    /// Asks the writer to go on in a fresh segment with its next frame.
    pub fn request_seal(&self) {
        let segments = self.shared.segments();
        if segments.last().is_some_and(|active| active.index().totals().records > 0) {
            self.shared.request_seal();
        }
    }

    /// A sealed segment by its first position, with what stands behind it.
    fn sealed(&self, first_position: u64) -> Option<Sealed> {
        let segments = self.shared.segments();
        let at = segments.iter().position(|segment| segment.first_position == first_position)?;
        let next = segments.get(at + 1)?;
        let segment = segments[at].clone();
        let chain = next.header.map_or_else(|| segment.index().totals().chain, |next| next.previous_chain);
        Some(Sealed { segment, oldest: at == 0, next: next.clone(), next_chain: chain })
    }
}

/// A sealed segment in its place.
struct Sealed {
    segment: Arc<Segment>,
    oldest: bool,
    next: Arc<Segment>,
    /// The chain hash behind its last frame.
    next_chain: u64,
}

/// Something that can not be read, or a disk that fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("{0}")]
    Damaged(Damage),
    #[error(transparent)]
    Disk(#[from] DiskError),
}
