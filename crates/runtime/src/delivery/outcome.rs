//! What an attempt said.

use cantus_core::agent::AgentPattern;
use cantus_core::subscription::Until;
use cantus_core::subscription::retry::{Class, Failure};
use cantus_core::{Refusal, Text};

use crate::admission::Draft;

/// What an attempt said.
pub enum Said {
    /// It was done, and these are to be published; or what the door refused of them.
    Done(Result<Vec<Draft>, Refusal>),
    /// Agents are to be parked.
    Parked {
        /// Which.
        agents: Vec<AgentPattern>,
        /// Until what.
        until: Until,
    },
    /// It failed.
    Failed(Failure),
}

/// The longest message of a failure, in characters.
const MESSAGE_MAX: usize = 1_000;
/// How much of an output's end a failure keeps, in bytes.
pub(super) const TAIL_MAX: usize = 2_048;

/// Makes a failure that has nothing but a class and a message.
pub(super) fn failure(class: Class, message: &str) -> Failure {
    let message: String = message.chars().take(MESSAGE_MAX).collect();
    Failure {
        class,
        message: Text::from(message),
        exit_code: None,
        status: None,
        output_tail: None,
        delay: None,
        refusal: None,
    }
}
