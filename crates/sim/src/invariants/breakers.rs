//! Circuit breakers: transient failures of so many distinct deliveries in a row open one, and no fewer. Open, it lets one
//! delivery at a time through, after growing pauses; the first success closes it. What was on its way when it opened spends
//! no attempt. A webhook's receiver that answers 410 is asked nothing more until a person says so.

use std::collections::{BTreeMap, BTreeSet};

use cantus_core::fact::{
    BreakerClosed, BreakerOpened, BreakerProbed, DeliveryFailed, DeliveryLeased, Fact, Recorded,
};
use cantus_core::ids::DeliveryId;
use cantus_core::subscription::Action;
use cantus_core::{Position, Span, Timestamp};

use super::{Invariant, Verdict, hold};
use crate::model::{Ledger, Model, Stage};

type Slot = (Position, u16);

/// A breaker, told a second time.
#[derive(Debug, Default)]
struct Breaker {
    failing: BTreeSet<Slot>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    pause: Span,
    probe_at: Timestamp,
    probe: Option<Slot>,
}

/// What has to follow in the same unit.
#[derive(Debug, PartialEq, Eq)]
enum Owed {
    Opens { number: u32, failures: u32, pause: Span, probe_at: Timestamp },
    StaysOpen { number: u32, pause: Span, probe_at: Timestamp },
    Closes { number: u32 },
    Pauses { number: u32 },
}

#[derive(Default)]
pub(super) struct Breakers {
    all: BTreeMap<u32, Breaker>,
    owed: Vec<Owed>,
}

fn slot(id: DeliveryId) -> Slot {
    (id.position, id.generation)
}

impl Breakers {
    fn leased(&mut self, model: &Model, at: Timestamp, fact: &DeliveryLeased) -> Verdict {
        let id = fact.delivery;
        let Some(open) = self.all.get_mut(&id.subscription).and_then(|it| it.open.as_mut()) else {
            return hold(fact.probe != Some(true), || format!("{id:?} probes a breaker that is not open"));
        };
        hold(fact.probe == Some(true), || format!("{id:?} is leased while its breaker is open"))?;
        hold(at >= open.probe_at, || {
            format!("{id:?} probes {} ms before it may", open.probe_at.since(at).0)
        })?;
        let probing = open.probe.and_then(|(position, generation)| {
            let probe = DeliveryId { subscription: id.subscription, position, generation };
            model.delivery(probe).filter(|it| matches!(it.stage, Stage::Leased { .. }))
        });
        hold(probing.is_none(), || format!("{id:?} probes while {:?} does", open.probe))?;
        open.probe = Some(slot(id));
        Ok(())
    }

    fn failed(&mut self, model: &Model, at: Timestamp, fact: &DeliveryFailed) -> Verdict {
        let (id, number) = (fact.delivery, fact.delivery.subscription);
        let Some(failure) = &fact.attempt.failure else { return Ok(()) };
        let Some(sub) = model.subscriptions.get(&number) else { return Ok(()) };
        let policy = sub.definition().breaker_policy();
        let transient = failure.class.is_transient();
        let asked = failure.delay.unwrap_or_default().min(policy.max_pause);
        let breaker = self.all.entry(number).or_default();
        let excused = match &mut breaker.open {
            Some(open) if open.probe == Some(slot(id)) => {
                let doubled = Span(open.pause.0.saturating_mul(2));
                let pause = if transient { doubled } else { open.pause }.min(policy.max_pause);
                let probe_at = at.after(pause.max(asked));
                self.owed.push(Owed::StaysOpen { number, pause, probe_at });
                false
            }
            Some(_) => transient,
            None => {
                let counts = transient && policy.failure_threshold > 0;
                let failures = breaker.failing.len() as u32 + u32::from(!breaker.failing.contains(&slot(id)));
                if transient {
                    breaker.failing.insert(slot(id));
                }
                if counts && failures >= policy.failure_threshold {
                    let pause = policy.initial_pause;
                    let probe_at = at.after(pause.max(asked));
                    self.owed.push(Owed::Opens { number, failures, pause, probe_at });
                }
                false
            }
        };
        hold(fact.unspent.unwrap_or(false) == excused, || {
            format!("the failure of {id:?} is told unspent {:?}; its breaker says {excused}", fact.unspent)
        })?;
        let webhook = matches!(sub.definition().action, Action::Webhook(_));
        let answered = fact.attempt.outcome == cantus_core::subscription::AttemptOutcome::Failed;
        if webhook && answered && failure.status == Some(410) && sub.pause.is_none() {
            self.owed.push(Owed::Pauses { number });
        }
        Ok(())
    }

