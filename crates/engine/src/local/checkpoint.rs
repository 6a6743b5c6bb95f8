//! A cache of folded state beside the log, in a key-value store, kept with the position it has reached.
//!
//! The log is the truth: deleting the checkpoint's folder costs time at the next start and nothing else. So no batch is
//! synced; after a crash the store comes back at an older, consistent position, and the log replays the rest.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable, Snapshot};

use super::reader::Reader;

const VERSION: u16 = 1;
const FORMAT_KEY: &[u8] = b"m/format";
const LOG_KEY: &[u8] = b"m/log";
const REACHED_KEY: &[u8] = b"m/reached";
const TIME_KEY: &[u8] = b"m/time";
const COMMITS_KEY: &[u8] = b"m/commits";
const ROW: u8 = b'r';
const COMMIT: u8 = b'c';

/// The last commits leave a mark each. The store takes a damaged journal for a short one; a missing mark tells.
const COMMIT_MARKS: u64 = 16 * 1024;

const CACHE_BYTES: u64 = 32 * 1024 * 1024;
const JOURNAL_BYTES_MAX: u64 = 128 * 1024 * 1024;
const WORKERS: usize = 2;

/// State rows by key, all of them as of one position of the log.
pub struct Checkpoint {
    dir: PathBuf,
    reader: Reader,
    database: Database,
    /// Rows, marks and what is known of them share one keyspace, and with it one fate.
    keyspace: Keyspace,
    reached: u64,
    /// The log time at that position, in milliseconds; `None` in checkpoints of programs that did not write it.
    log_time_ms: Option<u64>,
    commits: u64,
}

/// What became of the checkpoint that was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// There was none; everything is replayed.
    Fresh,
    /// It is used; replay begins behind this position.
    Reached(u64),
    /// It could not be used and was removed; everything is replayed.
    Discarded {
        /// Why.
        reason: String,
    },
}

/// Why the checkpoint cannot be used. Stop, delete its folder and start again: it is made anew from the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The store failed.
    #[error("{action} the checkpoint in {} failed; if this stays, stop and delete that folder: it is rebuilt from the log", dir.display())]
    Store {
        /// What was tried.
        action: &'static str,
        /// The checkpoint's folder.
        dir: PathBuf,
        /// What the store said.
        #[source]
        source: fjall::Error,
    },
    /// The folder could not be removed.
    #[error("the checkpoint in {} cannot be used ({reason}) and cannot be removed either; delete that folder", dir.display())]
    Remove {
        /// The checkpoint's folder.
        dir: PathBuf,
        /// Why it is not used.
        reason: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A newer program wrote it. Nothing was changed.
    #[error("the checkpoint in {} has format version {found}, this program knows {VERSION}: start the version of cantus that wrote it, or delete that folder to have it rebuilt", dir.display())]
    UnknownVersion {
        /// The checkpoint's folder.
        dir: PathBuf,
        /// Its version.
        found: String,
    },
    /// A batch named a position that is not durable in the log, or lies behind the one already reached.
    #[error(
        "a checkpoint of position {position} is out of place: {reached} is reached already and {durable} is durable"
    )]
    OutOfPlace {
        /// The position named.
        position: u64,
        /// The position reached before.
        reached: u64,
        /// The log's durable end.
        durable: u64,
    },
}

