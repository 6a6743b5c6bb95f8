//! `cantus dlq get`

use anyhow::Result;
use cantus_api::dead_letter::{DeadLetter, Replayed, Status};
use cantus_api::event::Form;
use clap::Args;

use super::changes;
use super::words::{failure_line, status_word, subscription_of};
use crate::commands::deliveries::attempts;
use crate::context::Context;
use crate::output::{Screen, fields, pretty};

/// Print the whole story of a dead letter: the event, every attempt, what the program said
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The dead letter's id
    id: String,
}

impl Get {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let letter = context.client()?.dead_letter(&self.id).await?;
        context.screen.show(&letter, || text(&letter, &context.screen))
    }
}

/// Returns a dead letter with its whole story.
pub(super) fn text(letter: &DeadLetter, screen: &Screen) -> String {
    let (word, tone) = status_word(letter.status);
    let event = &letter.event;
    let or_empty = |value: &Option<String>| value.clone().unwrap_or_default();
    let place = match &letter.position {
        Some(position) => format!("{} at {position}", letter.topic),
        None => letter.topic.clone(),
    };
    let mut text = fields(&[
        ("id", letter.id.clone()),
        ("status", screen.paint(tone, word)),
        ("subscription", subscription_of(letter)),
        ("reason", letter.reason.clone()),
        ("error", failure_line(&letter.error)),
        ("group", letter.fingerprint.clone()),
        ("event", format!("{} {} from {}", event.event_type, or_empty(&event.id), event.source)),
        ("topic", place),
        ("correlation", or_empty(&event.correlation_id)),
        ("delivery", or_empty(&letter.delivery)),
        ("opened", screen.time(&letter.opened_at)),
        (
            "updated",
            if letter.updated_at == letter.opened_at {
                String::new()
            } else {
                screen.time(&letter.updated_at)
            },
        ),
        ("note", letter.note.clone()),
        ("data", data(letter)),
    ]);
    if letter.edited {
        text.push_str("edited\n");
        text.push_str(&changes::text(&letter.diff, screen));
    }
    text.push_str(&attempts(&letter.attempts, screen));
    for replayed in &letter.replayed_as {
        text.push_str(&replay_line(replayed, screen));
    }
    text.push_str(&next_step(letter));
    text
}

fn data(letter: &DeadLetter) -> String {
    match &letter.event.data {
        None => String::new(),
        Some(data) => match data.form {
            Form::Json => pretty(&data.bytes),
            Form::Text => String::from_utf8_lossy(&data.bytes).into_owned(),
            Form::Binary => format!("{} bytes that are no text (see -o json)", data.bytes.len()),
        },
    }
}

fn replay_line(replayed: &Replayed, screen: &Screen) -> String {
    let mut line = format!("replayed {}", screen.time(&replayed.at));
    if let Some(subscription) = &replayed.subscription {
        line.push_str(&format!("  to {subscription}"));
    }
    if let Some(topic) = &replayed.topic {
        line.push_str(&format!("  to topic {topic}"));
    }
    if let Some(id) = replayed.event_id.as_ref().or(replayed.delivery.as_ref()) {
        line.push_str(&format!("  as {id}"));
    }
    if let Some(by) = &replayed.by {
        line.push_str(&format!("  by {by}"));
    }
    line + "\n"
}

/// Returns what can be done next.
fn next_step(letter: &DeadLetter) -> String {
    let id = &letter.id;
    match letter.status {
        Status::Open => format!(
            "next: cantus dlq edit {id} | cantus dlq replay {id} | cantus dlq archive {id} --note …\n"
        ),
        Status::Archived => format!("next: cantus dlq restore {id}\n"),
        Status::Replaying | Status::Resolved => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    #[test]
    fn a_dead_letter_tells_its_whole_story() {
        let letter: DeadLetter = serde_json::from_value(serde_json::json!({
            "id": "dl_1", "topic": "tasks", "position": "0:4", "subscription": "coder/tasks", "delivery": "dlv_1",
            "event": {"specversion": "1.0", "id": "e-1", "source": "/cli", "type": "StoryApproved", "correlationid": "c-1",
                      "data": {"amount": 10}},
            "edited": true, "diff": [{"path": "/data/amount", "before": "ten", "after": 10}],
            "reason": "attempts_spent", "status": "open", "fingerprint": "temporary_failure|coder/tasks",
            "error": {"class": "temporary_failure", "message": "exit code 1", "status": null, "exit_code": 1},
            "attempts": [{"n": 1, "at": "2026-01-01T00:00:00Z", "duration_ms": 12, "outcome": "failed",
                          "class": "temporary_failure", "exit_code": 1, "stderr_tail": "amount is not a number\n"}],
            "note": "asked the shop", "opened_at": "2026-01-01T00:00:01Z", "updated_at": "2026-01-01T00:00:02Z",
            "replayed_as": [{"at": "2026-01-01T00:00:02Z", "subscription": "coder/tasks", "delivery": "dlv_2", "by": "ops"}]
        }))
        .unwrap();
        insta::assert_snapshot!(text(&letter, &Screen::fixed(TimeStyle::Relative, "2026-01-01T00:00:05Z")));
    }
}
