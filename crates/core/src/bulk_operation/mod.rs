//! Bulk operations: one thing that is done to many dead letters or deliveries, whose ids are frozen when it begins.
//!
//! Read `state` (what is kept of one), `pace` (how fast it goes), `decide` (begin, abort), then `item` (what becomes of
//! the next one). An operation is driven by its timer, so it goes on after a restart by itself; what an item led to
//! and the operation's progress are one slice, so no item is taken twice.

pub mod decide;
pub(crate) mod item;
mod pace;
mod state;

pub use pace::{InvalidPace, Pace};
pub use state::{Action, Item, Items, Operation, Outcome, Problem, Status};

/// How many items one operation may have.
pub const ITEMS_MAX: usize = 100_000;
/// How many operations may run at once.
pub const RUNNING_MAX: usize = 16;
/// How many operations that are over are remembered; the log has the older ones.
pub const KEPT: usize = 256;
/// How many items that were skipped or failed an operation tells one by one; the others are counted.
pub const PROBLEMS_KEPT: usize = 100;
