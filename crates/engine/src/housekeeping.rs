//! What is done to sealed data beside the writer: letting go of what may go, keeping the state it led to, looking at
//! everything, copying it.
//!
//! The order in which things go: a base (all state as of a position) is written, twice over; only then facts below both may
//! be removed. So whichever of the two rots, the other and the facts behind it are the truth.

use std::path::Path;

use cantus_core::fact::{Fact, Recorded};
use cantus_core::{Position, Timestamp};

use crate::engine::{CheckpointError, GapCause};

/// Works on sealed segments and bases while the writer appends. Calls are done one at a time, one waits for another; each
/// is bounded by one segment or by the budget given, and a crash during any of them leaves either what was before or what
/// was wanted.
pub trait Housekeeping: Send + Sync {
    /// Returns every segment, oldest first. The last one is being written.
    fn segments(&self) -> Vec<SegmentInfo>;

    /// Asks the writer to go on in a new segment with its next append, so that what is there becomes sealed. Without an
    /// append nothing happens; nor if the segment being written is empty.
    fn request_seal(&self);

    /// Returns the position up to which facts may be removed: the older of the two newest bases has reached it. 0 while
    /// there are not two.
    fn droppable(&self) -> Position;

    /// Writes the sealed segment that begins at `segment` anew: without the facts that `keep` lets go, with those it
    /// replaces. Readers that are at it go on with the old file. Nothing is written if `keep` keeps everything. The oldest
    /// segment is dropped when nothing of it is left; others shrink to a few KiB and are dropped with it later.
    ///
    /// # Errors
    /// [`HousekeepingError::NoSegment`] if no sealed segment begins there; [`HousekeepingError::NeedsBase`] if `keep` lets
    /// go of a fact behind [`Housekeeping::droppable`]; [`HousekeepingError::Damaged`] if a part of it can not be read (it
    /// stays as it is until it is repaired); [`HousekeepingError::Full`] and [`HousekeepingError::Failed`] leave
    /// everything as it was.
    fn rewrite(
        &self,
        segment: Position,
        keep: &mut dyn FnMut(&Recorded) -> Keep,
    ) -> Result<Rewritten, HousekeepingError>;

    /// Drops the oldest segments that end before `position`, without reading them. Readers are shown a gap with this
    /// cause, whatever they look for.
    ///
    /// # Errors
    /// [`HousekeepingError::NeedsBase`] if that goes behind [`Housekeeping::droppable`]; else as
    /// [`Housekeeping::rewrite`].
    fn drop_before(&self, position: Position, cause: GapCause) -> Result<Dropped, HousekeepingError>;

    /// Makes sure that nothing of removed facts is left outside of segments' own records: in files kept for reuse, in
    /// copies of torn tails, behind the end of sealed segments. Returns how many bytes were wiped.
    ///
    /// # Errors
    /// [`HousekeepingError::Full`] and [`HousekeepingError::Failed`]; calling again goes on.
    fn wipe(&self) -> Result<u64, HousekeepingError>;

    /// Writes a base: all rows of a state, verified by reading it back. Two are kept; an older one is removed only then.
    /// Two bases may be of the same position.
    ///
    /// # Errors
    /// [`HousekeepingError::OutOfPlace`] if the state is of a position that is not durable or lies before the newest base;
    /// [`HousekeepingError::State`] if the state can not be read; [`HousekeepingError::Full`] and
    /// [`HousekeepingError::Failed`] leave everything as it was.
    fn write_base(&self, state: &dyn Frozen) -> Result<BaseInfo, HousekeepingError>;

    /// Returns the bases there are, newest first. Their headers are whole; their rows are verified by reading them.
    fn bases(&self) -> Vec<BaseInfo>;

    /// Calls `row` with every row of a base, in the order they were written.
    ///
    /// # Errors
    /// [`HousekeepingError::Damaged`] if the base is: what was given so far is worth nothing then.
    fn read_base(&self, base: &BaseInfo, row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), HousekeepingError>;

    /// Verifies what the device holds, from a position on: frames, then the index of each segment, and the bases when the
    /// end is reached. What is damaged is among [`Reader::damage`](crate::Reader::damage) from then on.
    ///
    /// # Errors
    /// [`HousekeepingError::Failed`] if the device fails otherwise than by damage.
    fn scrub(&self, from: Position, bytes: u64) -> Result<Scrubbed, HousekeepingError>;

    /// Copies everything that is durable now into the directory `to`, which must not exist or be empty: a directory that
    /// opens as this one's data directory does. What does not change any more is linked where the file system allows it
    /// and `links` does, so that it takes no room.
    ///
    /// # Errors
    /// [`HousekeepingError::Occupied`] if `to` holds something; [`HousekeepingError::Full`] and
    /// [`HousekeepingError::Failed`] leave a directory that does not open; [`HousekeepingError::Unsupported`] for an engine
    /// that keeps nothing.
    fn backup(&self, to: &Path, links: Links) -> Result<BackedUp, HousekeepingError>;
}

