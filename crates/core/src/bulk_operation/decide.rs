//! How an operation begins and is aborted.

use super::{ITEMS_MAX, Item, Items, RUNNING_MAX, Status};
use crate::command::{Answer, StartBulk};
use crate::coordinator::{Stop, View};
use crate::fact::{BulkEnded, BulkStarted, Fact};
use crate::ids::BulkId;
use crate::refusal::Refusal;
use crate::text::Text;
use crate::time::Timestamp;

type Decided = Result<(Vec<Fact>, Answer), Stop>;

/// Decides a beginning. What another running operation still has to do is left to that one, and told; when nothing is
/// left, nothing begins.
///
/// # Errors
/// When it has too many items, or too many operations run.
pub fn start(view: &View<'_>, start: &StartBulk) -> Decided {
    let items = start.items.clone().sorted();
    if items.len() > ITEMS_MAX {
        return Err(Stop::Refused(Refusal::TooMany { what: "items of a bulk operation", limit: ITEMS_MAX }));
    }
    let running: Vec<(BulkId, usize, &Items)> = running(view).collect();
    let mut busy: Vec<(Item, BulkId)> = Vec::new();
    let items = items.without(|item| {
        let holder = running.iter().find(|(_, next, items)| items.has_behind(*next, item));
        busy.extend(holder.map(|(id, ..)| (item, *id)));
        holder.is_some()
    });
    if items.is_empty() {
        return Ok((Vec::new(), Answer::BulkStarted { id: None, busy }));
    }
    if running.len() >= RUNNING_MAX {
        return Err(Stop::Refused(Refusal::TooMany { what: "running bulk operations", limit: RUNNING_MAX }));
    }
    let id = BulkId(view.state.position.next());
    let fact = BulkStarted {
        action: start.action,
        items,
        pace: start.pace,
        filter: start.filter.clone(),
        as_of: start.as_of,
        hash: start.hash.clone(),
        actor: start.actor.clone(),
        reason: start.reason.clone(),
    };
    Ok((vec![Fact::from(fact)], Answer::BulkStarted { id: Some(id), busy }))
}

fn running<'a>(view: &View<'a>) -> impl Iterator<Item = (BulkId, usize, &'a Items)> {
    let state = view.state;
    state.bulk_items.iter().filter_map(|(id, items)| {
        let next = state.bulk_operations.get(id)?.next;
        Some((*id, next as usize, items))
    })
}

/// Decides an abort: what was done stays done, the other items are left as they are.
///
/// # Errors
/// When there is no such operation, or it is over.
pub fn abort(view: &View<'_>, id: BulkId, reason: Option<&Text>, actor: &Text) -> Decided {
    let Some(operation) = view.state.bulk_operations.get(&id) else {
        let id = Text::from(id.display(Timestamp(0)));
        return Err(Stop::Refused(Refusal::BulkUnknown { id }));
    };
    if operation.status != Status::Running {
        let id = Text::from(id.display(operation.started_at));
        return Err(Stop::Refused(Refusal::BulkOver { id, status: operation.status.as_str() }));
    }
    let fact = BulkEnded { id, by: Some(actor.clone()), reason: reason.cloned() };
    Ok((vec![Fact::from(fact)], Answer::Done))
}
