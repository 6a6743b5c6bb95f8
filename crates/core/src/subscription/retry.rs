//! What becomes of a delivery that failed: again later, or a dead letter.

use minicbor::{Decode, Encode};

use crate::text::Text;
use crate::time::{Span, Timestamp};

/// How failures are retried.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Policy {
    /// How many attempts may follow the first.
    #[n(0)]
    pub max_retries: u32,
    /// How the pauses grow.
    #[n(1)]
    pub backoff: Backoff,
    /// The first pause.
    #[n(2)]
    pub initial_delay: Span,
    /// The longest pause.
    #[n(3)]
    pub max_delay: Span,
    /// Classes, or exact entries such as `exit:75` and `http:503`, that are retried.
    #[n(4)]
    pub retry_on: Vec<Text>,
    /// Classes or exact entries that are not.
    #[n(5)]
    pub no_retry_on: Vec<Text>,
    /// The factor of exponential growth, in thousandths.
    #[n(6)]
    pub multiplier_thousandths: u32,
    /// How much of a pause is left to chance, in thousandths of it.
    #[n(7)]
    pub jitter_thousandths: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_retries: 3,
            backoff: Backoff::Exponential,
            initial_delay: Span::seconds(1),
            max_delay: Span::seconds(30),
            retry_on: vec![Text::from("timeout"), Text::from("temporary_failure")],
            no_retry_on: vec![Text::from("invalid_payload"), Text::from("unauthorized")],
            multiplier_thousandths: 2_000,
            jitter_thousandths: 0,
        }
    }
}

/// How pauses grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Backoff {
    /// By a factor.
    #[n(0)]
    Exponential,
    /// By the first pause each time.
    #[n(1)]
    Linear,
    /// Not at all.
    #[n(2)]
    Fixed,
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Class {
    /// It took too long.
    #[n(0)]
    Timeout,
    /// It may work later.
    #[n(1)]
    TemporaryFailure,
    /// The payload will never do.
    #[n(2)]
    InvalidPayload,
    /// We may not ask.
    #[n(3)]
    Unauthorized,
    /// The agent will not do it, or its answer was refused.
    #[n(4)]
    Rejected,
    /// The agent could not be reached.
    #[n(5)]
    Unavailable,
    /// The agent asked for a pause.
    #[n(6)]
    Throttled,
    /// The agent died of a signal.
    #[n(7)]
    Crashed,
}

impl Class {
    /// All classes.
    pub const ALL: [Class; 8] = [
        Class::Timeout,
        Class::TemporaryFailure,
        Class::InvalidPayload,
        Class::Unauthorized,
        Class::Rejected,
        Class::Unavailable,
        Class::Throttled,
        Class::Crashed,
    ];

    /// Returns the word users write.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Timeout => "timeout",
            Class::TemporaryFailure => "temporary_failure",
            Class::InvalidPayload => "invalid_payload",
            Class::Unauthorized => "unauthorized",
            Class::Rejected => "rejected",
            Class::Unavailable => "unavailable",
            Class::Throttled => "throttled",
            Class::Crashed => "crashed",
        }
    }

    /// Reads the word users write.
    pub fn parse(text: &str) -> Option<Class> {
        Class::ALL.into_iter().find(|class| class.as_str() == text)
    }

    /// Tells whether the failure may be over by itself: such failures open the breaker.
    pub fn is_transient(self) -> bool {
        match self {
            Class::Timeout
            | Class::TemporaryFailure
            | Class::Unavailable
            | Class::Throttled
            | Class::Crashed => true,
            Class::InvalidPayload | Class::Unauthorized | Class::Rejected => false,
        }
    }

    /// Tells whether an entry of a policy's list means this class.
    fn is_covered_by(self, entry: &str) -> bool {
        entry == self.as_str()
            || (entry == "temporary_failure"
                && matches!(self, Class::Unavailable | Class::Throttled | Class::Crashed))
    }
}

