//! What makes facts durable, whatever it is made of.
//!
//! An engine appends slices of facts atomically, makes them durable, and reads them back; beside it stands a
//! checkpoint, a cache of state by key. Plain data only: an engine decides nothing.

use std::sync::Arc;

use cantus_core::fact::{Fact, Recorded, UnreadableFact};
use cantus_core::{Position, Timestamp};

use crate::housekeeping::{Frozen, Housekeeping};
pub use crate::local::GapCause;
use crate::room::Room;

/// What makes facts durable.
pub trait Engine: Send {
    /// Appends facts behind all others, as one unit: after a crash all of them are there or none. They are durable after
    /// [`Engine::sync`].
    ///
    /// # Errors
    /// After [`AppendError::Refused`] and [`AppendError::NoRoom`] nothing was written. Any other error is final: whether the
    /// facts survive is unknown until the next start.
    fn append(&mut self, at: Timestamp, facts: &[Recorded]) -> Result<(), AppendError>;

    /// Sees to it that what was appended outlives this process, though not the machine.
    ///
    /// # Errors
    /// Any error is final.
    fn write_out(&mut self) -> Result<(), AppendError>;

    /// Makes durable what was appended; returns up to where everything is.
    ///
    /// # Errors
    /// Any error is final.
    fn sync(&mut self) -> Result<Position, AppendError>;

    /// Called when there is nothing to do, nobody waits for it: the engine may protect what it has.
    ///
    /// # Errors
    /// As [`Engine::sync`].
    fn rest(&mut self) -> Result<(), AppendError>;

    /// Looks whether space runs out: publishes are then refused, everything else goes on.
    fn is_space_low(&self) -> bool;

    /// Returns what tells how much room there is; it follows each append and each look.
    fn room(&self) -> Arc<Room>;

    /// Sees to it that so many bytes can be appended for certain, and that the reserve of what may not be refused stays behind
    /// them. Waits for files to be made where it must. False when that is impossible now.
    fn make_room(&mut self, bytes: u64) -> bool;

    /// Returns a reader of what is durable.
    fn reader(&self) -> Arc<dyn Reader>;

    /// Returns what works on sealed data beside the writer. It must not be used once the engine is gone.
    fn housekeeping(&self) -> Arc<dyn Housekeeping>;
}

/// Why facts were not made durable.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Nothing was written, and that is definite.
    #[error("the log refused a frame")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no room. Nothing was written, and that is definite; the same may be tried again.
    #[error("the log has no room for a frame")]
    NoRoom(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nobody knows what is durable now: the process must end and start again.
    #[error("the log can not go on; what was not answered yet is in doubt until the next start")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why facts could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The engine failed.
    #[error("the log could not be read")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A fact can not be understood.
    #[error("the log holds a fact that can not be read")]
    Fact(#[from] UnreadableFact),
    /// A fact's words are missing from its frame.
    #[error("the fact at {position} names a word that its frame does not have")]
    Word {
        /// Where the fact lies.
        position: Position,
    },
}

/// What is met when reading.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A fact.
    Fact(Recorded),
    /// These positions can not be read any more, both ends included. Holes that nobody misses are no gap.
    Gap {
        /// The first one lost.
        from: Position,
        /// The last one lost.
        to: Position,
        /// What became of them.
        cause: GapCause,
        /// Why, in words.
        reason: String,
    },
}

/// What to look for. Frames that can not hold any of it are skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only events, not the other facts.
    pub events_only: bool,
    /// Only events of this topic.
    pub topic: Option<String>,
    /// Only events of this type.
    pub event_type: Option<String>,
    /// Only facts recorded at or after this time.
    pub since: Option<Timestamp>,
}

impl Selection {
    /// Tells whether a fact is looked for.
    pub fn wants(&self, recorded: &Recorded) -> bool {
        if self.since.is_some_and(|since| recorded.at < since) {
            return false;
        }
        if !self.events_only && self.topic.is_none() && self.event_type.is_none() {
            return true;
        }
        let Fact::EventPublished(published) = &recorded.fact else { return false };
        self.topic.as_deref().is_none_or(|topic| topic == published.event.topic.as_str())
            && self.event_type.as_deref().is_none_or(|event_type| event_type == &*published.event.event_type)
    }
}

