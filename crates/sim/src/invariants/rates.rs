//! A rate is kept: within any window begin at most as many attempts as it says, and one bucket more (what comes in during
//! a tenth of a second, at least one). Also across restarts.

use std::collections::{BTreeMap, VecDeque};

use cantus_core::Timestamp;
use cantus_core::fact::{Fact, Recorded};
use cantus_core::subscription::Rate;

use super::{Invariant, Verdict, hold};
use crate::model::{Ledger, Model};

#[derive(Default)]
pub(super) struct Rates {
    /// When the last attempts began, by subscription.
    begun: BTreeMap<u32, VecDeque<Timestamp>>,
}

/// How many may begin within the rate's span.
fn most(rate: Rate) -> usize {
    let bucket = (u64::from(rate.count) * 100).div_ceil(rate.per.0).max(1);
    rate.count as usize + bucket as usize
}

impl Invariant for Rates {
    fn promise(&self) -> &'static str {
        "no more attempts begin than the rate allows"
    }

    fn fact(&mut self, model: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        match &recorded.fact {
            Fact::DeliveryLeased(fact) => {
                let number = fact.delivery.subscription;
                let sub = model.subscriptions.get(&number);
                let Some(rate) = sub.and_then(|sub| sub.definition().rate) else { return Ok(()) };
                let begun = self.begun.entry(number).or_default();
                begun.push_back(recorded.at);
                let most = most(rate);
                if begun.len() <= most {
                    return Ok(());
                }
                let first = begun.pop_front().unwrap_or_default();
                hold(recorded.at.since(first) >= rate.per, || {
                    format!("{} attempts of subscription {number} begin within {rate}", most + 1)
                })
            }
            Fact::SubscriptionDeclared(fact) => {
                let known = model.subscriptions.get(&fact.number).map(|sub| sub.definition().rate);
                if known != Some(fact.definition.rate) {
                    self.begun.remove(&fact.number);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
