//! Bulk operations for the wire.

use cantus_api::bulk_operation::{Action, BulkOperation, ItemProblem, Status};
use cantus_core::State;
use cantus_core::Timestamp;
use cantus_core::bulk_operation::{self as core, Item, Operation, Pace};
use serde_json::Value;

use super::time;

/// How many ids of a selector an operation shows.
const IDS_SHOWN: usize = 10;

/// Reads an action from the wire.
pub fn action_in(action: Action) -> core::Action {
    match action {
        Action::Replay => core::Action::Replay,
        Action::Archive => core::Action::Archive,
        Action::Restore => core::Action::Restore,
        Action::Retry => core::Action::Retry,
        Action::GiveUp => core::Action::GiveUp,
    }
}

/// Returns an action for the wire.
pub fn action_out(action: core::Action) -> Action {
    match action {
        core::Action::Replay => Action::Replay,
        core::Action::Archive => Action::Archive,
        core::Action::Restore => Action::Restore,
        core::Action::Retry => Action::Retry,
        core::Action::GiveUp => Action::GiveUp,
    }
}

/// Returns where an operation stands, for the wire.
pub fn status_out(status: core::Status) -> Status {
    match status {
        core::Status::Running => Status::Running,
        core::Status::Completed => Status::Completed,
        core::Status::Aborted => Status::Aborted,
    }
}

/// Returns a selector as it is shown: of many ids the first ones, and how many there are.
pub fn filter_out(mut filter: Value) -> Value {
    let count = filter["ids"].as_array().map_or(0, Vec::len);
    if count > IDS_SHOWN {
        if let Some(ids) = filter["ids"].as_array_mut() {
            ids.truncate(IDS_SHOWN);
        }
        filter["ids_count"] = Value::from(count);
    }
    filter
}

/// Returns a pace as a rate: so many a second, a minute or an hour, as is readable.
pub fn rate_out(pace: Pace) -> String {
    let in_span = |ms: f64| f64::from(pace.batch) * ms / (pace.rest.0.max(1) as f64);
    let spans = [(1_000.0, "s"), (60_000.0, "m"), (3_600_000.0, "h")];
    let (rate, unit) = spans
        .into_iter()
        .map(|(ms, unit)| (in_span(ms), unit))
        .find(|(rate, _)| *rate >= 0.995)
        .unwrap_or((in_span(3_600_000.0), "h"));
    let rounded = (rate * 10.0).round() / 10.0;
    if rounded.fract() == 0.0 { format!("{rounded:.0}/{unit}") } else { format!("{rounded:.1}/{unit}") }
}

/// Returns the id of an item as it is shown.
pub fn item_out(state: &State, item: Item) -> String {
    match item {
        Item::DeadLetter(id) => {
            id.display(state.dead_letters.get(&id).map_or(Timestamp(0), |it| it.opened_at))
        }
        Item::Delivery(id) => id.display(state.open(id).map_or(Timestamp(0), |it| it.recorded_at)),
    }
}

/// Returns an operation for the wire.
pub fn out(it: &Operation) -> BulkOperation {
    BulkOperation {
        id: Some(it.id.display(it.started_at)),
        action: action_out(it.action),
        status: status_out(it.status),
        filter: serde_json::from_str(&it.filter).unwrap_or_default(),
        as_of: time::text(it.as_of),
        rate: rate_out(it.pace),
        reason: Some(it.reason.to_string()).filter(|reason| !reason.is_empty()),
        by: Some(it.actor.to_string()),
        matched: None,
        total: it.total,
        done: it.done,
        skipped: it.skipped,
        failed: it.failed,
        hash: it.hash.to_string(),
        sample: Vec::new(),
        left_out: Vec::new(),
        left_out_count: None,
        problems: it
            .problems
            .iter()
            .map(|problem| ItemProblem {
                id: problem.id.to_string(),
                outcome: problem.outcome.as_str().to_owned(),
                reason: problem.why.to_string(),
            })
            .collect(),
        started_at: Some(time::text(it.started_at)),
        updated_at: Some(time::text(it.moved_at)),
        ended_at: it.ended_at.map(time::text),
        ended_by: it.ended_by.as_ref().map(ToString::to_string),
        ended_because: it.ended_because.as_ref().map(ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use cantus_core::Span;

    use super::*;

    #[test]
    fn a_rate_is_shown_as_it_was_asked_for() {
        for (count, ms, text) in [
            (20, 1_000, "20/s"),
            (7, 1_000, "7/s"),
            (100, 60_000, "1.7/s"),
            (5, 60_000, "5/m"),
            (2, 3_600_000, "2/h"),
            (10_000, 1_000, "10000/s"),
        ] {
            assert_eq!(rate_out(Pace::of(count, Span(ms)).unwrap()), text);
        }
    }
}
