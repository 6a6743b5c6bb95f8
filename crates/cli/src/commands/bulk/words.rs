//! Bulk operations in words.

use cantus_api::bulk_operation::{Action, BulkOperation, Status};

use crate::output::{Screen, fields};

/// Returns the word of the command line for an action.
pub(super) fn action(action: Action) -> &'static str {
    match action {
        Action::GiveUp => "give-up",
        other => other.as_str(),
    }
}

/// Returns what it is done to.
pub(super) fn items(operation: &BulkOperation) -> &'static str {
    match (operation.action.is_for_dead_letters(), operation.total) {
        (true, 1) => "dead letter",
        (true, _) => "dead letters",
        (false, 1) => "delivery",
        (false, _) => "deliveries",
    }
}

/// Returns what a dry run says.
pub(super) fn plan(operation: &BulkOperation) -> String {
    let mut text = format!("{} {} {}", action(operation.action), operation.total, items(operation));
    if let Some(matched) = operation.matched.filter(|matched| *matched > u64::from(operation.total)) {
        text.push_str(&format!(" of {matched} (the oldest; --max takes more)"));
    }
    text.push_str(&format!(" at {}\n", operation.rate));
    for id in &operation.sample {
        text.push_str(&format!("  {id}\n"));
    }
    if operation.total as usize > operation.sample.len() {
        text.push_str(&format!("  and {} more\n", operation.total as usize - operation.sample.len()));
    }
    text + &left_out(operation)
}

fn left_out(operation: &BulkOperation) -> String {
    let mut text = String::new();
    for one in operation.left_out.iter().take(10) {
        text.push_str(&format!("left out: {}: {}\n", one.id, one.reason));
    }
    let count = operation.left_out_count.unwrap_or_default();
    if count > 10 {
        text.push_str(&format!("left out: {} more\n", count - 10));
    }
    text
}

/// Returns how an operation ended, or how far it is.
pub(super) fn ended(operation: &BulkOperation) -> String {
    let mut text = match &operation.id {
        Some(id) => format!("{id} is {}: ", operation.status.as_str()),
        None => String::new(),
    };
    text.push_str(&format!("{} of {} {} done", operation.done, operation.total, items(operation)));
    for (count, word) in [(operation.skipped, "skipped"), (operation.failed, "failed")] {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text.push('\n');
    for problem in operation.problems.iter().take(10) {
        text.push_str(&format!("  {} {}: {}\n", problem.id, problem.outcome, problem.reason));
    }
    if operation.problems.len() > 10
        && let Some(id) = &operation.id
    {
        text.push_str(&format!("  see cantus bulk get {id}\n"));
    }
    text + &left_out(operation)
}

/// Returns everything that is known of an operation.
pub(super) fn story(operation: &BulkOperation, screen: &Screen) -> String {
    let time = |at: &Option<String>| at.as_deref().map(|at| screen.time(at)).unwrap_or_default();
    let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut text = fields(&[
        ("id", or_empty(&operation.id)),
        ("action", format!("{} {}", action(operation.action), items(operation))),
        ("status", operation.status.as_str().to_owned()),
        ("progress", format!("{} of {}", operation.handled(), operation.total)),
        ("done", operation.done.to_string()),
        ("skipped", operation.skipped.to_string()),
        ("failed", operation.failed.to_string()),
        ("rate", operation.rate.clone()),
        ("filter", operation.filter.to_string()),
        ("as of", operation.as_of.clone()),
        ("reason", or_empty(&operation.reason)),
        ("by", or_empty(&operation.by)),
        ("started", time(&operation.started_at)),
        ("ended", time(&operation.ended_at)),
        ("ended by", or_empty(&operation.ended_by)),
        ("because", or_empty(&operation.ended_because)),
        ("next", operation.sample.first().cloned().unwrap_or_default()),
    ]);
    for problem in &operation.problems {
        text.push_str(&format!("{} {}: {}\n", problem.id, problem.outcome, problem.reason));
    }
    if operation.status == Status::Running
        && let Some(id) = &operation.id
    {
        text.push_str(&format!("next: cantus bulk get {id} --watch | cantus bulk abort {id}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    fn operation() -> BulkOperation {
        serde_json::from_value(serde_json::json!({
            "id": "bulk_1", "action": "replay", "status": "running", "filter": {"fingerprint": "timeout|coder/tasks"},
            "as_of": "2026-01-01T00:00:00Z", "rate": "20/s", "reason": "the shop is back", "by": "token:ops", "matched": 7,
            "total": 5, "done": 2, "skipped": 1, "failed": 1, "hash": "00", "sample": ["dl_5"],
            "left_out": [{"id": "dl_9", "reason": "bulk operation bulk_0 has it"}], "left_out_count": 1,
            "problems": [{"id": "dl_2", "outcome": "skipped", "reason": "its event has expired"}],
            "started_at": "2026-01-01T00:00:01Z", "updated_at": "2026-01-01T00:00:02Z"
        }))
        .unwrap()
    }

    #[test]
    fn a_plan_says_how_many_which_and_what_is_left_out() {
        insta::assert_snapshot!(plan(&operation()), @r"
        replay 5 dead letters of 7 (the oldest; --max takes more) at 20/s
          dl_5
          and 4 more
        left out: dl_9: bulk operation bulk_0 has it
        ");
    }

    #[test]
    fn an_end_counts_what_was_not_done() {
        let ended = ended(&BulkOperation {
            status: Status::Completed,
            left_out: Vec::new(),
            left_out_count: None,
            ..operation()
        });
        insta::assert_snapshot!(ended, @r"
        bulk_1 is completed: 2 of 5 dead letters done, 1 skipped, 1 failed
          dl_2 skipped: its event has expired
        ");
    }

    #[test]
    fn a_running_operation_tells_its_story() {
        insta::assert_snapshot!(story(
            &operation(),
            &Screen::fixed(TimeStyle::Relative, "2026-01-01T00:00:05Z")
        ));
    }
}