/// All state as of one position, for as long as it is held.
pub trait Frozen: Send {
    /// Returns the position and the log time it is of.
    fn reached(&self) -> (Position, Timestamp);

    /// Calls `row` with every row, in the order of their keys.
    ///
    /// # Errors
    /// When the store fails.
    fn rows(&self, row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), CheckpointError>;
}

/// A segment of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The position it begins at; it is called by that.
    pub first: Position,
    /// The last position it stands for; before `first` while it is empty.
    pub last: Position,
    /// How many bytes its records take on disk.
    pub bytes: u64,
    /// The log time of its first frame.
    pub first_at: Timestamp,
    /// The log time of its last frame.
    pub last_at: Timestamp,
    /// How many facts it holds.
    pub facts: u64,
    /// False for the one being written.
    pub sealed: bool,
    /// How often it was written anew.
    pub rewritten: u64,
}

/// What becomes of a fact when its segment is written anew.
#[derive(Clone, Debug, PartialEq)]
pub enum Keep {
    /// It stays.
    Keep,
    /// It goes, and readers are told why; an event's only those that look for its topic.
    Drop(GapCause),
    /// It goes, and nobody misses it: a later one says the same or more.
    Forget,
    /// It stays with another content: its place and its number are the same.
    Replace(Box<Fact>),
}

/// What a rewrite has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// Facts looked at.
    pub facts: u64,
    /// Facts that went.
    pub removed: u64,
    /// Facts that have another content now.
    pub replaced: u64,
    /// Bytes on disk before.
    pub bytes_before: u64,
    /// Bytes on disk now.
    pub bytes_after: u64,
    /// True if nothing was left and the segment is gone.
    pub dropped: bool,
}

/// What dropping has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// How many segments went.
    pub segments: usize,
    /// The bytes of their records.
    pub bytes: u64,
    /// The log begins behind this position now.
    pub up_to: Position,
}

/// A base.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BaseInfo {
    /// The position its state is of.
    pub reached: Position,
    /// Rises with every base written.
    pub number: u64,
    /// The log time its state is of.
    pub at: Timestamp,
    /// How many rows it has.
    pub rows: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// What a step of a scrub has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrubbed {
    /// Where to go on; 0 when everything was looked at and it may begin again.
    pub next: Position,
    /// How many bytes were verified.
    pub bytes: u64,
    /// What is damaged, in words; empty when nothing is.
    pub damage: Vec<String>,
}

/// Whether a backup may share files with the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Files that do not change any more are linked where that is possible: no room is needed, and rot of one is rot of both.
    Allowed,
    /// Everything is copied.
    Never,
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackedUp {
    /// All up to here is in it, and nothing behind.
    pub up_to: Position,
    /// Bytes copied.
    pub copied: u64,
    /// Bytes shared with the original.
    pub linked: u64,
    /// How many files it has.
    pub files: usize,
}

/// Why housekeeping could not be done. The log goes on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HousekeepingError {
    /// No such segment.
    #[error("no sealed segment begins at position {position}")]
    NoSegment {
        /// The position named.
        position: Position,
    },
    /// A fact may go only when two bases hold what it led to.
    #[error("position {position} can not be removed: two bases have reached {droppable}; write a base first")]
    NeedsBase {
        /// The position that was to go.
        position: Position,
        /// How far facts may go.
        droppable: Position,
    },
    /// A replaced fact must be of the same kind.
    #[error("the fact at {position} can not become another kind of fact")]
    OtherKind {
        /// Where it lies.
        position: Position,
    },
    /// A base of an impossible position.
    #[error(
        "a base of position {position} is out of place: one of {newest} is there and {durable} is durable"
    )]
    OutOfPlace {
        /// The position named.
        position: Position,
        /// That of the newest base.
        newest: Position,
        /// The durable end.
        durable: Position,
    },
    /// Something can not be read.
    #[error("{0}; restore it from a backup or accept the loss with `cantus log repair`")]
    Damaged(String),
    /// The state could not be read.
    #[error("the state for a base could not be read")]
    State(#[from] CheckpointError),
    /// The disk is full.
    #[error("there is no room on the disk for it; free some space, it is tried again")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The directory for a backup holds something already.
    #[error("{0} holds something already: name a directory that does not exist or is empty")]
    Occupied(String),
    /// The engine can not do this.
    #[error("an engine that keeps nothing on disk has no {0}")]
    Unsupported(&'static str),
    /// Something outside failed.
    #[error("the housekeeping of the log failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}
