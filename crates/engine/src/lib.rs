//! What makes facts durable.
//!
//! Read `engine` (the trait, and what readers and checkpoints are), `room` (how much can be appended for certain), `housekeeping` (what is done to sealed data beside the writer), `codec` (how facts lie in frames), then [`local`],
//! the commit log on this machine's disk, joined to the trait in `local_engine`; `memory` keeps nothing. [`conformance`] says what every engine must do.

pub mod codec;
pub mod conformance;
mod engine;
mod housekeeping;
pub mod local;
mod local_engine;
mod memory;
mod room;

pub use engine::{
    AppendError, Budget, Checkpoint, CheckpointError, Chunk, Engine, Entry, GapCause, ReadError, Reader,
    Selection, Term,
};
pub use housekeeping::{
    BackedUp, BaseInfo, Dropped, Frozen, Housekeeping, HousekeepingError, Keep, Links, Rewritten, Scrubbed,
    SegmentInfo,
};
pub use local_engine::{OpenError, Opened, open, open_log, repair};
pub use memory::{Memory, MemoryCheckpoint};
pub use room::{Room, Space};
