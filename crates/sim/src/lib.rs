//! The whole coordinator from a seed: the real core, the real turn, writer and feeder, the real local log on a model disk,
//! and agents that fail, stall, answer late or twice, in one thread under virtual time.
//!
//! ```text
//! seed ─▶ settings ─▶ world (steps) ─▶ node ─▶ durable facts, answers, deliveries ─▶ model, invariants ─▶ verdict
//! ```
//! Read `run` (what a seed does), `settings` (what it chooses), `world` (who does what), `model` (what must then be true)
//! and `invariants` (the promises, a file each). The same seed twice gives the same bytes: `trace` hashes everything.

mod chance;
mod checkpoint;
mod events;
mod invariants;
mod judge;
mod model;
mod run;
mod sabotage;
mod settings;
mod time;
mod trace;
mod wire;
mod world;

pub use judge::Violation;
pub use run::{Options, Report, run, shrink};
pub use world::{Counts, Sabotage};
