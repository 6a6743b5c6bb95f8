//! What the facts of the log tell of deliveries: every attempt at each, and how it ended.

use std::collections::BTreeMap;

use cantus_api::delivery::{Attempt, Outcome, State};
use cantus_core::fact::{Fact, Recorded};
use cantus_core::ids::{DeadLetterId, DeliveryId};
use cantus_core::{Text, Timestamp};

use crate::convert::why::Settled;
use crate::convert::{attempt, time};

/// How many attempts of one delivery are told; the oldest go first.
const ATTEMPTS_MAX: usize = 1_000;

/// What is told of one delivery.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// How far it has come.
    pub(crate) state: State,
    /// How often it was leased.
    pub(crate) acquired: u32,
    /// How often it failed.
    pub(crate) failed: u32,
    /// Its attempts, oldest first.
    pub(crate) attempts: Vec<Attempt>,
    /// When the next attempt is due.
    pub(crate) next_at: Option<Timestamp>,
    /// When the lease in force ends.
    pub(crate) deadline: Option<Timestamp>,
    /// How it was settled, if it was.
    pub(crate) settled: Option<Settled>,
    /// The dead letter it became, and when.
    pub(crate) dead_letter: Option<(DeadLetterId, Timestamp)>,
    /// The dead letter whose replay it is.
    pub(crate) replay_of: Option<DeadLetterId>,
    /// The ids of the events published with its ack.
    pub(crate) published: Vec<Text>,
}

impl Default for Told {
    fn default() -> Self {
        Told {
            state: State::Waiting,
            acquired: 0,
            failed: 0,
            attempts: Vec::new(),
            next_at: None,
            deadline: None,
            settled: None,
            dead_letter: None,
            replay_of: None,
            published: Vec::new(),
        }
    }
}

/// A fold over facts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fold {
    /// What is told, by delivery.
    pub(crate) deliveries: BTreeMap<DeliveryId, Told>,
    /// Which delivery died as which dead letter.
    pub(crate) deaths: BTreeMap<DeadLetterId, DeliveryId>,
}

impl Fold {
    /// Takes one fact, in the order of the log.
    pub(crate) fn take(&mut self, recorded: &Recorded) {
        let at = recorded.at;
        match &recorded.fact {
            Fact::EventPublished(fact) => {
                if let Some(delivery) = fact.answers {
                    self.told(delivery).published.push(fact.event.id.clone());
                }
            }
            Fact::EventDeferred(fact) => {
                if let Some(delivery) = fact.answers {
                    self.told(delivery).published.push(fact.event.id.clone());
                }
            }
            Fact::DeliveryLeased(fact) => {
                let told = self.told(fact.delivery);
                told.state = State::Leased;
                told.acquired = told.acquired.max(fact.attempt);
                told.deadline = Some(fact.deadline);
                told.next_at = None;
                told.begin(fact.attempt, at);
            }
            Fact::DeliveryAcked(fact) => {
                let told = self.told(fact.delivery);
                told.state = State::Delivered;
                (told.deadline, told.next_at) = (None, None);
                told.acquired = told.acquired.max(fact.attempt);
                told.settled = Some(Settled { at, expired: false, attempt: fact.attempt });
                let one = told.begin(fact.attempt, fact.began);
                one.duration_ms = Some(at.since(fact.began).0);
                one.outcome = Some(Outcome::Acked);
            }
            Fact::DeliveryFailed(fact) => {
                let told = self.told(fact.delivery);
                told.state = if fact.attempt.next_at.is_some() { State::Waiting } else { State::Dead };
                told.acquired = told.acquired.max(fact.attempt.number);
                told.failed += 1;
                told.deadline = None;
                told.next_at = fact.attempt.next_at;
                *told.begin(fact.attempt.number, fact.attempt.at) = attempt::out(&fact.attempt);
            }
            Fact::DeliveryAnsweredLate(fact) => {
                let told = self.told(fact.delivery);
                let n = told.attempts.last().map_or(1, |last| last.n);
                told.keep(Attempt {
                    n,
                    at: time::text(at),
                    duration_ms: None,
                    outcome: Some(Outcome::Late),
                    class: None,
                    status: None,
                    exit_code: None,
                    message: Some(fact.said.to_string()),
                    stderr_tail: None,
                    next_at: None,
                });
            }
            Fact::DeliveryExpired(fact) => {
                let told = self.told(fact.delivery);
                told.state = State::Expired;
                (told.deadline, told.next_at) = (None, None);
                let attempt = told.acquired;
                told.settled = Some(Settled { at, expired: true, attempt });
            }
            Fact::DeliveryParked(fact) => {
                self.told(fact.delivery);
            }
            Fact::DeadLetterOpened(fact) => {
                let id = fact.reopens.unwrap_or(DeadLetterId(recorded.position));
                self.deaths.entry(id).or_insert(fact.delivery);
                let told = self.told(fact.delivery);
                told.state = State::Dead;
                told.dead_letter = Some((id, at));
            }
            Fact::DeadLetterReplayed(fact) => {
                if let Some(delivery) = fact.delivery {
                    self.told(delivery).replay_of = Some(fact.id);
                }
            }
            _ => {}
        }
    }

    fn told(&mut self, delivery: DeliveryId) -> &mut Told {
        self.deliveries.entry(delivery).or_default()
    }
}

impl Told {
    /// Returns the attempt of a number, made when it is not there.
    fn begin(&mut self, number: u32, at: Timestamp) -> &mut Attempt {
        let known =
            self.attempts.iter().rposition(|one| one.n == number && one.outcome != Some(Outcome::Late));
        let index = match known {
            Some(index) => index,
            None => {
                self.keep(Attempt {
                    n: number,
                    at: time::text(at),
                    duration_ms: None,
                    outcome: None,
                    class: None,
                    status: None,
                    exit_code: None,
                    message: None,
                    stderr_tail: None,
                    next_at: None,
                });
                self.attempts.len() - 1
            }
        };
        &mut self.attempts[index]
    }

    fn keep(&mut self, attempt: Attempt) {
        if self.attempts.len() >= ATTEMPTS_MAX {
            self.attempts.remove(0);
        }
        self.attempts.push(attempt);
    }
}
