//! Dead letters in words, and the options several verbs share.

use cantus_api::dead_letter::{DeadLetter, Failure, Status, StatusFilter};
use clap::ValueEnum;

use crate::commands::deliveries::repeats_exit_code;
use crate::output::Tone;

/// Which states to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum StatusOption {
    Open,
    Replaying,
    Resolved,
    Archived,
    All,
}

impl StatusOption {
    /// Returns it as the server knows it.
    pub(super) fn filter(self) -> StatusFilter {
        match self {
            StatusOption::Open => StatusFilter::Open,
            StatusOption::Replaying => StatusFilter::Replaying,
            StatusOption::Resolved => StatusFilter::Resolved,
            StatusOption::Archived => StatusFilter::Archived,
            StatusOption::All => StatusFilter::All,
        }
    }
}

/// Returns the word for a state, and its tone.
pub(super) fn status_word(status: Status) -> (&'static str, Tone) {
    match status {
        Status::Open => ("open", Tone::Bad),
        Status::Replaying => ("replaying", Tone::Running),
        Status::Resolved => ("resolved", Tone::Good),
        Status::Archived => ("archived", Tone::Dim),
    }
}

/// Returns a failure on one line: its class, what the program or the receiver answered, the reason.
pub(super) fn failure_line(failure: &Failure) -> String {
    let mut line = failure.class.clone();
    if let Some(code) = failure.exit_code {
        line.push_str(&format!(" exit {code}"));
    }
    if let Some(status) = failure.status {
        line.push_str(&format!(" HTTP {status}"));
    }
    let message = failure.message.trim_end();
    if !message.is_empty() && !repeats_exit_code(message, failure.exit_code) {
        line.push_str(&format!(": {message}"));
    }
    line
}

/// Returns whom a dead letter was for.
pub(super) fn subscription_of(letter: &DeadLetter) -> String {
    letter.subscription.clone().unwrap_or_else(|| "-".to_owned())
}