/// One failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Failure {
    /// Why.
    #[n(0)]
    pub class: Class,
    /// In words, at most 4 KiB.
    #[n(1)]
    pub message: Text,
    /// The program's exit code.
    #[n(2)]
    pub exit_code: Option<i32>,
    /// The HTTP status it answered.
    #[n(3)]
    pub status: Option<u16>,
    /// The end of what it wrote on stderr, or of its answer.
    #[n(4)]
    pub output_tail: Option<Text>,
    /// The pause it asked for.
    #[n(5)]
    pub delay: Option<Span>,
    /// The code of the refusal, when its answer was refused.
    #[n(6)]
    pub refusal: Option<Text>,
}

/// What becomes of a failed delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is tried again then.
    RetryAt(Timestamp),
    /// It is not tried again by itself.
    DeadLetter(Reason),
}

/// Why a delivery became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Reason {
    /// The policy's last attempt failed.
    #[n(0)]
    AttemptsSpent,
    /// Its class is not retried.
    #[n(1)]
    NotRetried,
    /// An answer would have closed a loop.
    #[n(2)]
    LoopDetected,
    /// The body could not be read any more.
    #[n(3)]
    Unreadable,
    /// A person gave it up.
    #[n(4)]
    GivenUp,
}

impl Reason {
    /// Returns the word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::AttemptsSpent => "attempts_spent",
            Reason::NotRetried => "not_retried",
            Reason::LoopDetected => "loop_detected",
            Reason::Unreadable => "unreadable",
            Reason::GivenUp => "given_up",
        }
    }
}

/// Decides what becomes of a delivery that has just failed for the `failed`-th time, counting from one.
/// `chance` is a number drawn for the jitter.
pub fn after_failure(
    policy: &Policy,
    failure: &Failure,
    failed: u32,
    now: Timestamp,
    chance: u64,
) -> Verdict {
    if !is_retried(policy, failure) {
        return Verdict::DeadLetter(Reason::NotRetried);
    }
    if failed > policy.max_retries {
        return Verdict::DeadLetter(Reason::AttemptsSpent);
    }
    let pause = failure.delay.unwrap_or_else(|| jittered(policy, pause(policy, failed), chance));
    Verdict::RetryAt(now.after(pause))
}

/// Tells whether a failure is retried at all. Exact entries win over classes; what no list names is not retried.
pub fn is_retried(policy: &Policy, failure: &Failure) -> bool {
    let exact = [
        failure.exit_code.map(|code| format!("exit:{code}")),
        failure.status.map(|status| format!("http:{status}")),
    ];
    for entry in exact.iter().flatten() {
        if policy.no_retry_on.iter().any(|listed| **listed == **entry) {
            return false;
        }
        if policy.retry_on.iter().any(|listed| **listed == **entry) {
            return true;
        }
    }
    // A class that is named itself wins over one that is only covered.
    let named = |list: &[Text]| list.iter().any(|entry| **entry == *failure.class.as_str());
    let covered = |list: &[Text]| list.iter().any(|entry| failure.class.is_covered_by(entry));
    if named(&policy.no_retry_on) {
        return false;
    }
    if named(&policy.retry_on) {
        return true;
    }
    covered(&policy.retry_on) && !covered(&policy.no_retry_on)
}

/// Returns the pause after the `failed`-th failure, without jitter.
pub fn pause(policy: &Policy, failed: u32) -> Span {
    let initial = policy.initial_delay.0;
    let grown = match policy.backoff {
        Backoff::Fixed => initial,
        Backoff::Linear => initial.saturating_mul(u64::from(failed)),
        Backoff::Exponential => {
            let mut pause = initial;
            for _ in 1..failed.min(1_000) {
                if pause >= policy.max_delay.0 {
                    break;
                }
                let grown = u128::from(pause) * u128::from(policy.multiplier_thousandths) / 1_000;
                pause = u64::try_from(grown).unwrap_or(u64::MAX);
            }
            pause
        }
    };
    Span(grown.min(policy.max_delay.0))
}