impl Checkpoint {
    /// Opens the checkpoint in `dir` for the log that `reader` reads. One that is ahead of the log, belongs to another log, or
    /// cannot be read is removed and begun anew; the second value tells.
    ///
    /// # Errors
    /// Fails if the folder cannot be written, or was written by a newer program.
    pub fn open(dir: &Path, reader: Reader) -> Result<(Self, Kept), CheckpointError> {
        let existed = dir.is_dir();
        let reason = match Self::open_store(dir, &reader) {
            Ok(checkpoint) => match checkpoint.judge()? {
                Judgement::Use => {
                    let kept = Kept::Reached(checkpoint.reached);
                    return Ok((checkpoint, kept));
                }
                Judgement::Empty => return Ok((checkpoint.begin()?, Kept::Fresh)),
                Judgement::Discard(reason) => reason,
            },
            Err(Unopened::UnknownVersion(found)) => {
                return Err(CheckpointError::UnknownVersion { dir: dir.to_owned(), found });
            }
            Err(Unopened::Store(error)) if !existed => return Err(store_error(dir, "creating", error)),
            Err(Unopened::Store(error @ fjall::Error::Locked)) => {
                return Err(store_error(dir, "opening", error));
            }
            Err(Unopened::Store(error)) => format!("it cannot be read: {error}"),
            Err(Unopened::Panicked) => "it is damaged".to_owned(),
        };
        tracing::warn!(dir = %dir.display(), reason, "the checkpoint is discarded; state is rebuilt from the log");
        std::fs::remove_dir_all(dir).map_err(|source| CheckpointError::Remove {
            dir: dir.to_owned(),
            reason: reason.clone(),
            source,
        })?;
        match Self::open_store(dir, &reader) {
            Ok(checkpoint) => Ok((checkpoint.begin()?, Kept::Discarded { reason })),
            Err(Unopened::Store(error)) => Err(store_error(dir, "creating", error)),
            Err(Unopened::UnknownVersion(found)) => {
                Err(CheckpointError::UnknownVersion { dir: dir.to_owned(), found })
            }
            Err(Unopened::Panicked) => Err(store_error(dir, "creating", fjall::Error::Unrecoverable)),
        }
    }

    fn open_store(dir: &Path, reader: &Reader) -> Result<Self, Unopened> {
        // The store asserts on some kinds of damage. A damaged cache must not keep the log from starting.
        let opened = catch_unwind(AssertUnwindSafe(|| -> Result<_, fjall::Error> {
            let database = Database::builder(dir)
                .cache_size(CACHE_BYTES)
                .max_journaling_size(JOURNAL_BYTES_MAX)
                .worker_threads(WORKERS)
                .open()?;
            let keyspace = database.keyspace("state", KeyspaceCreateOptions::default)?;
            let reached = number(&keyspace, REACHED_KEY)?.unwrap_or(0);
            let log_time_ms = number(&keyspace, TIME_KEY)?;
            let commits = number(&keyspace, COMMITS_KEY)?.unwrap_or(0);
            Ok((database, keyspace, reached, log_time_ms, commits))
        }));
        match opened {
            Ok(Ok((database, keyspace, reached, log_time_ms, commits))) => Ok(Self {
                dir: dir.to_owned(),
                reader: reader.clone(),
                database,
                keyspace,
                reached,
                log_time_ms,
                commits,
            }),
            Ok(Err(fjall::Error::InvalidVersion(Some(version)))) => {
                Err(Unopened::UnknownVersion(format!("{version:?} of the key-value store")))
            }
            Ok(Err(error)) => Err(Unopened::Store(error)),
            Err(_) => Err(Unopened::Panicked),
        }
    }

    fn judge(&self) -> Result<Judgement, CheckpointError> {
        let read =
            |key| number(&self.keyspace, key).map_err(|error| store_error(&self.dir, "reading", error));
        let (format, log_id) = (read(FORMAT_KEY)?, read(LOG_KEY)?);
        Ok(match (format, log_id) {
            (None, _) if self.keyspace.first_key_value().is_none() => Judgement::Empty,
            (None, _) => Judgement::Discard("it does not say whose it is".to_owned()),
            (Some(format), _) if format != u64::from(VERSION) => {
                return Err(CheckpointError::UnknownVersion {
                    dir: self.dir.clone(),
                    found: format.to_string(),
                });
            }
            (_, log_id) if log_id != Some(self.reader.log_id()) => {
                Judgement::Discard("it belongs to another log".to_owned())
            }
            _ if self.reached > self.reader.durable() => Judgement::Discard(format!(
                "it has reached position {}, the log ends at {}",
                self.reached,
                self.reader.durable()
            )),
            _ if !self.has_all_marks()? => Judgement::Discard("some of its commits are missing".to_owned()),
            _ => Judgement::Use,
        })
    }

