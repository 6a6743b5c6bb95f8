//! What is true and what must happen next.
//!
//! The heart of Cantus: [`command::Command`]s are decided into [`fact::Fact`]s, facts are applied to the
//! [`state::State`], and the [`effect::Effect`]s say what somebody must now do. Nothing in this crate reads a
//! clock, a disk, a socket or a source of chance: time and entropy are arguments.
//!
//! Read `command`, `fact` and `effect` (what goes in and comes out), then `coordinator` (how a step runs), then
//! the rooms: `event`, `topic`, `agent`, `subscription`, `dead_letter`, `bulk_operation`, `retention`,
//! `audit`.

pub mod agent;
pub mod audit;
pub mod bulk_operation;
pub mod command;
pub mod coordinator;
pub mod dead_letter;
pub mod effect;
pub mod event;
pub mod fact;
pub mod filter;
pub mod hash;
pub mod ids;
pub mod numbered;
pub mod refusal;
pub mod retention;
pub mod row;
pub mod state;
pub mod subscription;
pub mod text;
pub mod time;
pub mod topic;

pub use coordinator::Coordinator;
pub use ids::Position;
pub use refusal::Refusal;
pub use state::State;
pub use text::Text;
pub use time::{Span, Timestamp};
