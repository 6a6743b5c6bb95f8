//! Indexes: which positions a name stands at, and where each frame is. One per segment, in memory while the segment grows,
//! in a file once it is sealed. Every index can be rebuilt from its segment.
//!
//! Read `summary`, then `memory`, then `file` with `pages` and `bloom`.

mod about;
mod bloom;
mod file;
mod memory;
mod pages;
mod summary;

use std::io;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

pub(crate) use about::About;
pub(crate) use file::{Identity, IndexFile, OpenFault, VERSION, write};
pub(crate) use memory::MemoryIndex;
#[cfg(feature = "model-disk")]
pub(crate) use pages::seal;
pub(crate) use summary::Covers;
pub use summary::Summary;

/// What a segment's frames add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    /// The first position behind the segment.
    pub(crate) next_position: u64,
    /// The first byte behind its last frame.
    pub(crate) end_offset: u64,
    /// The chain hash behind its last frame.
    pub(crate) chain: u64,
    /// The log time of its last frame, or of the log before it.
    pub(crate) log_time_ms: u64,
    pub(crate) frames: u64,
    pub(crate) records: u64,
}

/// A name's hash and class, in the order of the index. Eight of the hash's bits give way to the class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(pub(crate) u64);

impl Key {
    pub(crate) fn new(class: u8, hash: u64) -> Self {
        Self(hash & !0xff | u64::from(class))
    }
}

/// One name at one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) key: Key,
    pub(crate) position: u64,
}

/// Why an index cannot answer. The segment can, after a scan.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexFault {
    #[error("a page of the index is damaged")]
    Damaged,
    #[error("the index cannot be read")]
    Disk(#[source] io::Error),
}

/// A segment's index, wherever it is. Clones share it.
#[derive(Debug, Clone)]
pub(crate) enum Index {
    Memory(Arc<RwLock<MemoryIndex>>),
    File(Arc<IndexFile>),
}

/// No call gives more summaries than this at once.
pub(crate) const SUMMARIES_MAX: usize = 256;

impl Index {
    pub(crate) fn in_memory(index: MemoryIndex) -> Self {
        Self::Memory(Arc::new(RwLock::new(index)))
    }

    pub(crate) fn totals(&self) -> Totals {
        match self {
            Self::Memory(index) => read(index).totals(),
            Self::File(file) => file.header().totals,
        }
    }

    /// Returns the number of the first summary that ends at or behind a position; the number of summaries if none does.
    pub(crate) fn find(&self, position: u64) -> Result<usize, IndexFault> {
        match self {
            Self::Memory(index) => Ok(read(index).find(position)),
            Self::File(file) => file.find(position),
        }
    }

    /// Returns how many summaries there are.
    pub(crate) fn summary_count(&self) -> usize {
        match self {
            Self::Memory(index) => read(index).summaries().len(),
            Self::File(file) => file.summary_count(),
        }
    }

    /// Returns the summaries in a range that exist, at most [`SUMMARIES_MAX`] from its start.
    pub(crate) fn summaries(&self, range: Range<usize>) -> Result<Vec<Summary>, IndexFault> {
        let range =
            range.start..range.end.min(range.start.saturating_add(SUMMARIES_MAX)).min(self.summary_count());
        if range.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Self::Memory(index) => Ok(read(index).summaries()[range].to_vec()),
            Self::File(file) => file.summaries(range),
        }
    }

    /// Returns the first `limit` positions of a name in a range, rising.
    pub(crate) fn lookup(
        &self,
        key: Key,
        positions: Range<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, IndexFault> {
        match self {
            Self::Memory(index) => Ok(read(index).lookup(key, positions, limit)),
            Self::File(file) => file.lookup(key, positions, limit),
        }
    }

    /// Returns the last `limit` positions of a name in a range, falling.
    pub(crate) fn lookup_back(
        &self,
        key: Key,
        positions: Range<u64>,
        limit: usize,
    ) -> Result<Vec<u64>, IndexFault> {
        match self {
            Self::Memory(index) => Ok(read(index).lookup_back(key, positions, limit)),
            Self::File(file) => file.lookup_back(key, positions, limit),
        }
    }
}

fn read(index: &RwLock<MemoryIndex>) -> RwLockReadGuard<'_, MemoryIndex> {
    index.read().unwrap_or_else(PoisonError::into_inner)
}
