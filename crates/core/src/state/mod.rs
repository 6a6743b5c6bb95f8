//! What is true: a fold of the log.
//!
//! Read `model` (what there is), then `apply` (how a fact changes it), then `rows` (how it is kept in a checkpoint).

mod apply;
mod model;
mod rows;

pub use apply::Impossible;
pub use model::{
    AgentsPause, Answered, Deferred, Meta, REQUESTS_KEPT, STREAMS_CACHED, State, Timer, TopicState,
};
pub use rows::{RowError, Rows};
