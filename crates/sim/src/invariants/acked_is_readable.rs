//! P1. A publish that was acknowledged is readable, byte for byte, at the position its receipt names, after any end of
//! the process, and after any loss of power.

use std::collections::BTreeMap;
use std::sync::Arc;

use cantus_core::command::Answer;
use cantus_core::event::Event;
use cantus_core::fact::Fact;
use cantus_core::{Position, hash};
use cantus_engine::{Reader, Term};

use super::{Invariant, Look, Told, Verdict, hold};
use crate::model::{Ledger, Model};

/// How many of the newest are looked at after a restart; at the end it is all of them.
const NEWEST: usize = 24;

#[derive(Default)]
pub(super) struct AckedIsReadable {
    acked: BTreeMap<Position, Arc<Event>>,
}

fn check(model: &Model, reader: &dyn Reader, position: Position, event: &Arc<Event>) -> Verdict {
    if model.is_gone(position, event) {
        return Ok(());
    }
    let found = reader.get(position).map_err(|error| format!("{position} can not be read: {error}"))?;
    let stored = match found.map(|recorded| recorded.fact) {
        Some(Fact::EventPublished(fact)) => fact.event,
        Some(Fact::EventDeferred(fact)) => fact.event,
        other => {
            let name = other.map_or("nothing", |fact| fact.name());
            return Err(format!("`{}` was accepted at {position}, where there is {name}", event.id));
        }
    };
    hold(stored == *event, || format!("`{}` at {position} is not what was published: {stored:?}", event.id))?;
    let found = reader.find(Term::EventId(hash::of(&event.id)), Position(0), 1_000);
    let found = found.map_err(|error| format!("the index can not be read: {error}"))?;
    hold(found.contains(&position), || format!("the index does not find `{}` at {position}", event.id))
}

impl Invariant for AckedIsReadable {
    fn promise(&self) -> &'static str {
        "an acknowledged publish is readable, byte for byte, at its position"
    }

    fn answered(&mut self, _: &Model, _: &Ledger, told: &Told<'_>) -> Verdict {
        if let Ok(Answer::Published { receipts, .. }) = told.answer {
            for (receipt, draft) in receipts.iter().zip(told.request.drafts()) {
                self.acked.insert(receipt.position, draft.event.clone());
            }
        }
        Ok(())
    }

    fn restarted(&mut self, model: &Model, _: &Ledger, look: &Look<'_>) -> Verdict {
        let mut newest = self.acked.iter().rev().take(NEWEST);
        newest.try_for_each(|(position, event)| check(model, look.reader, *position, event))
    }

    fn drained(&mut self, model: &Model, _: &Ledger, look: &Look<'_>) -> Verdict {
        self.acked.iter().try_for_each(|(position, event)| check(model, look.reader, *position, event))
    }
}