/// How much a read may take before it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Entries returned at most.
    pub entries: usize,
    /// Records looked at at most.
    pub records: usize,
    /// Bytes of payload returned at most; one entry always fits.
    pub bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { entries: 1_000, records: 100_000, bytes: 8 * 1024 * 1024 }
    }
}

/// A part of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// What was found, in the order asked for.
    pub entries: Vec<Entry>,
    /// Where to go on: behind this position when reading forward, before it when reading back.
    pub reached: Position,
    /// True when there is nothing more in this direction for now.
    pub end: bool,
}

/// What a record can be found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// The hash of an event's id.
    EventId(u64),
    /// The hash of a correlation.
    Correlation(u64),
    /// The hash of a stream's name.
    Stream(u64),
}

/// Reads what is durable, and nothing else.
pub trait Reader: Send + Sync {
    /// Returns up to where everything is durable.
    fn durable(&self) -> Position;

    /// Reads forward from behind `after`.
    ///
    /// # Errors
    /// When the engine fails or a fact can not be understood. Lost positions are no error but a [`Entry::Gap`].
    fn read(&self, after: Position, selection: &Selection, budget: Budget) -> Result<Chunk, ReadError>;

    /// Reads back, newest first, from before `before`; `Position(u64::MAX)` starts at the end.
    ///
    /// # Errors
    /// As [`Reader::read`].
    fn read_back(&self, before: Position, selection: &Selection, budget: Budget) -> Result<Chunk, ReadError>;

    /// Returns the fact at a position; None where there is none or it is lost.
    ///
    /// # Errors
    /// As [`Reader::read`].
    fn get(&self, position: Position) -> Result<Option<Recorded>, ReadError>;

    /// Returns positions behind `after` of records that may have a term, ascending, at most `limit`. Hashes can
    /// coincide: the caller looks.
    ///
    /// # Errors
    /// As [`Reader::read`].
    fn find(&self, term: Term, after: Position, limit: usize) -> Result<Vec<Position>, ReadError>;

    /// Returns the last position recorded before a time, or 0.
    ///
    /// # Errors
    /// As [`Reader::read`].
    fn before_time(&self, time: Timestamp) -> Result<Position, ReadError>;

    /// Tells why nothing can be read at a position; None if something can, or nothing that is missed ever lay there.
    ///
    /// # Errors
    /// As [`Reader::read`].
    fn removed(&self, position: Position) -> Result<Option<GapCause>, ReadError>;

    /// Returns what is known to be lost, in words; empty when nothing is.
    fn damage(&self) -> Vec<String>;
}

/// A cache of state by key, never ahead of the log. Losing it costs start-up time only.
pub trait Checkpoint: Send {
    /// Returns the position and the log time it has reached; 0 when it is empty.
    fn reached(&self) -> (Position, Timestamp);

    /// Returns a row.
    ///
    /// # Errors
    /// When the store fails.
    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, CheckpointError>;

    /// Calls `row` with every row, in the order of their keys, but those whose key begins with a byte in `skip`.
    ///
    /// # Errors
    /// When the store fails.
    fn rows(&self, skip: &[u8], row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), CheckpointError>;

    /// Writes rows as one unit: None removes a row. Everything up to `reached` must be durable in the log.
    ///
    /// # Errors
    /// When the store fails.
    fn commit(
        &mut self,
        rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        reached: Position,
        at: Timestamp,
    ) -> Result<(), CheckpointError>;

    /// Returns all rows as they are now; they stay so while others are written. Any thread may read them.
    fn freeze(&self) -> Box<dyn Frozen>;

    /// Removes all rows: as if nothing had been reached.
    ///
    /// # Errors
    /// When the store fails.
    fn clear(&mut self) -> Result<(), CheckpointError>;

    /// Makes sure that the next start finds what was written.
    ///
    /// # Errors
    /// When the store fails.
    fn close(self: Box<Self>) -> Result<(), CheckpointError>;
}

/// Why the checkpoint could not be used. The log is the truth: the caller goes on without.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint could not be used")]
pub struct CheckpointError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
