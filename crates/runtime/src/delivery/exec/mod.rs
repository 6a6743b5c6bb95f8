//! Exec: one attempt is one program, run under a guardian that outlives the server.
//!
//! ```text
//! server: Exec::run ─▶ attempts/<delivery>/<attempt>/ ─▶ `cantus guardian <dir>` ─▶ the program
//!            ▲               spec stdin alive bell              │ own session, subreaper,
//!            │                                                  │ timeout, output cap
//!            └── Outcome ◀── state stdout stderr ◀──────────────┘
//! ```
//!
//! The server and the guardian share nothing but that folder. `alive` is a FIFO whose writing end the launcher opens and
//! the guardian inherits: whoever opens it for reading learns of the guardian's end from the kernel, and a recycled
//! process number can not fool it. Because an attempt's folder appears by one rename, with `alive` already held, an
//! attempt is started at most once, whoever asks and however often: [`Exec::run`] on a folder that exists adopts it.
//!
//! Read `attempt` (the folder), `spec` (what to run), `state` (what became of it), `launch` (the server's side), then
//! `guardian/` and `sandbox/`. `environment` and `template` prepare a [`Spec`]; `classify` and `answer` read an [`Outcome`].

pub mod answer;
mod attempt;
pub mod classify;
pub mod environment;
pub(super) mod find;
pub mod guardian;
mod launch;
mod life;
mod logs;
mod outcome;
mod processes;
pub mod sandbox;
mod spec;
mod state;
mod sweep;
pub mod template;
#[cfg(test)]
mod tests;

pub use attempt::{AttemptId, InvalidAttemptId, Survivor};
pub use launch::Exec;
pub use logs::{Chunk, Stream};
pub use outcome::{End, Outcome, Output, SpawnFailure};
pub use spec::{InvalidSpec, OUTPUT_CAP_DEFAULT, Sandbox, Spec};
pub use sweep::{Keep, Swept};