/// Spreads a pause by up to the policy's jitter in both directions, never below zero.
fn jittered(policy: &Policy, pause: Span, chance: u64) -> Span {
    if policy.jitter_thousandths == 0 {
        return pause;
    }
    let reach = u64::try_from(u128::from(pause.0) * u128::from(policy.jitter_thousandths) / 1_000)
        .unwrap_or(u64::MAX);
    let offset = chance % reach.saturating_mul(2).saturating_add(1);
    Span((pause.0 - reach.min(pause.0)).saturating_add(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(class: Class) -> Failure {
        Failure {
            class,
            message: Text::from("it failed"),
            exit_code: None,
            status: None,
            output_tail: None,
            delay: None,
            refusal: None,
        }
    }

    #[test]
    fn retries_come_after_one_two_and_four_seconds_and_the_fourth_failure_is_dead() {
        let policy = Policy::default();
        let verdicts: Vec<_> =
            (1..=4).map(|n| after_failure(&policy, &failure(Class::Timeout), n, Timestamp(0), 0)).collect();
        assert_eq!(
            verdicts,
            [
                Verdict::RetryAt(Timestamp(1_000)),
                Verdict::RetryAt(Timestamp(2_000)),
                Verdict::RetryAt(Timestamp(4_000)),
                Verdict::DeadLetter(Reason::AttemptsSpent)
            ]
        );
    }

    #[test]
    fn a_pause_never_exceeds_the_longest_one() {
        let policy = Policy { max_retries: u32::MAX, ..Policy::default() };
        assert_eq!(pause(&policy, u32::MAX), Span::seconds(30));
        assert_eq!(pause(&Policy { backoff: Backoff::Linear, ..policy.clone() }, 7), Span::seconds(7));
        assert_eq!(pause(&Policy { backoff: Backoff::Fixed, ..policy }, 7), Span::seconds(1));
    }

    #[test]
    fn temporary_failure_covers_unavailable_throttled_and_crashed() {
        for class in [Class::Unavailable, Class::Throttled, Class::Crashed, Class::TemporaryFailure] {
            assert!(is_retried(&Policy::default(), &failure(class)), "{class:?}");
        }
        for class in [Class::InvalidPayload, Class::Unauthorized, Class::Rejected] {
            assert!(!is_retried(&Policy::default(), &failure(class)), "{class:?}");
        }
    }

    #[test]
    fn exact_entries_win_over_classes() {
        let policy = Policy { no_retry_on: vec![Text::from("exit:75")], ..Policy::default() };
        let exit = |code| Failure { exit_code: Some(code), ..failure(Class::TemporaryFailure) };
        assert!(!is_retried(&policy, &exit(75)));
        assert!(is_retried(&policy, &exit(74)));
        let policy = Policy { retry_on: vec![Text::from("http:400")], ..Policy::default() };
        assert!(is_retried(&policy, &Failure { status: Some(400), ..failure(Class::InvalidPayload) }));
    }

    #[test]
    fn an_agents_own_delay_overrides_the_backoff() {
        let asked = Failure { delay: Some(Span::minutes(5)), ..failure(Class::Throttled) };
        assert_eq!(
            after_failure(&Policy::default(), &asked, 1, Timestamp(0), 0),
            Verdict::RetryAt(Timestamp(300_000))
        );
    }

    #[test]
    fn jitter_stays_within_its_share() {
        let policy = Policy { jitter_thousandths: 100, ..Policy::default() };
        for chance in 0..1_000 {
            let Verdict::RetryAt(at) =
                after_failure(&policy, &failure(Class::Timeout), 1, Timestamp(0), chance)
            else {
                panic!("a first failure is retried")
            };
            assert!((900..=1_100).contains(&at.0), "{at:?}");
        }
    }
}
