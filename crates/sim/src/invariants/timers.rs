//! P15. What is due comes never early and once: retries, events to be published later, ends of pauses, expiry.

use cantus_core::fact::{Fact, Recorded};

use super::{Invariant, Verdict, hold};
use crate::model::{Ledger, Model, Stage};

pub(super) struct Timers;

/// Who acts when a time has come.
const TIMER: &str = "/cantus/timer";

impl Invariant for Timers {
    fn promise(&self) -> &'static str {
        "what is due comes never early, and once"
    }

    fn fact(&mut self, model: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        let at = recorded.at;
        match &recorded.fact {
            Fact::DeliveryLeased(fact) => match model.delivery(fact.delivery).map(|it| it.stage) {
                Some(Stage::Retrying(due)) => hold(at >= due, || {
                    format!("{:?} is tried again {} ms early", fact.delivery, due.since(at).0)
                }),
                _ => Ok(()),
            },
            Fact::EventPublished(fact) => {
                let Some(deferred) = fact.deferred_at else { return Ok(()) };
                let Some(event) = model.deferred.get(&deferred) else {
                    return Err(format!("the event deferred at {deferred} is published a second time"));
                };
                hold(fact.event == *event, || format!("the event deferred at {deferred} was changed"))?;
                hold(event.deliver_at.is_some_and(|due| at >= due), || {
                    format!("the event deferred at {deferred} is published early")
                })
            }
            Fact::EventDeferred(fact) => hold(fact.event.deliver_at.is_some_and(|due| due > at), || {
                format!("`{}` is deferred, and is due already", fact.event.id)
            }),
            Fact::EventLost(fact) => Err(format!("the event deferred at {} is told lost", fact.deferred_at)),
            Fact::SubscriptionResumed(fact) if *fact.actor == *TIMER => {
                let until = model.subscriptions.get(&fact.number).and_then(|sub| sub.pause).flatten();
                hold(until.is_some_and(|until| at >= until), || {
                    format!("subscription {} goes on at {at:?}, it was paused until {until:?}", fact.number)
                })
            }
            Fact::AgentsResumed(fact) => {
                let Some(pause) = model.pauses.get(&fact.pause) else {
                    return Err(format!("the pause of {} ends a second time", fact.pause));
                };
                let by_timer = *fact.actor == *TIMER;
                hold(!by_timer || pause.until.is_some_and(|until| at >= until), || {
                    format!("the pause of {} ends at {at:?}, not {:?}", fact.pause, pause.until)
                })
            }
            Fact::DeliveryExpired(fact) => {
                let event = model.events.get(&fact.delivery.position).map(|published| &published.event);
                hold(event.is_some_and(|event| event.expired(at)), || {
                    format!("{:?} expires, and its event does not", fact.delivery)
                })
            }
            _ => Ok(()),
        }
    }
}
