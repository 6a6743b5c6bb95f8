//! What can fail outside: at open, at append, at reading.

use std::io;
use std::path::{Path, PathBuf};

use super::damage::{Damage, Listed};
use super::frame::FrameError;
use super::removed::Run;

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("{action} {} failed", path.display())]
pub struct DiskError {
    /// What was tried, as in "reading".
    pub action: &'static str,
    /// On which file or folder.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl DiskError {
    /// Says whether the disk, or this user's part of it, is full.
    pub fn is_full(&self) -> bool {
        super::disk::is_full(&self.source)
    }
}

/// Names the object of a failed file operation.
pub(crate) trait Doing<T> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, DiskError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, action: &'static str, path: &Path) -> Result<T, DiskError> {
        self.map_err(|source| DiskError { action, path: path.to_owned(), source: source.into() })
    }
}

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process works in this directory.
    #[error(
        "{} is in use by {}: stop that process first, or use another directory",
        dir.display(),
        holder.map_or("another process".to_owned(), |pid| format!("process {pid}"))
    )]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The process, where it could be read.
        holder: Option<u32>,
    },
    /// A file was written by a newer program. Nothing was changed.
    #[error(
        "{} has format version {found}, this program knows {known}: start the version of cantus that wrote it; nothing was changed",
        file.display()
    )]
    UnknownVersion {
        /// The file.
        file: PathBuf,
        /// Its version.
        found: u16,
        /// The one this program writes.
        known: u16,
    },
    /// Durable bytes have changed or are missing. Nothing was changed.
    #[error(
        "the log is damaged: {}. Nothing was changed. Run `cantus log verify` for the whole list; restore the files from a \
         backup, or accept the loss by starting with --accept-damage",
        Listed(damage)
    )]
    Damaged {
        /// All that was found.
        damage: Vec<Damage>,
    },
    /// The directory cannot be read or written.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Why a frame was not written or is not durable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The frame itself cannot be written. Nothing was; the log goes on.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The log's time never goes back. Nothing was written; the log goes on.
    #[error("log time {log_time_ms} ms is before {at_least_ms} ms, the log's latest")]
    LogTime {
        /// The time given.
        log_time_ms: u64,
        /// The lowest one possible.
        at_least_ms: u64,
    },
    /// The disk is full or below its low-water mark. Nothing was written, and that is definite; the log goes on.
    #[error(
        "the disk is full: {free_bytes} bytes are free, {reserve_bytes} must stay free; free some space and try again"
    )]
    Full {
        /// What is free.
        free_bytes: u64,
        /// The low-water mark.
        reserve_bytes: u64,
    },
    /// No further segment could be made ready. Nothing was written, and that is definite; the log goes on and tries again.
    #[error(
        "a new log segment could not be prepared; see that the directory can be written to, and try again"
    )]
    NoSegment(#[source] DiskError),
    /// A write or sync has failed: whether these bytes survive is unknown until the next start. The log takes nothing more.
    #[error(
        "the log cannot go on, and what was not yet answered is in doubt: stop this process and start it again"
    )]
    Broken(#[source] DiskError),
    /// An earlier write or sync has failed; nothing was written.
    #[error(
        "the log has stopped after a failed write or sync ({reason}): stop this process and start it again"
    )]
    Poisoned {
        /// What failed first.
        reason: String,
    },
}

/// Why something durable cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The bytes are damaged; these positions are lost.
    #[error("{0}")]
    Gap(Damage),
    /// These records were removed, with the oldest segments.
    #[error("positions {} to {} were removed", .0.first, .0.last)]
    Removed(Run),
    /// The disk failed in another way.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl From<Damage> for OpenError {
    /// A gap met while state is replayed stops the start.
    fn from(damage: Damage) -> Self {
        Self::Damaged { damage: vec![damage] }
    }
}
