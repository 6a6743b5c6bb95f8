//! A bulk operation does what it was begun for to the items that were frozen then: each has its turn once, in order and
//! no faster than its pace, across crashes; an item is never in two at once; every operation ends.

use cantus_core::bulk_operation::{Action, Item, Items, Outcome};
use cantus_core::fact::{BulkProgressed, BulkStarted, Fact, Recorded};
use cantus_core::ids::BulkId;
use cantus_core::{Position, Timestamp};

use super::{Invariant, Look, Verdict, hold};
use crate::model::{Ledger, Model};

#[derive(Default)]
pub(super) struct BulkOperations {
    /// What was done last to an item: by an operation, if its progress follows.
    done: Option<(Action, Item, Position)>,
    /// An operation whose last item had its turn.
    over: Option<BulkId>,
}

fn all(items: &Items) -> impl Iterator<Item = Item> + '_ {
    (0..items.len()).filter_map(|index| items.get(index))
}

fn started(model: &Model, fact: &BulkStarted) -> Verdict {
    hold(!fact.items.is_empty(), || "an operation on nothing is begun".to_owned())?;
    for bulk in model.bulks.values() {
        let mut left = all(&bulk.items).skip(bulk.next as usize);
        let shared = left.find(|item| all(&fact.items).any(|other| other == *item));
        hold(shared.is_none(), || format!("{shared:?} is in two running operations"))?;
    }
    Ok(())
}

impl BulkOperations {
    fn progressed(
        &mut self,
        model: &Model,
        at: Timestamp,
        before: Position,
        fact: &BulkProgressed,
    ) -> Verdict {
        let (id, index) = (fact.id, fact.item);
        let Some(bulk) = model.bulks.get(&id) else {
            return Err(format!("operation {id:?} goes on, and does not run"));
        };
        hold(index == bulk.next, || format!("item {index} of {id:?} has its turn, it is {}'s", bulk.next))?;
        hold(at >= bulk.due, || format!("item {index} of {id:?} has its turn early"))?;
        let rests = bulk.burst + 1 >= bulk.pace.batch;
        let next_at = if rests { at.after(bulk.pace.rest) } else { at };
        hold(fact.next_at == next_at, || {
            format!("behind item {index} of {id:?} the next is due at {:?}, not {next_at:?}", fact.next_at)
        })?;
        let item = bulk.items.get(index as usize);
        let done = self.done.take().filter(|(.., position)| *position == before);
        let did = done.is_some_and(|(action, moved, _)| action == bulk.action && Some(moved) == item);
        hold(did || fact.outcome != Outcome::Done, || {
            format!("item {index} of {id:?} is told {:?}, and what was done is {done:?}", fact.outcome)
        })?;
        if index as usize + 1 >= bulk.items.len() {
            self.over = Some(id);
        }
        Ok(())
    }
}

impl Invariant for BulkOperations {
    fn promise(&self) -> &'static str {
        "a bulk operation does its frozen items, each once, in order and at its pace, and ends"
    }

    fn fact(&mut self, model: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        let position = recorded.position;
        let letter = |action, id| Some((action, Item::DeadLetter(id), position));
        match &recorded.fact {
            Fact::DeadLetterReplayed(fact) => self.done = letter(Action::Replay, fact.id),
            Fact::DeadLetterArchived(fact) => self.done = letter(Action::Archive, fact.id),
            Fact::DeadLetterRestored(fact) => self.done = letter(Action::Restore, fact.id),
            Fact::DeliveryHastened(fact) => {
                self.done = Some((Action::Retry, Item::Delivery(fact.delivery), position));
            }
            Fact::DeliveryGivenUp(fact) => {
                // Its dead letter is opened in between.
                self.done = Some((Action::GiveUp, Item::Delivery(fact.delivery), position.next()));
            }
            Fact::BulkStarted(fact) => return started(model, fact),
            Fact::BulkProgressed(fact) => {
                let before = Position(position.0 - 1);
                return self.progressed(model, recorded.at, before, fact);
            }
            Fact::BulkEnded(fact) => {
                let over = self.over.take() == Some(fact.id);
                hold(model.bulks.contains_key(&fact.id), || format!("{:?} ends a second time", fact.id))?;
                return hold(over != fact.by.is_some(), || {
                    format!("{:?} ends by {:?}, with all items done: {over}", fact.id, fact.by)
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn followed(&mut self, _: &Model, _: &Ledger) -> Verdict {
        hold(self.over.is_none(), || format!("{:?} has done all its items, and does not end", self.over))
    }

    fn drained(&mut self, model: &Model, _: &Ledger, _: &Look<'_>) -> Verdict {
        let left: Vec<_> = model.bulks.keys().collect();
        hold(left.is_empty(), || format!("operations that never end: {left:?}"))
    }
}
