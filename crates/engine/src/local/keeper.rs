//! What is done beside the writer: preparing the next segment, writing the index of the last one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::disk::Disk;
use super::error::DiskError;
use super::index::{self, Identity, Index};
use super::prepare::{self, Spare};
use super::segment::{Segment, name};

/// More jobs than this cannot wait: at most one spare and a few indexes of segments just sealed.
const JOBS_MAX: usize = 16;

#[derive(Debug)]
enum Job {
    Spare(u64),
    Index(Arc<Segment>, Identity),
}

/// Does the background work of a log, in a thread of its own or within the call.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) work: Arc<Work>,
    thread: Option<(SyncSender<Job>, JoinHandle<()>)>,
}

#[derive(Debug)]
pub(crate) struct Work {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    slot: Mutex<Slot>,
    changed: Condvar,
    /// Held by whoever looks for, makes or removes files kept for reuse.
    recycled: Mutex<()>,
    /// Set while the next segment can not be made: for want of space or of files most of the time.
    blocked: AtomicBool,
}

/// Where the next segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Empty,
    Preparing,
    Ready(Spare),
}

impl Keeper {
    /// Starts the work of a log's directory; with `background`, in a thread.
    pub(crate) fn start(
        disk: Arc<dyn Disk>,
        dir: &Path,
        found: Option<Spare>,
        background: bool,
    ) -> std::io::Result<Self> {
        let slot = Mutex::new(found.map_or(Slot::Empty, Slot::Ready));
        let work = Arc::new(Work {
            disk,
            dir: dir.to_owned(),
            slot,
            changed: Condvar::new(),
            recycled: Mutex::new(()),
            blocked: AtomicBool::new(false),
        });
        let thread = match background {
            false => None,
            true => {
                let (sender, jobs) = sync_channel(JOBS_MAX);
                let worker = work.clone();
                let thread = std::thread::Builder::new().name("cantus-log-keeper".to_owned());
                Some((sender, thread.spawn(move || worker.run(jobs))?))
            }
        };
        Ok(Self { work, thread })
    }

    /// Asks for the next segment, unless it is there or under way. Without a thread it is made when it is needed; one that
    /// could not be made is tried again now.
    pub(crate) fn prepare(&self, bytes: u64) {
        let Some((jobs, _)) = &self.thread else {
            if self.is_blocked() {
                // What is wrong is told by whoever needs it.
                let _ = self.secure(bytes);
            }
            return;
        };
        let mut slot = self.work.slot();
        if *slot == Slot::Empty && jobs.try_send(Job::Spare(bytes)).is_ok() {
            *slot = Slot::Preparing;
        }
    }

    /// Says whether the last try to make the next segment failed.
    pub(crate) fn is_blocked(&self) -> bool {
        self.work.blocked.load(Ordering::Relaxed)
    }

    /// Returns how many bytes the next segment has; 0 while it is not there.
    pub(crate) fn ready_bytes(&self) -> u64 {
        match *self.work.slot() {
            Slot::Ready(spare) => spare.bytes,
            Slot::Empty | Slot::Preparing => 0,
        }
    }

    /// Sees to it that the next segment is there and has at least so many bytes. Waits for one under way, and makes it now if
    /// there is none.
    pub(crate) fn secure(&self, bytes: u64) -> Result<(), DiskError> {
        let before = self.emptied();
        if let Slot::Ready(spare) = before
            && spare.bytes >= bytes
        {
            *self.work.slot() = before;
            return Ok(());
        }
        match self.work.make(bytes) {
            Ok(spare) => {
                *self.work.slot() = Slot::Ready(spare);
                Ok(())
            }
            Err(error) => {
                // One that is too small for this stays, and is large enough for most.
                self.work.blocked.store(before == Slot::Empty, Ordering::Relaxed);
                *self.work.slot() = before;
                Err(error)
            }
        }
    }

    /// Takes the next segment, made now if it was not prepared.
    pub(crate) fn take(&self, bytes: u64) -> Result<Spare, DiskError> {
        match self.emptied() {
            Slot::Ready(spare) => Ok(spare),
            Slot::Empty | Slot::Preparing => self.work.make(bytes),
        }
    }

    /// Puts the next segment back: it could not be used yet.
    pub(crate) fn put_back(&self, spare: Spare) {
        *self.work.slot() = Slot::Ready(spare);
    }

