//! Counting attempts by subscription, outcome and class, and how long they and whole deliveries took. Since the start.

use std::collections::BTreeMap;
use std::time::Duration;

use cantus_core::Timestamp;
use cantus_core::fact::{Fact, Recorded};
use cantus_core::ids::DeliveryId;
use cantus_core::numbered::Numbered;
use cantus_core::subscription::{Attempt, AttemptOutcome};

use crate::metrics::{BOUNDS, Histogram};

/// How many subscriptions are counted by themselves; all further ones are counted together.
const SUBSCRIPTIONS_MAX: usize = 500;
/// Of how many open deliveries it is remembered when their events were recorded.
const OPEN_MAX: usize = 262_144;
/// The number that stands for all further subscriptions.
pub(crate) const OTHER: u32 = u32::MAX;

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    counts: Counts,
    /// When the events of open deliveries were recorded.
    open: Numbered<DeliveryId, Timestamp>,
}

/// Counts by subscription.
pub(crate) type Counts = BTreeMap<u32, OfSubscription>;

/// What one subscription's attempts came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfSubscription {
    /// Attempts by outcome and class; the class of what did not fail is empty.
    pub(crate) attempts: BTreeMap<(&'static str, &'static str), u64>,
    /// Deliveries that expired.
    pub(crate) expired: u64,
    /// From an attempt's beginning to its end.
    pub(crate) process: Histogram,
    /// From an event's recording to its acknowledgement.
    pub(crate) delivery: Histogram,
}

impl Attempts {
    /// Counts what facts tell.
    pub(crate) fn note(&mut self, facts: &[Recorded]) {
        for recorded in facts {
            match &recorded.fact {
                Fact::DeliveryLeased(leased) if self.open.len() < OPEN_MAX => {
                    self.open.insert(leased.delivery, leased.recorded_at);
                }
                Fact::DeliveryAcked(acked) => {
                    let came = self.open.remove(&acked.delivery);
                    let counted = self.of(acked.delivery);
                    *counted.attempts.entry(("acked", "")).or_default() += 1;
                    counted.process.observe(between(acked.began, recorded.at), &BOUNDS);
                    if let Some(came) = came {
                        counted.delivery.observe(between(came, recorded.at), &BOUNDS);
                    }
                }
                Fact::DeliveryFailed(failed) => self.failed(failed.delivery, &failed.attempt),
                Fact::DeliveryAnsweredLate(late) => {
                    *self.of(late.delivery).attempts.entry(("late", "")).or_default() += 1;
                }
                Fact::DeliveryExpired(expired) => {
                    self.open.remove(&expired.delivery);
                    self.of(expired.delivery).expired += 1;
                }
                _ => {}
            }
        }
    }

    fn failed(&mut self, delivery: DeliveryId, attempt: &Attempt) {
        if attempt.next_at.is_none() {
            self.open.remove(&delivery);
        }
        let outcome = match attempt.outcome {
            AttemptOutcome::LeaseEnded => "lease_ended",
            _ => "failed",
        };
        let class = attempt.failure.as_ref().map_or("", |failure| failure.class.as_str());
        let counted = self.of(delivery);
        *counted.attempts.entry((outcome, class)).or_default() += 1;
        counted.process.observe(between(attempt.at, attempt.ended), &BOUNDS);
    }

    fn of(&mut self, delivery: DeliveryId) -> &mut OfSubscription {
        let number = delivery.subscription;
        let room = self.counts.len() < SUBSCRIPTIONS_MAX || self.counts.contains_key(&number);
        self.counts.entry(if room { number } else { OTHER }).or_default()
    }

    /// Returns what was counted.
    pub(crate) fn counts(&self) -> Counts {
        self.counts.clone()
    }
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(to.0.saturating_sub(from.0)).unwrap_or(0))
}
