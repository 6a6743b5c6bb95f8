//! Between the wire and the core: every type of one side that has a counterpart on the other, one file per noun.
//!
//! Read `event` first (how blanks are filled and what the dedupe window compares), then `wire` (what agents' programs see
//! and say). Nothing here asks the runtime for anything: what must be looked up is looked up by the caller.

pub mod agent;
pub mod attempt;
pub mod bulk_operation;
pub mod dead_letter;
pub mod definition;
pub mod event;
mod gap;
pub mod installed;
pub mod receipt;
pub mod subscription;
pub mod time;
pub mod topic;
pub mod webhook;
pub mod why;
pub mod wire;

pub use gap::gap;
