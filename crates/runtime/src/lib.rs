//! What waits and acts: turns, timers, deliveries.
//!
//! ```text
//! Handle ─▶ mailbox ─▶ turn (decide, apply) ─▶ writer (append, sync) ─▶ answers, effects
//!                        ▲                            │
//!                        │ offers                     ▼ durable facts
//!                        └───────── feeder (match) ◀──┘           effects ─▶ delivery ─▶ outcomes ─▶ mailbox
//! ```
//! Read `handle` (what surfaces may ask), `mailbox`, `seat` (who takes the turn), `turn`, `writer` (what leaves when), `feeder` (who wants which
//! event), `delivery` (how attempts are carried out), then `recovery`, `clock` and `housekeeping` (what goes, and when).

mod admission;
mod clock;
pub mod delivery;
mod feeder;
mod handle;
pub mod housekeeping;
mod mailbox;
pub mod observe;
mod recovery;
mod seat;
#[cfg(feature = "simulation")]
pub mod simulation;
mod start;
pub mod telemetry;
mod turn;
mod writer;

pub use admission::{Admission, Draft};
pub use clock::{Clock, MachineTime, TimeSource};
pub use handle::{AuditedCall, Failed, Handle, Publishing, PulledEvent, event_of};
pub use recovery::RecoveryError;
pub use start::{Answering, Config, EXIT_BROKEN, ExecSettings, Parts, Runtime, StartError, Wire};
