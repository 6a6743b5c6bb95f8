//! The local commit log: one line of opaque records on this machine's disk, durable before anybody hears of them.
//!
//! It knows nothing of facts or events. What a record is about it learns from [`Describe`]; the rest is bytes at positions.
//! `docs/formats.md` describes the files, byte by byte.
//!
//! To read in this order: `frame` (the unit written), `segment` (the files they are in), `log` (the writer) with `outgoing` (frames on their way into the file), `prepare` and
//! `keeper` (files made ready beside it), `index` (finding), `reader` and `iterate` (reading what is durable), `scan` (telling
//! a torn tail from damage), `inventory`, `newest`, `tail` and `recovery` (opening), `verify` (looking at everything), `housekeeper` with `removed`,
//! `beginning` and `base` (letting go of what may go), `checkpoint` (a cache of state beside the log). All file operations go through `disk`.

mod base;
mod beginning;
mod checkpoint;
mod checksum;
mod damage;
mod describe;
mod disk;
mod error;
mod fields;
mod frame;
mod header_block;
mod housekeeper;
mod index;
mod inventory;
mod iterate;
mod keeper;
mod log;
#[cfg(any(test, feature = "model-disk"))]
pub mod model_disk;
mod newest;
mod options;
mod outgoing;
mod prepare;
#[cfg(feature = "model-disk")]
pub mod probe;
mod reader;
mod real_disk;
mod recovery;
mod removed;
mod repair;
mod scan;
mod segment;
mod shared;
mod tail;
mod verify;
mod window;

#[cfg(test)]
mod tests;

pub use base::{BaseError, BaseHeader};
pub use checkpoint::{Checkpoint, CheckpointError, FrozenRows, Kept, Rows};
pub use damage::{Cause, Damage, Lost};
pub use describe::{Describe, Description, Term};
pub use disk::{Access, Disk, DiskFile, Guard, Locked};
pub use error::{AppendError, DiskError, OpenError, ReadError};
pub use frame::{Frame, FrameBuilder, FrameError, Item, Items, Record, Records, Words};
pub use housekeeper::{
    BackedUp, BackupError, Housekeeper, Outcome, RewriteError, Scrubbed, SegmentState, Sifted,
};
pub use index::Summary;
pub use iterate::{FrameIter, FrameIterBack};
pub use log::{Durable, Log, Space, Written};
pub use options::Options;
pub use reader::Reader;
pub use real_disk::RealDisk;
pub use recovery::Recovered;
pub use removed::{GapCause, Group, Run};
pub use repair::{Repaired, repair};
pub use tail::Cut;
pub use verify::{IndexState, Report, SegmentReport, Unsynced, verify};