    fn has_all_marks(&self) -> Result<bool, CheckpointError> {
        let mut found = 0;
        for mark in self.keyspace.prefix([COMMIT]) {
            let (key, value) = mark.into_inner().map_err(|error| store_error(&self.dir, "reading", error))?;
            let commit = <[u8; 8]>::try_from(&value[..]).map_or(0, u64::from_le_bytes);
            let recent = commit <= self.commits && self.commits - commit < COMMIT_MARKS;
            if !recent || key[..] != mark_key(commit) {
                return Ok(false);
            }
            found += 1;
        }
        Ok(found == self.commits.min(COMMIT_MARKS))
    }

    fn begin(mut self) -> Result<Self, CheckpointError> {
        self.begin_anew()?;
        Ok(self)
    }

    /// Writes whose checkpoint this is.
    fn begin_anew(&mut self) -> Result<(), CheckpointError> {
        let mut batch = self.database.batch();
        batch.insert(&self.keyspace, FORMAT_KEY, u64::from(VERSION).to_le_bytes());
        batch.insert(&self.keyspace, LOG_KEY, self.reader.log_id().to_le_bytes());
        self.commit_batch(batch, 0, 0)
    }

    /// Commits a batch with the position it reaches and its mark.
    fn commit_batch(
        &mut self,
        mut batch: fjall::OwnedWriteBatch,
        reached: u64,
        log_time_ms: u64,
    ) -> Result<(), CheckpointError> {
        let commit = self.commits + 1;
        batch.insert(&self.keyspace, REACHED_KEY, reached.to_le_bytes());
        batch.insert(&self.keyspace, TIME_KEY, log_time_ms.to_le_bytes());
        batch.insert(&self.keyspace, COMMITS_KEY, commit.to_le_bytes());
        batch.insert(&self.keyspace, mark_key(commit), commit.to_le_bytes());
        batch.commit().map_err(|error| store_error(&self.dir, "writing", error))?;
        self.reached = reached;
        self.log_time_ms = Some(log_time_ms);
        self.commits = commit;
        Ok(())
    }

    /// Returns the position all rows are as of; 0 if nothing was committed yet.
    pub fn reached(&self) -> u64 {
        self.reached
    }

    /// Returns the log time at that position in milliseconds, if it was written down.
    pub fn log_time_ms(&self) -> Option<u64> {
        self.log_time_ms
    }

    /// Returns a row.
    ///
    /// # Errors
    /// Fails if the store cannot read it.
    pub fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, CheckpointError> {
        let row =
            self.keyspace.get(row_key(key)).map_err(|error| store_error(&self.dir, "reading", error))?;
        Ok(row.map(|value| value.to_vec()))
    }

    /// Returns the rows whose keys begin with a prefix, in key order, as of now.
    pub fn scan(&self, prefix: &[u8]) -> Rows {
        Rows { dir: self.dir.clone(), rows: self.keyspace.prefix(row_key(prefix)) }
    }

    /// Writes and removes (`None`) rows in one atomic batch that makes them rows as of `reached`, at that log time.
    ///
    /// # Errors
    /// Refuses a position that is not durable in the log or lies behind the one reached. Fails if the store cannot write.
    pub fn commit(
        &mut self,
        rows: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>,
        reached: u64,
        log_time_ms: u64,
    ) -> Result<(), CheckpointError> {
        let durable = self.reader.durable();
        if reached < self.reached || reached > durable {
            return Err(CheckpointError::OutOfPlace { position: reached, reached: self.reached, durable });
        }
        let mut batch = self.database.batch();
        for (key, value) in rows {
            match value {
                Some(value) => batch.insert(&self.keyspace, row_key(&key), value),
                None => batch.remove(&self.keyspace, row_key(&key)),
            }
        }
        self.commit_batch(batch, reached, log_time_ms)
    }

