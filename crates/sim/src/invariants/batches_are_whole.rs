//! P3. A batch is visible as a whole or not at all, at any time; so are an acknowledgement and the events an agent
//! answered with.

use std::collections::BTreeMap;

use cantus_core::fact::{Fact, Recorded};
use cantus_core::ids::DeliveryId;

use super::{Invariant, Verdict, hold};
use crate::model::{Ledger, Model};

#[derive(Default)]
pub(super) struct BatchesAreWhole {
    /// Events that answer deliveries, of which the acknowledgement is to come in the same unit.
    answers: BTreeMap<DeliveryId, u64>,
}

impl Invariant for BatchesAreWhole {
    fn promise(&self) -> &'static str {
        "a batch, and an ack with its events, are visible as a whole or not at all"
    }

    fn fact(&mut self, _: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        match &recorded.fact {
            Fact::EventPublished(fact) if fact.deferred_at.is_none() => {
                if let Some(delivery) = fact.answers {
                    *self.answers.entry(delivery).or_default() += 1;
                }
            }
            Fact::EventDeferred(fact) => {
                if let Some(delivery) = fact.answers {
                    *self.answers.entry(delivery).or_default() += 1;
                }
            }
            Fact::DeliveryAcked(fact) => drop(self.answers.remove(&fact.delivery)),
            _ => {}
        }
        Ok(())
    }

    fn followed(&mut self, model: &Model, ledger: &Ledger) -> Verdict {
        hold(self.answers.is_empty(), || {
            format!("events answer deliveries that are not acknowledged: {:?}", self.answers)
        })?;
        for (members, request) in &ledger.batches {
            let copies = |member| model.identities.get(member).map_or(0, |seen| seen.copies);
            let first = members.first().map_or(0, copies);
            let whole = members.iter().all(|member| copies(member) == first);
            hold(whole, || {
                let there = members.iter().filter(|member| copies(member) > 0).count();
                format!("of the batch of request {request}, {there} of {} events are visible", members.len())
            })?;
        }
        Ok(())
    }
}
