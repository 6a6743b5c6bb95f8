//! The circuit breaker: what fails for every delivery is not asked of every delivery.
//!
//! Transient failures of several distinct deliveries in a row open it. Open, it lets probes through: one delivery at a
//! time, each time of another key, with growing pauses; the first success closes it. Only probes spend attempts then.

use minicbor::{Decode, Encode};

use super::retry::{Class, Failure};
use crate::ids::{DeliveryId, Position};
use crate::text::Text;
use crate::time::{Span, Timestamp};

/// How many probed keys are remembered, so that the next probe takes another.
const PROBED_KEPT: usize = 16;
/// The most deliveries in a row that a policy may ask for.
pub const THRESHOLD_MAX: u32 = 1_000;

/// When a breaker opens, and how it probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Policy {
    /// So many distinct deliveries fail in a row before it opens; 0 means never.
    #[n(0)]
    pub failure_threshold: u32,
    /// How long it waits before its first probe.
    #[n(1)]
    pub initial_pause: Span,
    /// The longest pause between two probes.
    #[n(2)]
    pub max_pause: Span,
}

impl Default for Policy {
    fn default() -> Self {
        Self { failure_threshold: 5, initial_pause: Span::seconds(1), max_pause: Span::minutes(5) }
    }
}

impl Policy {
    /// The policy of a breaker that never opens.
    pub const OFF: Policy = Policy { failure_threshold: 0, initial_pause: Span(0), max_pause: Span(0) };
}

/// What is true of a subscription's breaker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Breaker {
    /// Distinct deliveries that failed transiently since the last success: position and generation.
    #[n(0)]
    pub failing: Vec<(Position, u16)>,
    /// Set while it is open.
    #[n(1)]
    pub opened: Option<Opened>,
}

/// A breaker that is open.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Opened {
    /// Since when.
    #[n(0)]
    pub since: Timestamp,
    /// How many distinct deliveries had failed in a row.
    #[n(1)]
    pub failures: u32,
    /// The class of the last failure.
    #[n(2)]
    pub class: Class,
    /// The last failure in words.
    #[n(3)]
    pub message: Text,
    /// The pause in force.
    #[n(4)]
    pub pause: Span,
    /// No probe goes before then.
    #[n(5)]
    pub probe_at: Timestamp,
    /// The delivery that probes now: position and generation.
    #[n(6)]
    pub probe: Option<(Position, u16)>,
    /// What the last probes had as keys, oldest first.
    #[n(7)]
    pub probed: Vec<u64>,
}

impl Opened {
    /// Tells whether a probe may go.
    pub fn may_probe(&self, now: Timestamp) -> bool {
        self.probe.is_none() && self.probe_at <= now
    }

    /// Remembers a probe that was leased.
    pub(crate) fn probing(&mut self, slot: (Position, u16), key: Option<u64>) {
        self.probe = Some(slot);
        if self.probed.len() >= PROBED_KEPT {
            self.probed.remove(0);
        }
        self.probed.push(probe_key(key, slot));
    }
}

/// Returns what tells probes apart: the order key, or without one the delivery.
pub fn probe_key(key: Option<u64>, slot: (Position, u16)) -> u64 {
    key.unwrap_or_else(|| crate::hash::of(&format!("{}/{}", slot.0, slot.1)))
}

/// What a failure does to a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing that must be written down.
    Unmoved,
    /// So many distinct deliveries have failed in a row: it opens.
    Opens {
        /// How many.
        failures: u32,
        /// The first pause.
        pause: Span,
        /// The first probe.
        probe_at: Timestamp,
    },
    /// A probe failed: it stays open.
    StaysOpen {
        /// The pause now.
        pause: Span,
        /// The next probe.
        probe_at: Timestamp,
    },
}

impl Breaker {
    /// Tells whether a delivery's failure spends an attempt. While the breaker is open, what was leased before it opened
    /// is not to blame: only probes spend.
    pub fn spends(&self, id: DeliveryId, class: Class) -> bool {
        let slot = (id.position, id.generation);
        self.opened.as_ref().is_none_or(|opened| opened.probe == Some(slot) || !class.is_transient())
    }