    /// Takes what is in the slot, once nothing is under way. The slot is free again when this returns: whoever makes a file
    /// may have to wait for somebody who looks into it.
    fn emptied(&self) -> Slot {
        let mut slot = self.work.slot();
        while *slot == Slot::Preparing {
            slot = self.work.changed.wait(slot).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::replace(&mut *slot, Slot::Empty)
    }

    /// Writes the index file of a sealed segment.
    pub(crate) fn index(&self, segment: Arc<Segment>, identity: Identity) {
        match &self.thread {
            None => self.work.index(&segment, identity),
            // A full queue means a disk that cannot keep up: then the writer waits, rather than memory growing.
            Some((jobs, _)) => {
                if jobs.send(Job::Index(segment, identity)).is_err() {
                    tracing::error!(
                        "the log's background thread has ended; the index is written at the next start"
                    );
                }
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some((jobs, thread)) = self.thread.take() {
            drop(jobs);
            if thread.join().is_err() {
                tracing::error!("the log's background thread has panicked");
            }
        }
    }
}

impl Work {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, jobs: Receiver<Job>) {
        for job in jobs {
            match job {
                Job::Spare(bytes) => self.prepare(bytes),
                Job::Index(segment, identity) => self.index(&segment, identity),
            }
        }
    }

    fn prepare(&self, bytes: u64) {
        let made = self.make(bytes);
        if let Err(error) = &made {
            // Not fatal yet: the writer tries again when it needs the segment, and says then what is wrong.
            tracing::warn!(error = %error, cause = ?error.source, "the next log segment could not be prepared");
        }
        *self.slot() = made.map_or(Slot::Empty, Slot::Ready);
        self.changed.notify_all();
    }

    /// Makes the next segment: of a file that was dropped, if there is one that is large enough.
    fn make(&self, bytes: u64) -> Result<Spare, DiskError> {
        let _no_file_comes_or_goes = self.recycled.lock().unwrap_or_else(PoisonError::into_inner);
        let made = match prepare::reuse(&*self.disk, &self.dir, bytes) {
            Ok(None) => prepare::spare(&*self.disk, &self.dir, bytes),
            Ok(Some(spare)) => Ok(spare),
            Err(error) => Err(error),
        };
        self.blocked.store(made.is_err(), Ordering::Relaxed);
        made
    }

    /// Keeps the file of a dropped segment for reuse, if there is not enough of that already. Says whether it did: the file
    /// has another name then.
    pub(crate) fn recycle(&self, path: &Path) -> Result<bool, DiskError> {
        let _no_file_comes_or_goes = self.recycled.lock().unwrap_or_else(PoisonError::into_inner);
        prepare::recycle(&*self.disk, &self.dir, path)
    }

    /// Removes what files kept for reuse hold; returns how many bytes that were.
    pub(crate) fn forget_recycled(&self) -> Result<u64, DiskError> {
        let _no_file_comes_or_goes = self.recycled.lock().unwrap_or_else(PoisonError::into_inner);
        let mut forgotten = prepare::forget_recycled(&*self.disk, &self.dir)?;
        let ready = match *self.slot() {
            Slot::Ready(spare) if spare.recycled => spare,
            _ => return Ok(forgotten),
        };
        let fresh = prepare::fresh(&*self.disk, &self.dir, ready.bytes)?;
        let mut slot = self.slot();
        // The writer may have taken it meanwhile; while it is in the slot, nobody is at the file.
        if *slot == Slot::Ready(ready) {
            *slot = Slot::Ready(prepare::make_ready(&*self.disk, &self.dir, fresh)?);
            forgotten += ready.bytes;
        } else {
            let _ = self.disk.unlink(&fresh.path);
        }
        Ok(forgotten)
    }

    fn index(&self, segment: &Segment, identity: Identity) {
        let Index::Memory(memory) = segment.index() else { return };
        let path = name::index(&self.dir, segment.first_position);
        let memory = memory.read().unwrap_or_else(PoisonError::into_inner);
        match index::write(&*self.disk, &path, &memory, identity) {
            Ok(file) => segment.set_index(Index::File(Arc::new(file))),
            Err(error) => {
                tracing::warn!(error = %error, cause = ?error.source, "an index stays in memory until the next start");
            }
        }
    }
}
