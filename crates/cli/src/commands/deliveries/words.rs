//! Deliveries and attempts in words.

use cantus_api::delivery::{Attempt, Delivery, Outcome, State, WaitingFor};

use crate::output::{Screen, Tone, duration_ms};

/// Returns the word for how far a delivery has come, and its tone. One that waits for another attempt is `retrying`.
pub(crate) fn state_word(delivery: &Delivery) -> (&'static str, Tone) {
    match delivery.state {
        State::Waiting if delivery.failed > 0 => ("retrying", Tone::Held),
        State::Waiting => ("waiting", Tone::Held),
        State::Leased => ("leased", Tone::Running),
        State::Delivered => ("delivered", Tone::Good),
        State::Dead => ("dead", Tone::Bad),
        State::Expired => ("expired", Tone::Bad),
    }
}

/// Returns what a delivery waits for, in words.
pub(crate) fn waiting_word(waiting_for: WaitingFor) -> &'static str {
    match waiting_for {
        WaitingFor::Key => "for an earlier event of its key",
        WaitingFor::Breaker => "for the circuit breaker",
        WaitingFor::Pause => "while paused",
        WaitingFor::Rate => "for the rate limit",
        WaitingFor::Retry => "for its next attempt",
        WaitingFor::Concurrency => "for a free place",
        WaitingFor::Lease => "for the lease to end",
        WaitingFor::Offline => "for the agent to pull",
        WaitingFor::Due => "for its time",
    }
}

/// Returns an attempt on one line, without the time it began.
pub(crate) fn attempt_line(attempt: &Attempt, screen: &Screen) -> String {
    let (word, tone) = match attempt.outcome {
        None => ("running", Tone::Running),
        Some(Outcome::Acked) => ("acked", Tone::Good),
        Some(Outcome::Failed) => ("failed", Tone::Bad),
        Some(Outcome::LeaseEnded) => ("lease ended", Tone::Bad),
        Some(Outcome::Late) => ("late", Tone::Held),
    };
    let mut line = screen.paint(tone, word);
    let mut add = |text: String| line.push_str(&format!("  {text}"));
    if let Some(class) = &attempt.class {
        add(class.clone());
    }
    if let Some(code) = attempt.exit_code.filter(|code| *code != 0) {
        add(format!("exit {code}"));
    }
    if let Some(status) = attempt.status {
        add(format!("HTTP {status}"));
    }
    if let Some(ms) = attempt.duration_ms {
        add(duration_ms(ms));
    }
    if let Some(next) = attempt.next_at.as_ref().filter(|next| screen.is_to_come(next)) {
        add(format!("next {}", screen.time(next)));
    }
    line
}

/// Returns whether a message says no more than the exit code that is shown anyway.
pub(crate) fn repeats_exit_code(message: &str, exit_code: Option<i32>) -> bool {
    exit_code.is_some_and(|code| message.trim() == format!("exit code {code}"))
}