    fn pays(&mut self, owed: &Owed) -> bool {
        let place = self.owed.iter().position(|it| it == owed);
        place.map(|place| self.owed.remove(place)).is_some()
    }

    fn opened(&mut self, fact: &BreakerOpened) -> Verdict {
        let (number, failures, pause, probe_at) = (fact.number, fact.failures, fact.pause, fact.probe_at);
        let owed = Owed::Opens { number, failures, pause, probe_at };
        hold(self.pays(&owed), || format!("{owed:?}, and what must follow is {:?}", self.owed))?;
        let open = Some(Open { pause, probe_at, probe: None });
        self.all.insert(number, Breaker { failing: BTreeSet::new(), open });
        Ok(())
    }

    fn probed(&mut self, fact: &BreakerProbed) -> Verdict {
        let (number, pause, probe_at) = (fact.number, fact.pause, fact.probe_at);
        let owed = Owed::StaysOpen { number, pause, probe_at };
        hold(self.pays(&owed), || format!("{owed:?}, and what must follow is {:?}", self.owed))?;
        if let Some(open) = self.all.get_mut(&number).and_then(|it| it.open.as_mut()) {
            (open.pause, open.probe_at, open.probe) = (pause, probe_at, None);
        }
        Ok(())
    }

    fn closed(&mut self, fact: &BreakerClosed) -> Verdict {
        let number = fact.number;
        let open = self.all.remove(&number).and_then(|it| it.open);
        hold(open.is_some(), || format!("the breaker of subscription {number} closes, and is not open"))?;
        let paid = fact.actor.is_some() || self.pays(&Owed::Closes { number });
        hold(paid, || format!("the breaker of subscription {number} closes without a success"))
    }

    fn succeeded(&mut self, number: u32) {
        let Some(breaker) = self.all.get_mut(&number) else { return };
        breaker.failing.clear();
        if breaker.open.is_some() {
            self.owed.push(Owed::Closes { number });
        }
    }
}

impl Invariant for Breakers {
    fn promise(&self) -> &'static str {
        "an agent that fails for everything is only probed, and what is not to blame spends no attempt"
    }

    fn fact(&mut self, model: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        match &recorded.fact {
            Fact::DeliveryLeased(fact) => self.leased(model, recorded.at, fact),
            Fact::DeliveryFailed(fact) => self.failed(model, recorded.at, fact),
            Fact::BreakerOpened(fact) => self.opened(fact),
            Fact::BreakerProbed(fact) => self.probed(fact),
            Fact::BreakerClosed(fact) => self.closed(fact),
            Fact::DeliveryAcked(fact) => {
                self.succeeded(fact.delivery.subscription);
                Ok(())
            }
            Fact::SubscriptionPaused(fact) => {
                // Whoever else pauses pays nothing.
                self.pays(&Owed::Pauses { number: fact.number });
                Ok(())
            }
            Fact::SubscriptionDeclared(fact) => {
                self.all.remove(&fact.number);
                Ok(())
            }
            Fact::SubscriptionRemoved(fact) => {
                self.all.remove(&fact.number);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn followed(&mut self, _: &Model, _: &Ledger) -> Verdict {
        hold(self.owed.is_empty(), || {
            format!("what a failure or a success leads to is missing: {:?}", self.owed)
        })
    }
}
