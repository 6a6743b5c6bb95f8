//! What can go wrong with a call.

use std::time::Duration;

use cantus_api::error::ExitCode;
use cantus_api::{Code, Problem};

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server refused; nothing was changed unless the problem says so.
    #[error("{problem}")]
    Refused {
        /// What the server said.
        problem: Box<Problem>,
        /// How long the server asks to wait before the next try.
        retry_after: Option<Duration>,
    },
    /// No connection, or it broke. Whether the server did what was asked is not known once the request was sent.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// The server.
        url: String,
        /// Why, in words, with the causes behind it.
        reason: String,
        /// Whether the request cannot have arrived.
        before_sending: bool,
        /// The failure below.
        #[source]
        source: reqwest::Error,
    },
    /// The answer did not come in time. Whether the server did what was asked is not known.
    #[error("{url} did not answer within {after:?}")]
    Timeout {
        /// The server.
        url: String,
        /// How long it had.
        after: Duration,
    },
    /// The answer is not one this version understands: another program, or a proxy between.
    #[error("{url} answered with something else than Cantus does: {reason}")]
    Protocol {
        /// The server.
        url: String,
        /// What was wrong with the answer.
        reason: String,
    },
    /// The call itself cannot be made, such as an id that fits into no URL.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// Returns the code of a refusal, if this version knows it.
    pub fn code(&self) -> Option<Code> {
        match self {
            Error::Refused { problem, .. } => problem.known_code(),
            _ => None,
        }
    }

    /// Returns the problem of a refusal.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Error::Refused { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// Returns the exit code of the command line for it.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Error::Refused { problem, .. } => problem.exit_code(),
            Error::Unreachable { .. } => ExitCode::Unreachable,
            Error::Timeout { .. } => ExitCode::Timeout,
            Error::Protocol { .. } => ExitCode::Failed,
            Error::Invalid(_) => ExitCode::Usage,
        }
    }
}
