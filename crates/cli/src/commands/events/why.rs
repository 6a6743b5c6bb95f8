//! `cantus events why`

use anyhow::Result;
use cantus_api::why::{Kind, Verdict, Why as Answer, WhyQuery};
use clap::Args;

use crate::context::Context;
use crate::output::{Screen, Tone};

/// Say what became of an event with every subscription, and why
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The event's id
    id: String,
    /// Its source, where several sources used the id
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Only this subscription: agent/name
    #[arg(long, value_name = "SUBSCRIPTION")]
    subscription: Option<String>,
    /// Also subscriptions that do not listen to the event's topic
    #[arg(long)]
    all: bool,
}

impl Why {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let query = WhyQuery { source: self.source, subscription: self.subscription.clone() };
        let answer = context.client()?.why(&self.id, &query).await?;
        let all = self.all || self.subscription.is_some();
        context.screen.show(&answer, || text(&answer, all, &context.screen))
    }
}

/// Returns the answer, a line per subscription.
fn text(answer: &Answer, all: bool, screen: &Screen) -> String {
    let mut text = format!("{} at {} in {}\n", answer.event_id, answer.position, answer.topic);
    let shown = || answer.subscriptions.iter().filter(|one| all || one.verdict != Kind::NotInTopic);
    let names = shown().map(|one| one.subscription.chars().count()).max().unwrap_or(0);
    for verdict in shown() {
        let (word, tone) = word(verdict.verdict);
        let word = screen.paint(tone, &format!("{word:<12}"));
        text.push_str(&format!("  {word}  {:names$}  {}\n", verdict.subscription, reason(verdict, screen)));
    }
    let left_out = answer.subscriptions.len() - shown().count();
    if shown().next().is_none() {
        text.push_str("  nobody listens to this topic\n");
    }
    if left_out > 0 {
        text.push_str(&format!("  {left_out} more listen to other topics (--all)\n"));
    }
    text
}

fn word(kind: Kind) -> (&'static str, Tone) {
    match kind {
        Kind::Matched => ("matched", Tone::Dim),
        Kind::FilteredOut => ("filtered out", Tone::Dim),
        Kind::Waiting => ("waiting", Tone::Held),
        Kind::Leased => ("leased", Tone::Running),
        Kind::Delivered => ("delivered", Tone::Good),
        Kind::Dead => ("dead", Tone::Bad),
        Kind::Expired => ("expired", Tone::Bad),
        Kind::NotInTopic => ("not in topic", Tone::Dim),
        Kind::BeforeStart => ("before start", Tone::Dim),
        Kind::NotAddressed => ("not for it", Tone::Dim),
    }
}

fn reason(verdict: &Verdict, screen: &Screen) -> String {
    let mut text = verdict.text.clone();
    if let Some(error) = &verdict.evaluation_error
        && !text.contains(error.as_str())
    {
        text.push_str(&format!(": {error}"));
    }
    if let Some(until) = &verdict.until {
        text.push_str(&format!(", {}", screen.time(until)));
    }
    let id = verdict.dead_letter.as_ref().or(verdict.delivery.as_ref());
    if let Some(id) = id.filter(|id| !text.contains(id.as_str())) {
        text.push_str(&format!("  [{id}]"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    #[test]
    fn every_subscription_has_a_line_with_its_reason() {
        let answer: Answer = serde_json::from_value(serde_json::json!({
            "event_id": "e-1", "source": "/s", "position": "0:4", "topic": "tasks",
            "subscriptions": [
                {"subscription": "coder/tasks", "verdict": "delivered", "text": "delivered by attempt 2", "delivery": "dlv_1"},
                {"subscription": "reviewer/tasks", "verdict": "filtered_out", "text": "`type=B` does not hold (type = \"A\")"},
                {"subscription": "flaky/tasks", "verdict": "waiting", "text": "waits for its next attempt",
                 "waiting_for": "retry", "until": "2026-01-01T00:00:09Z", "delivery": "dlv_2"},
                {"subscription": "broken/tasks", "verdict": "dead", "text": "attempts_spent", "dead_letter": "dl_1"},
                {"subscription": "other/x", "verdict": "not_in_topic", "text": "it listens to x"}
            ]
        }))
        .unwrap();
        let screen = Screen::fixed(TimeStyle::Relative, "2026-01-01T00:00:05Z");
        insta::assert_snapshot!(text(&answer, false, &screen), @r#"
        e-1 at 0:4 in tasks
          delivered     coder/tasks     delivered by attempt 2  [dlv_1]
          filtered out  reviewer/tasks  `type=B` does not hold (type = "A")
          waiting       flaky/tasks     waits for its next attempt, in 4s  [dlv_2]
          dead          broken/tasks    attempts_spent  [dl_1]
          1 more listen to other topics (--all)
        "#);
    }
}
