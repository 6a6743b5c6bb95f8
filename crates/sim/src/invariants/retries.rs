//! P12. Every failure is counted; the next attempt comes after the pause that the policy says and never earlier; the last
//! one allowed is followed by a dead letter that tells why. Nothing is dropped silently.

use cantus_core::fact::{DeadLetterOpened, DeliveryFailed, Fact, Recorded};
use cantus_core::ids::DeliveryId;
use cantus_core::subscription::retry::{Backoff, Class, Failure, Policy, Reason};
use cantus_core::subscription::{Attempt, AttemptOutcome};

use super::{Invariant, Verdict, hold};
use crate::model::{Ledger, Model, Stage};

#[derive(Default)]
pub(super) struct Retries {
    /// A failure that has no next attempt: its dead letter must follow at once.
    dying: Option<(DeliveryId, Attempt, Reason)>,
    /// A delivery that a person gives up: so must its own.
    given_up: Option<DeliveryId>,
}

fn covers(entry: &str, class: Class) -> bool {
    let transient = matches!(class, Class::Unavailable | Class::Throttled | Class::Crashed);
    entry == class.as_str() || (entry == "temporary_failure" && transient)
}

/// What no list names is not retried; the class named itself wins over one that is only covered.
fn is_retried(policy: &Policy, failure: &Failure) -> bool {
    let class = failure.class;
    let named = |list: &[cantus_core::Text]| list.iter().any(|entry| **entry == *class.as_str());
    let covered = |list: &[cantus_core::Text]| list.iter().any(|entry| covers(entry, class));
    match (named(&policy.no_retry_on), named(&policy.retry_on)) {
        (true, _) => false,
        (false, true) => true,
        (false, false) => covered(&policy.retry_on) && !covered(&policy.no_retry_on),
    }
}

/// The shortest and the longest pause after the `failed`-th failure, in milliseconds.
fn pauses(policy: &Policy, failure: &Failure, failed: u32) -> (u64, u64) {
    if let Some(asked) = failure.delay {
        return (asked.0, asked.0);
    }
    let mut pause = policy.initial_delay.0;
    match policy.backoff {
        Backoff::Fixed => {}
        Backoff::Linear => pause *= u64::from(failed),
        Backoff::Exponential => {
            for _ in 1..failed {
                pause = (pause * u64::from(policy.multiplier_thousandths) / 1_000).min(1 << 40);
            }
        }
    }
    let pause = pause.min(policy.max_delay.0);
    let jitter = pause * u64::from(policy.jitter_thousandths) / 1_000;
    (pause.saturating_sub(jitter), pause + jitter)
}

impl Retries {
    fn failed(&mut self, model: &Model, recorded: &Recorded, fact: &DeliveryFailed) -> Verdict {
        let (id, attempt) = (fact.delivery, &fact.attempt);
        let Some(it) = model.delivery(id) else { return Err(format!("{id:?} fails and is not known")) };
        let Stage::Leased { since, deadline, .. } = it.stage else {
            return Err(format!("{id:?} fails while it is {:?}", it.stage));
        };
        let told = attempt.number == it.acquired && attempt.at == since && attempt.ended == recorded.at;
        hold(told, || format!("attempt {} of {id:?} is told as {attempt:?}", it.acquired))?;
        let ended = attempt.outcome == AttemptOutcome::LeaseEnded;
        hold(!ended || recorded.at >= deadline, || format!("the lease of {id:?} ended before {deadline:?}"))?;
        let Some(failure) = &attempt.failure else { return Err(format!("{id:?} fails without a reason")) };
        let policy = &model.subscriptions[&id.subscription].definition().retry;
        // What the open breaker excuses waits as if it had spent an attempt, and is never the last.
        let failed =
            if fact.unspent == Some(true) { it.failed.min(policy.max_retries) } else { it.failed + 1 };
        let looped = failure.refusal.as_deref() == Some("LoopDetected");
        let end = if looped {
            Some(Reason::LoopDetected)
        } else if !is_retried(policy, failure) {
            Some(Reason::NotRetried)
        } else if failed > policy.max_retries {
            Some(Reason::AttemptsSpent)
        } else {
            None
        };
        match (attempt.next_at, end) {
            (Some(due), None) => {
                let (least, most) = pauses(policy, failure, failed);
                let pause = due.since(recorded.at).0;
                hold((least..=most).contains(&pause), || {
                    format!("failure {failed} of {id:?} is followed by {pause} ms, not {least} to {most}")
                })
            }
            (None, Some(reason)) => {
                self.dying = Some((id, attempt.clone(), reason));
                Ok(())
            }
            (next, end) => {
                Err(format!("failure {failed} of {id:?} leads to {next:?}, the policy says {end:?}"))
            }
        }
    }

    fn died(&mut self, model: &Model, fact: &DeadLetterOpened) -> Verdict {
        let id = fact.delivery;
        if fact.reason == Reason::GivenUp {
            let given_up = self.given_up.take();
            hold(given_up == Some(id), || format!("{id:?} is given up, and nobody said so"))?;
            return self.holds_its_story(model, fact);
        }
        let Some((dying, attempt, reason)) = self.dying.take() else {
            return Err(format!("{id:?} is a dead letter without a last failure"));
        };
        hold(dying == id && fact.reason == reason, || {
            format!("{dying:?} had to die of {reason:?}; {id:?} died of {:?}", fact.reason)
        })?;
        hold(fact.attempts.last() == Some(&attempt), || {
            format!("the dead letter of {id:?} lacks its last attempt")
        })?;
        self.holds_its_story(model, fact)
    }

    fn holds_its_story(&self, model: &Model, fact: &DeadLetterOpened) -> Verdict {
        let id = fact.delivery;
        let event = model.events.get(&id.position).map(|published| &published.event);
        hold(event == Some(&fact.event), || format!("the dead letter of {id:?} holds another event"))?;
        let replays = model.dead_letters.iter().find(|(_, dead)| dead.replaying == Some(id));
        hold(fact.reopens == replays.map(|(dead, _)| *dead), || {
            format!("the dead letter of {id:?} reopens {:?}", fact.reopens)
        })
    }
}

impl Invariant for Retries {
    fn promise(&self) -> &'static str {
        "failures are counted, spaced by the policy, and end in a dead letter that tells why"
    }

    fn fact(&mut self, model: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        if let Some((dying, ..)) = &self.dying
            && !matches!(&recorded.fact, Fact::DeadLetterOpened(_))
        {
            return Err(format!("{dying:?} has no next attempt and no dead letter"));
        }
        match &recorded.fact {
            Fact::DeliveryLeased(fact) => {
                let attempts = model.delivery(fact.delivery).map_or(0, |it| it.acquired);
                hold(fact.attempt == attempts + 1, || {
                    format!("{:?} is leased as attempt {} after {attempts}", fact.delivery, fact.attempt)
                })
            }
            Fact::DeliveryFailed(fact) => self.failed(model, recorded, fact),
            Fact::DeadLetterOpened(fact) => self.died(model, fact),
            Fact::DeliveryGivenUp(fact) => {
                self.given_up = Some(fact.delivery);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn followed(&mut self, _: &Model, _: &Ledger) -> Verdict {
        let given_up = self.given_up;
        hold(given_up.is_none(), || format!("{given_up:?} is given up and has no dead letter"))?;
        hold(self.dying.is_none(), || format!("{:?} has no next attempt and no dead letter", self.dying))
    }
}
