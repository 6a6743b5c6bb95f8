//! What the writer and its readers have in common.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use super::base::BaseHeader;
use super::beginning::Beginning;
use super::damage::Damage;
use super::describe::Describe;
use super::disk::Disk;
use super::error::DiskError;
use super::index::{self, Identity, Index, IndexFault};
use super::recovery::rescan;
use super::segment::{Segment, name};

/// Damages remembered for `/readyz` and reports; the first ones say the most.
const DAMAGE_MAX: usize = 1024;

pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) describe: Arc<dyn Describe>,
    pub(crate) log_id: u64,
    segments: RwLock<Vec<Arc<Segment>>>,
    durable: AtomicU64,
    poisoned: OnceLock<String>,
    damage: Mutex<Vec<Damage>>,
    rebuilding: Mutex<()>,
    beginning: RwLock<Option<Arc<Beginning>>>,
    /// Newest first.
    bases: Mutex<Vec<BaseHeader>>,
    seal_requested: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("dir", &self.dir)
            .field("durable", &self.durable())
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(
        dir: PathBuf,
        disk: Arc<dyn Disk>,
        describe: Arc<dyn Describe>,
        log_id: u64,
        segments: Vec<Arc<Segment>>,
        durable: u64,
        damage: Vec<Damage>,
    ) -> Self {
        Self {
            dir,
            disk,
            describe,
            log_id,
            segments: RwLock::new(segments),
            durable: AtomicU64::new(durable),
            poisoned: OnceLock::new(),
            damage: Mutex::new(damage),
            rebuilding: Mutex::new(()),
            beginning: RwLock::default(),
            bases: Mutex::default(),
            seal_requested: AtomicBool::new(false),
        }
    }

    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn set_durable(&self, position: u64) {
        self.durable.store(position, Ordering::Release);
    }

    pub(crate) fn poison(&self, reason: String) {
        let _ = self.poisoned.set(reason);
    }

    pub(crate) fn poisoned(&self) -> Option<&str> {
        self.poisoned.get().map(String::as_str)
    }

    pub(crate) fn push(&self, segment: Arc<Segment>) {
        self.segments.write().unwrap_or_else(PoisonError::into_inner).push(segment);
    }

    /// Puts a segment that was written anew in the place of the old one.
    pub(crate) fn replace(&self, old: &Arc<Segment>, new: &Arc<Segment>) {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = segments.iter_mut().find(|segment| Arc::ptr_eq(segment, old)) {
            *place = new.clone();
        }
    }

    /// Takes out the segments before a new beginning.
    pub(crate) fn begin_at(&self, beginning: Beginning) -> Vec<Arc<Segment>> {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        let gone = segments.partition_point(|segment| segment.first_position < beginning.first_position);
        *self.beginning.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(beginning));
        segments.drain(..gone).collect()
    }

    /// Where the log begins, if its oldest segments were dropped.
    pub(crate) fn beginning(&self) -> Option<Arc<Beginning>> {
        self.beginning.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn bases(&self) -> MutexGuard<'_, Vec<BaseHeader>> {
        self.bases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn request_seal(&self) {
        self.seal_requested.store(true, Ordering::Release);
    }

    /// Says whether a fresh segment was asked for, once.
    pub(crate) fn take_seal_request(&self) -> bool {
        self.seal_requested.load(Ordering::Acquire) && self.seal_requested.swap(false, Ordering::AcqRel)
    }

    /// Returns all segments, oldest first.
    pub(crate) fn segments(&self) -> Vec<Arc<Segment>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the segment a position would be in, and where the one behind it begins.
    pub(crate) fn segment_of(&self, position: u64) -> Place {
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        let behind = segments.partition_point(|segment| segment.first_position <= position);
        let next_first = segments.get(behind).map(|segment| segment.first_position);
        let segment = behind.checked_sub(1).map(|at| segments[at].clone());
        Place { segment, next_first }
    }

    pub(crate) fn damage(&self) -> MutexGuard<'_, Vec<Damage>> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers damage met while reading, once.
    pub(crate) fn note(&self, damage: &Damage) {
        let mut known = self.damage();
        if known.len() < DAMAGE_MAX && !known.contains(damage) {
            tracing::error!(%damage, "the log is damaged; readers see a gap");
            known.push(damage.clone());
        }
    }

    /// Asks a segment's index; if that is damaged, makes it anew from the segment and asks again.
    pub(crate) fn ask<T>(
        &self,
        segment: &Segment,
        question: impl Fn(&Index) -> Result<T, IndexFault>,
    ) -> Result<T, DiskError> {
        let index = segment.index();
        match question(&index) {
            Ok(answer) => return Ok(answer),
            Err(fault) => {
                tracing::warn!(%fault, segment = %segment.path.display(), "an index cannot answer and is made anew");
            }
        }
        let rebuilt = self.rebuild(segment, &index)?;
        question(&rebuilt).map_err(|fault| DiskError {
            action: "reading the index of",
            path: segment.path.clone(),
            source: std::io::Error::other(fault),
        })
    }

    pub(crate) fn rebuild(&self, segment: &Segment, faulty: &Index) -> Result<Index, DiskError> {
        let _one_at_a_time = self.rebuilding.lock().unwrap_or_else(PoisonError::into_inner);
        let Index::File(faulty) = faulty else { return Ok(segment.index()) };
        match segment.index() {
            Index::File(current) if Arc::ptr_eq(&current, faulty) => {}
            newer => return Ok(newer),
        }
        let next_chain = faulty.header().next_chain;
        let next_position = self.segment_of(segment.first_position).next_first;
        let memory = rescan(segment, next_chain, next_position, &*self.describe)?;
        let identity = Identity {
            log_id: self.log_id,
            seed: segment.seed,
            first_position: segment.first_position,
            next_chain,
        };
        let path = name::index(&self.dir, segment.first_position);
        let index = match index::write(&*self.disk, &path, &memory, identity) {
            Ok(file) => Index::File(Arc::new(file)),
            Err(error) => {
                tracing::warn!(error = %error, cause = ?error.source, "an index stays in memory until the next start");
                Index::in_memory(memory)
            }
        };
        segment.set_index(index.clone());
        Ok(index)
    }
}

/// Where a position is.
#[derive(Debug)]
pub(crate) struct Place {
    /// The segment it would be in; `None` before the first one.
    pub(crate) segment: Option<Arc<Segment>>,
    /// The first position of the segment behind that.
    pub(crate) next_first: Option<u64>,
}
