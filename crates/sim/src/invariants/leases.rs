//! A delivery is in one worker's hands at a time, never more than a subscription allows at once, never while it or its
//! agent is paused; what a worker was given is in the log.

use std::collections::{BTreeMap, BTreeSet};

use cantus_core::command::Pulled;
use cantus_core::fact::{Fact, Recorded};
use cantus_core::ids::Token;

use super::{Given, Invariant, Look, Verdict, hold};
use crate::events::lease_of;
use crate::model::{Ledger, Model, Stage};

#[derive(Default)]
pub(super) struct Leases {
    /// What workers were given and the durable log does not say yet.
    given: BTreeMap<(u32, u64), Pulled>,
    /// Tokens that were given in this life of the process.
    seen: BTreeSet<(u32, u64)>,
    /// Tokens of every lease in the durable log.
    logged: BTreeSet<(u32, u64)>,
}

fn token(token: Token) -> (u32, u64) {
    (token.epoch, token.secret)
}

impl Invariant for Leases {
    fn promise(&self) -> &'static str {
        "a delivery is in one worker's hands at a time, and only when it may be"
    }

    fn fact(&mut self, model: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        let id = match &recorded.fact {
            Fact::DeliveryLeased(fact) => fact.delivery,
            Fact::DeliveryAcked(fact) => {
                let stage = model.delivery(fact.delivery).map(|it| (it.stage, it.acquired));
                return hold(
                    matches!(stage, Some((Stage::Leased { .. }, attempt)) if attempt == fact.attempt),
                    || {
                        format!(
                            "attempt {} of {:?} is acknowledged, it is {stage:?}",
                            fact.attempt, fact.delivery
                        )
                    },
                );
            }
            Fact::DeliveryExtended(fact) => {
                let (id, it) = (fact.delivery, model.delivery(fact.delivery));
                let Some(Stage::Leased { since, deadline, .. }) = it.map(|it| it.stage) else {
                    return Err(format!("{id:?} is extended, and is not leased"));
                };
                let Some(sub) = model.subscriptions.get(&id.subscription) else { return Ok(()) };
                let last = since.after(sub.definition().lease_max());
                return hold(deadline < fact.deadline && fact.deadline <= last, || {
                    format!(
                        "the lease of {id:?} is extended from {deadline:?} to {:?}, and may last until {last:?}",
                        fact.deadline
                    )
                });
            }
            _ => return Ok(()),
        };
        let Fact::DeliveryLeased(fact) = &recorded.fact else { return Ok(()) };
        let Some(sub) = model.subscriptions.get(&id.subscription).filter(|sub| !sub.removed) else {
            return Err(format!("{id:?} is leased for a subscription that is not there"));
        };
        let Some(published) = model.events.get(&id.position) else {
            return Err(format!("{id:?} is leased, and its position holds no event"));
        };
        let known = sub.deliveries.get(&(id.position, id.generation));
        match known {
            None => hold(
                id.generation == 0
                    && id.position > sub.place
                    && sub.wants(id.position, published)
                    && !model.is_gone(id.position, &published.event),
                || format!("{id:?} is leased, and its event is not the subscription's business"),
            )?,
            Some(it) => hold(matches!(it.stage, Stage::Waiting | Stage::Retrying(_)), || {
                format!("{id:?} is leased while it is {:?}", it.stage)
            })?,
        }
        let (leased, most) = (sub.leased(), sub.definition().concurrency as usize);
        hold(leased < most, || format!("{id:?} is leased while {leased} are, and {most} may be"))?;
        // A probe goes in any case: were retries alone to fill what may be in flight, nothing would close the breaker.
        if !matches!(known, Some(it) if matches!(it.stage, Stage::Retrying(_))) && fact.probe != Some(true) {
            let flying = sub.deliveries.values().filter(|it| it.is_busy()).count();
            let most = sub.definition().max_in_flight as usize;
            hold(flying < most, || {
                format!("{id:?} is leased while {flying} are in flight, and {most} may be")
            })?;
        }
        hold(sub.pause.is_none(), || format!("{id:?} is leased while its subscription is paused"))?;
        hold(!model.is_parked(&sub.id.agent), || format!("{id:?} is leased while its agent is parked"))?;
        let deadline = recorded.at.after(lease_of(sub.definition()));
        hold(fact.deadline == deadline, || {
            format!("the lease of {id:?} ends at {:?}, not {deadline:?}", fact.deadline)
        })?;
        hold(fact.token.epoch == model.epoch, || {
            format!("the token of {id:?} is of epoch {}", fact.token.epoch)
        })?;
        self.logged.insert(token(fact.token));
        if let Some(pulled) = self.given.remove(&token(fact.token)) {
            let same =
                pulled.delivery == id && pulled.attempt == fact.attempt && pulled.deadline == fact.deadline;
            hold(same, || format!("a worker was given {pulled:?}, the log says {fact:?}"))?;
        }
        Ok(())
    }

    fn given(&mut self, model: &Model, given: &Given) -> Verdict {
        let pulled = &given.pulled;
        hold(self.seen.insert(token(pulled.token)), || format!("two workers were given {pulled:?}"))?;
        if given.survivor {
            let stage = model.delivery(pulled.delivery).map(|it| it.stage);
            return hold(matches!(stage, Some(Stage::Leased { token, .. }) if token == pulled.token), || {
                format!("{pulled:?} is owed after the start, and the log says {stage:?}")
            });
        }
        if !self.logged.contains(&token(pulled.token)) {
            self.given.insert(token(pulled.token), pulled.clone());
        }
        Ok(())
    }

    fn ended(&mut self, unsynced_lost: bool) {
        self.seen.clear();
        if unsynced_lost {
            self.given.clear();
        }
    }

    fn drained(&mut self, _: &Model, _: &Ledger, _: &Look<'_>) -> Verdict {
        hold(self.given.is_empty(), || {
            format!("workers were given what the log does not know: {:?}", self.given)
        })
    }
}
