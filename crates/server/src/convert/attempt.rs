//! Attempts: how each try at a delivery ended.

use cantus_api::delivery::{Attempt, Outcome};
use cantus_core::subscription::{self, AttemptOutcome};

use super::time;

/// Returns an attempt that is over, for the wire.
pub fn out(attempt: &subscription::Attempt) -> Attempt {
    let failure = attempt.failure.as_ref();
    Attempt {
        n: attempt.number,
        at: time::text(attempt.at),
        duration_ms: Some(attempt.ended.since(attempt.at).0),
        outcome: Some(outcome(attempt.outcome)),
        class: failure.map(|failure| failure.class.as_str().to_owned()),
        status: failure.and_then(|failure| failure.status),
        exit_code: failure.and_then(|failure| failure.exit_code),
        message: failure.map(|failure| failure.message.to_string()),
        stderr_tail: failure.and_then(|failure| failure.output_tail.as_ref()).map(ToString::to_string),
        next_at: attempt.next_at.map(time::text),
    }
}

/// Returns an attempt that still runs, for the wire.
pub fn running(lease: &subscription::Lease) -> Attempt {
    Attempt {
        n: lease.attempt,
        at: time::text(lease.since),
        duration_ms: None,
        outcome: None,
        class: None,
        status: None,
        exit_code: None,
        message: None,
        stderr_tail: None,
        next_at: None,
    }
}

fn outcome(outcome: AttemptOutcome) -> Outcome {
    match outcome {
        AttemptOutcome::Acked => Outcome::Acked,
        AttemptOutcome::Failed => Outcome::Failed,
        AttemptOutcome::LeaseEnded => Outcome::LeaseEnded,
        AttemptOutcome::Late => Outcome::Late,
    }
}
