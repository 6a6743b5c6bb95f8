//! Agents: participants with an address and a way to reach them.
//!
//! Read `name`, then `state` (what is declared of an agent, and when it was last heard of).

mod name;
mod state;

pub use name::{AgentName, AgentPattern};
pub use state::{Agent, Liveness, Origin, SEEN_STEP, State};
