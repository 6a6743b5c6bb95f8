//! How attempts are carried out, and how their outcomes come back.
//!
//! Read `workers` (who does what), `outcome` (what an end means), `exec` (programs), `confine` (what their sandboxes
//! are told), `webhook` (URLs), `publish` (routes and transforms), `announce` (events that say what happens to a
//! delivery).

mod announce;
pub(crate) mod confine;
pub mod exec;
mod outcome;
mod program;
mod publish;
pub mod webhook;
mod workers;

pub use outcome::Said;
pub(crate) use workers::Workers;
#[cfg(feature = "simulation")]
pub(crate) use workers::{Attempt, settlement, transformed};