    /// Decides what a failure does.
    pub fn after_failure(
        &self,
        policy: &Policy,
        id: DeliveryId,
        failure: &Failure,
        now: Timestamp,
    ) -> Verdict {
        let slot = (id.position, id.generation);
        let transient = failure.class.is_transient();
        // An agent that asks for a pause is not probed before, as far as pauses reach.
        let asked = failure.delay.unwrap_or_default().min(policy.max_pause);
        match &self.opened {
            Some(opened) if opened.probe == Some(slot) => {
                // An answer that is not transient says that somebody is there, though not that it works.
                let grown = if transient { Span(opened.pause.0.saturating_mul(2)) } else { opened.pause };
                let pause = grown.min(policy.max_pause);
                Verdict::StaysOpen { pause, probe_at: now.after(pause.max(asked)) }
            }
            Some(_) => Verdict::Unmoved,
            None if !transient || policy.failure_threshold == 0 => Verdict::Unmoved,
            None => {
                let others = self.failing.iter().filter(|failing| **failing != slot).count();
                let failures = u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1);
                if failures < policy.failure_threshold {
                    return Verdict::Unmoved;
                }
                let pause = policy.initial_pause;
                Verdict::Opens { failures, pause, probe_at: now.after(pause.max(asked)) }
            }
        }
    }

    /// Remembers a failure.
    pub(crate) fn failed(&mut self, slot: (Position, u16), class: Option<Class>) {
        if let Some(opened) = &mut self.opened {
            opened.probe.take_if(|probe| *probe == slot);
        } else if class.is_some_and(Class::is_transient)
            && !self.failing.contains(&slot)
            && self.failing.len() < THRESHOLD_MAX as usize
        {
            self.failing.push(slot);
        }
    }

    /// Remembers a success.
    pub(crate) fn succeeded(&mut self, slot: (Position, u16)) {
        self.failing.clear();
        self.gone(slot);
    }

    /// Forgets a delivery that is no longer there: it probes no more.
    pub(crate) fn gone(&mut self, slot: (Position, u16)) {
        if let Some(opened) = &mut self.opened {
            opened.probe.take_if(|probe| *probe == slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(position: u64) -> DeliveryId {
        DeliveryId { subscription: 0, position: Position(position), generation: 0 }
    }

    fn failure(class: Class) -> Failure {
        Failure {
            class,
            message: Text::from("no"),
            exit_code: None,
            status: None,
            output_tail: None,
            delay: None,
            refusal: None,
        }
    }

    fn failed(breaker: &mut Breaker, position: u64, class: Class) -> Verdict {
        let verdict = breaker.after_failure(&Policy::default(), id(position), &failure(class), Timestamp(0));
        breaker.failed((Position(position), 0), Some(class));
        verdict
    }

    #[test]
    fn five_distinct_deliveries_in_a_row_open_it_and_one_that_fails_five_times_does_not() {
        let mut breaker = Breaker::default();
        for _ in 0..5 {
            assert_eq!(failed(&mut breaker, 1, Class::Timeout), Verdict::Unmoved);
        }
        for position in 2..5 {
            assert_eq!(failed(&mut breaker, position, Class::Crashed), Verdict::Unmoved);
        }
        let opens = Verdict::Opens { failures: 5, pause: Span::seconds(1), probe_at: Timestamp(1_000) };
        assert_eq!(failed(&mut breaker, 5, Class::Unavailable), opens);
    }

    #[test]
    fn a_success_ends_the_row_and_what_is_not_transient_does_not_count() {
        let mut breaker = Breaker::default();
        for position in 1..5 {
            failed(&mut breaker, position, Class::Throttled);
        }
        assert_eq!(failed(&mut breaker, 6, Class::InvalidPayload), Verdict::Unmoved);
        breaker.succeeded((Position(9), 0));
        assert_eq!(failed(&mut breaker, 7, Class::TemporaryFailure), Verdict::Unmoved);
    }

    #[test]
    fn pauses_double_with_each_probe_that_fails_up_to_the_longest() {
        let policy = Policy { max_pause: Span::seconds(3), ..Policy::default() };
        let mut opened = Opened {
            since: Timestamp(0),
            failures: 5,
            class: Class::Timeout,
            message: Text::default(),
            pause: Span::seconds(1),
            probe_at: Timestamp(0),
            probe: None,
            probed: Vec::new(),
        };
        for pause in [2_000, 3_000, 3_000] {
            opened.probing((Position(1), 0), None);
            let breaker = Breaker { failing: Vec::new(), opened: Some(opened.clone()) };
            let verdict = breaker.after_failure(&policy, id(1), &failure(Class::Timeout), Timestamp(0));
            assert_eq!(verdict, Verdict::StaysOpen { pause: Span(pause), probe_at: Timestamp(pause as i64) });
            opened = Opened { pause: Span(pause), probe: None, ..opened };
        }
    }

    #[test]
    fn while_it_is_open_only_probes_spend_attempts() {
        let mut opened = Opened {
            since: Timestamp(0),
            failures: 5,
            class: Class::Timeout,
            message: Text::default(),
            pause: Span::seconds(1),
            probe_at: Timestamp(0),
            probe: None,
            probed: Vec::new(),
        };
        opened.probing((Position(1), 0), None);
        let breaker = Breaker { failing: Vec::new(), opened: Some(opened) };
        assert!(breaker.spends(id(1), Class::Timeout));
        assert!(!breaker.spends(id(2), Class::Timeout));
        assert!(breaker.spends(id(2), Class::InvalidPayload), "what is for good is for good");
        assert!(Breaker::default().spends(id(2), Class::Timeout));
    }
}