    /// Returns all rows as of now; they stay so while others are written.
    pub fn freeze(&self) -> FrozenRows {
        FrozenRows {
            dir: self.dir.clone(),
            snapshot: self.database.snapshot(),
            keyspace: self.keyspace.clone(),
            reached: self.reached,
            log_time_ms: self.log_time_ms,
        }
    }

    /// Removes all rows and begins anew, as if nothing had been reached.
    ///
    /// # Errors
    /// Fails if the store can not write; the next start then discards what is left.
    pub fn clear(&mut self) -> Result<(), CheckpointError> {
        self.keyspace.clear().map_err(|error| store_error(&self.dir, "clearing", error))?;
        self.commits = 0;
        self.begin_anew()
    }

    /// Syncs everything, for a graceful end.
    ///
    /// # Errors
    /// Fails if the sync does; the log is not touched by that.
    pub fn close(self) -> Result<(), CheckpointError> {
        self.database.persist(PersistMode::SyncData).map_err(|error| store_error(&self.dir, "syncing", error))
    }
}

impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoint")
            .field("dir", &self.dir)
            .field("reached", &self.reached)
            .finish_non_exhaustive()
    }
}

/// Rows in key order; see [`Checkpoint::scan`].
pub struct Rows {
    dir: PathBuf,
    rows: fjall::Iter,
}

impl Iterator for Rows {
    type Item = Result<(Vec<u8>, Vec<u8>), CheckpointError>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?.into_inner();
        Some(
            row.map(|(key, value)| (key[1..].to_vec(), value.to_vec()))
                .map_err(|error| store_error(&self.dir, "reading", error)),
        )
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// Rows as of one moment; see [`Checkpoint::freeze`].
pub struct FrozenRows {
    dir: PathBuf,
    snapshot: Snapshot,
    keyspace: Keyspace,
    reached: u64,
    log_time_ms: Option<u64>,
}

impl FrozenRows {
    /// Returns the position all rows are as of.
    pub fn reached(&self) -> u64 {
        self.reached
    }

    /// Returns the log time at that position in milliseconds, if it was written down.
    pub fn log_time_ms(&self) -> Option<u64> {
        self.log_time_ms
    }

    /// Returns all rows in key order.
    pub fn scan(&self) -> Rows {
        Rows { dir: self.dir.clone(), rows: self.snapshot.prefix(&self.keyspace, [ROW]) }
    }
}

impl std::fmt::Debug for FrozenRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrozenRows").field("reached", &self.reached).finish_non_exhaustive()
    }
}

enum Judgement {
    Use,
    /// Nothing was ever written to it.
    Empty,
    Discard(String),
}

enum Unopened {
    Store(fjall::Error),
    UnknownVersion(String),
    Panicked,
}

fn row_key(key: &[u8]) -> Vec<u8> {
    [&[ROW], key].concat()
}

fn mark_key(commit: u64) -> [u8; 3] {
    let [high, low] = ((commit % COMMIT_MARKS) as u16).to_be_bytes();
    [COMMIT, high, low]
}

fn number(meta: &Keyspace, key: &[u8]) -> Result<Option<u64>, fjall::Error> {
    let value = meta.get(key)?;
    // Anything but eight bytes is not ours; a number that fits no log makes the checkpoint be discarded.
    Ok(value.map(|bytes| <[u8; 8]>::try_from(&bytes[..]).map_or(u64::MAX, u64::from_le_bytes)))
}

fn store_error(dir: &Path, action: &'static str, source: fjall::Error) -> CheckpointError {
    CheckpointError::Store { action, dir: dir.to_owned(), source }
}
