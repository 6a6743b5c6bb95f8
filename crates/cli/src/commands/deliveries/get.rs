//! `cantus deliveries get`

use anyhow::Result;
use cantus_api::delivery::{Attempt, Delivery};
use clap::Args;

use super::words::{attempt_line, repeats_exit_code, state_word, waiting_word};
use crate::context::Context;
use crate::output::{Screen, fields};

/// Print one delivery with its attempts
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The delivery's id
    id: String,
}

impl Get {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let delivery = context.client()?.delivery(&self.id).await?;
        context.screen.show(&delivery, || text(&delivery, &context.screen))
    }
}

fn text(one: &Delivery, screen: &Screen) -> String {
    let (word, tone) = state_word(one);
    let mut state = screen.paint(tone, word);
    if let Some(waiting_for) = one.waiting_for {
        state.push_str(&format!(", {}", waiting_word(waiting_for)));
    }
    let or_empty = |value: &Option<String>| value.clone().unwrap_or_default();
    let mut text = fields(&[
        ("id", one.id.clone()),
        ("subscription", one.subscription.clone()),
        ("event", format!("{} {} from {}", one.event_type, one.event_id, one.event_source)),
        ("topic", format!("{} at {}", one.topic, one.position)),
        ("correlation", one.correlation_id.clone()),
        ("state", state),
        ("next attempt", one.next_at.as_deref().map(|next| screen.time(next)).unwrap_or_default()),
        ("lease until", one.deadline.as_deref().map(|deadline| screen.time(deadline)).unwrap_or_default()),
        ("acquired", one.acquired.to_string()),
        ("failed", one.failed.to_string()),
        ("dead letter", or_empty(&one.dead_letter)),
        ("replay of", or_empty(&one.replay_of)),
        ("published", one.published.join("\n")),
    ]);
    text.push_str(&attempts(&one.attempts, screen));
    text
}

/// Returns attempts, each with what it wrote to stderr below it.
pub(crate) fn attempts(attempts: &[Attempt], screen: &Screen) -> String {
    let mut text = String::new();
    for attempt in attempts {
        let line = attempt_line(attempt, screen);
        text.push_str(&format!("attempt {}  {}  {line}\n", attempt.n, screen.time(&attempt.at)));
        let message = attempt.message.as_ref().filter(|text| !repeats_exit_code(text, attempt.exit_code));
        if let Some(message) = message {
            text.push_str(&format!("  {}\n", message.trim_end().replace('\n', "\n  ")));
        }
        if let Some(stderr) = attempt.stderr_tail.as_ref().filter(|tail| !tail.trim().is_empty()) {
            let lines = stderr.trim_end().lines().map(|line| format!("  | {}\n", shown(line)));
            text.extend(lines);
        }
    }
    text
}

/// Keeps what a terminal would act on out of text that programs wrote.
fn shown(line: &str) -> String {
    line.chars().map(|one| if one.is_control() && one != '\t' { '\u{fffd}' } else { one }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    #[test]
    fn every_attempt_is_shown_with_what_it_said() {
        let one: Delivery = serde_json::from_value(serde_json::json!({
            "id": "dlv_1", "subscription": "coder/tasks", "event_id": "e-1", "event_source": "/s", "event_type": "A",
            "topic": "tasks", "position": "0:4", "correlation_id": "e-1", "state": "dead", "acquired": 2, "failed": 2,
            "dead_letter": "dl_1",
            "attempts": [
                {"n": 1, "at": "2026-01-01T00:00:00Z", "duration_ms": 812, "outcome": "failed", "class": "temporary_failure",
                 "exit_code": 1, "stderr_tail": "no \u{1b}[31mdisk\nbye\n", "next_at": "2026-01-01T00:00:01Z"},
                {"n": 2, "at": "2026-01-01T00:00:01Z", "duration_ms": 30_000, "outcome": "failed", "class": "timeout",
                 "message": "no answer in 30s"}
            ]
        }))
        .unwrap();
        insta::assert_snapshot!(text(&one, &Screen::fixed(TimeStyle::Iso, "2026-01-01T00:00:05Z")), @r"
        id            dlv_1
        subscription  coder/tasks
        event         A e-1 from /s
        topic         tasks at 0:4
        correlation   e-1
        state         dead
        acquired      2
        failed        2
        dead letter   dl_1
        attempt 1  2026-01-01T00:00:00Z  failed  temporary_failure  exit 1  812ms
          | no �[31mdisk
          | bye
        attempt 2  2026-01-01T00:00:01Z  failed  timeout  30s
          no answer in 30s
        ");
    }
}
