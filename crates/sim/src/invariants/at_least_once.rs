//! P9. Every accepted event reaches each subscription it is the business of, unless it expired or is a dead letter; each
//! such case is in the log.

use cantus_core::fact::{Fact, Recorded};
use cantus_core::{Position, Timestamp};

use super::{Invariant, Look, Verdict, hold};
use crate::model::{Ledger, Model};

pub(super) struct AtLeastOnce;

impl Invariant for AtLeastOnce {
    fn promise(&self) -> &'static str {
        "every accepted event reaches each subscription, or is listed as dead or expired"
    }

    fn fact(&mut self, model: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        let Fact::CursorMoved(fact) = &recorded.fact else { return Ok(()) };
        let Some(sub) = model.subscriptions.get(&fact.number) else { return Ok(()) };
        let furthest = fact.floors.iter().max().copied().unwrap_or_default();
        for (position, published) in model.owed(sub).take_while(|(position, _)| *position <= furthest) {
            let passed = position <= fact.floors[published.event.priority.lane()];
            let known = sub.deliveries.contains_key(&(position, 0));
            hold(!passed || known, || {
                format!("the cursor of {} passes {position}, which nobody got", sub.id)
            })?;
        }
        Ok(())
    }

    fn drained(&mut self, model: &Model, _: &Ledger, look: &Look<'_>) -> Verdict {
        for sub in model.subscriptions.values().filter(|sub| !sub.removed) {
            for (position, published) in model.owed(sub) {
                let stage = sub.deliveries.get(&(position, 0)).map(|it| it.stage);
                let over = sub.deliveries.get(&(position, 0)).is_some_and(|it| it.is_closed());
                hold(over, || {
                    let why = look.coordinator.why(&published.event, position, Some(&sub.id));
                    format!(
                        "`{}` at {position} did not reach {}: it is {stage:?}; {why:?}",
                        published.event.id, sub.id
                    )
                })?;
            }
            let open = sub.deliveries.iter().find(|(_, it)| !it.is_closed());
            hold(open.is_none(), || format!("a delivery of {} is never done: {open:?}", sub.id))?;
        }
        let due = model
            .deferred
            .iter()
            .find(|(_, event)| event.deliver_at.is_none_or(|due| due < Timestamp::NEVER));
        hold(due.is_none(), || format!("an event that is due is never published: {due:?}"))?;
        hold(look.reader.durable() >= model.end && model.end > Position(0), || "the log is empty".to_owned())
    }
}
