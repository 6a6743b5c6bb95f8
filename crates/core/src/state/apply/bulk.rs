//! Bulk operations: begun, gone on with, over; and what they do to deliveries.

use super::Impossible;
use super::deliveries::{missing_delivery, waiting};
use crate::bulk_operation::{Item, KEPT, Operation, Outcome, PROBLEMS_KEPT, Problem, Status};
use crate::fact;
use crate::ids::{BulkId, Position};
use crate::row::Key;
use crate::state::{State, Timer};
use crate::subscription::Stage;
use crate::text::Text;
use crate::time::Timestamp;

impl Operation {
    /// Returns the timer of the next item, while the operation runs.
    pub(crate) fn timer(&self) -> Option<(Timestamp, Timer)> {
        (self.status == Status::Running).then_some((self.due, Timer::BulkDue(self.id, self.next)))
    }
}

impl State {
    pub(super) fn bulk_started(&mut self, position: Position, at: Timestamp, fact: &fact::BulkStarted) {
        let id = BulkId(position);
        self.touch(Key::Bulk(id));
        self.touch(Key::BulkItems(id));
        let operation = Operation {
            id,
            action: fact.action,
            status: Status::Running,
            total: u32::try_from(fact.items.len()).unwrap_or(u32::MAX),
            next: 0,
            due: at,
            burst: 0,
            pace: fact.pace,
            filter: fact.filter.clone(),
            as_of: fact.as_of,
            hash: fact.hash.clone(),
            actor: fact.actor.clone(),
            reason: fact.reason.clone(),
            started_at: at,
            moved_at: at,
            ended_at: None,
            ended_by: None,
            ended_because: None,
            done: 0,
            skipped: 0,
            failed: 0,
            problems: Vec::new(),
        };
        self.timers.extend(operation.timer());
        self.bulk_operations.insert(id, operation);
        self.bulk_items.insert(id, fact.items.clone());
    }

    pub(super) fn bulk_progressed(
        &mut self,
        position: Position,
        at: Timestamp,
        fact: &fact::BulkProgressed,
    ) -> Result<(), Impossible> {
        let told = match (&fact.why, self.shown(fact.id, fact.item)) {
            (Some(why), Some(id)) => Some(Problem { id, outcome: fact.outcome, why: why.clone() }),
            _ => None,
        };
        self.change_bulk(position, fact.id, |operation| {
            operation.burst = if fact.next_at > at { 0 } else { operation.burst.saturating_add(1) };
            operation.next = fact.item.saturating_add(1);
            operation.due = fact.next_at;
            operation.moved_at = at;
            match fact.outcome {
                Outcome::Done => operation.done += 1,
                Outcome::Skipped => operation.skipped += 1,
                Outcome::Failed => operation.failed += 1,
            }
            let room = operation.problems.len() < PROBLEMS_KEPT;
            operation.problems.extend(told.filter(|_| room));
        })
    }

    pub(super) fn bulk_ended(
        &mut self,
        position: Position,
        at: Timestamp,
        fact: &fact::BulkEnded,
    ) -> Result<(), Impossible> {
        self.change_bulk(position, fact.id, |operation| {
            operation.status = if fact.by.is_some() { Status::Aborted } else { Status::Completed };
            operation.moved_at = at;
            operation.ended_at = Some(at);
            operation.ended_by = fact.by.clone();
            operation.ended_because = fact.reason.clone();
        })?;
        self.touch(Key::BulkItems(fact.id));
        self.bulk_items.remove(&fact.id);
        while self.bulk_operations.len() - self.bulk_items.len() > KEPT {
            let over = self.bulk_operations.values().find(|it| it.status != Status::Running);
            let Some(oldest) = over.map(|it| it.id) else { break };
            self.touch(Key::Bulk(oldest));
            self.bulk_operations.remove(&oldest);
        }
        Ok(())
    }

    /// Changes an operation, with its timer.
    fn change_bulk(
        &mut self,
        position: Position,
        id: BulkId,
        change: impl FnOnce(&mut Operation),
    ) -> Result<(), Impossible> {
        self.touch(Key::Bulk(id));
        let operation = self
            .bulk_operations
            .get_mut(&id)
            .ok_or_else(|| Impossible::Missing { position, what: format!("bulk operation {}", id.0) })?;
        let before = operation.timer();
        change(operation);
        let after = operation.timer();
        if let Some(before) = before {
            self.timers.remove(&before);
        }
        self.timers.extend(after);
        Ok(())
    }

    /// An item as people know it.
    fn shown(&self, id: BulkId, index: u32) -> Option<Text> {
        Some(Text::from(match self.bulk_items.get(&id)?.get(index as usize)? {
            Item::DeadLetter(id) => {
                id.display(self.dead_letters.get(&id).map_or(Timestamp(0), |it| it.opened_at))
            }
            Item::Delivery(id) => id.display(self.open(id).map_or(Timestamp(0), |it| it.recorded_at)),
        }))
    }

    pub(super) fn delivery_hastened(
        &mut self,
        position: Position,
        at: Timestamp,
        fact: &fact::DeliveryHastened,
    ) -> Result<(), Impossible> {
        if self.open(fact.delivery).is_none() {
            return Err(missing_delivery(position, fact.delivery));
        }
        self.set_stage(fact.delivery, Stage::Retrying(at), |_| ());
        Ok(())
    }

    /// Its row stays until the fact that opens its dead letter, which follows in the same slice.
    pub(super) fn delivery_given_up(
        &mut self,
        position: Position,
        fact: &fact::DeliveryGivenUp,
    ) -> Result<(), Impossible> {
        let id = fact.delivery;
        if self.open(id).is_some() {
            self.set_stage(id, Stage::Waiting, |_| ());
            return Ok(());
        }
        self.touch_open(id);
        let subscription = self.subscription_mut(position, id.subscription)?;
        subscription.take(fact.priority.lane(), id.position);
        let recorded_at = fact.recorded_at.unwrap_or_default();
        let open = waiting(fact.priority, fact.key, fact.story, recorded_at);
        subscription.open.insert((id.position, id.generation), Box::new(open));
        Ok(())
    }
}
