//! `cantus dlq replay`

use std::time::Duration;

use anyhow::Result;
use cantus_api::bulk_operation::Action;
use cantus_api::dead_letter::{DeadLetter, Replay as Request, ReplayStarted, Status};
use cantus_api::time::Span;
use cantus_client::Client;
use clap::Args;
use tokio::time::Instant;

use super::selection::Selection;
use super::words::{failure_line, status_word};
use crate::commands::bulk::{self, BulkOptions};
use crate::context::Context;
use crate::exit::Failure;
use crate::input;

/// Try dead letters again: at their own subscriptions; a single one also at another one, or as a new event in a topic
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus dlq replay dl_01… --wait\n  \
    cantus dlq replay --group 'timeout|coder/tasks' --dry-run\n  \
    cantus dlq replay --filter 'data.amount > 10' --rate 20/s --reason 'the shop is back'")]
pub(crate) struct Replay {
    #[command(flatten)]
    selection: Selection,
    /// Another subscription: agent/name
    #[arg(long, value_name = "SUBSCRIPTION", conflicts_with = "topic")]
    to: Option<String>,
    /// A topic, where it becomes a new event whose cause is the original
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Why
    #[arg(long, visible_alias = "reason", value_name = "TEXT")]
    note: Option<String>,
    /// Wait until it is resolved (exit code 0) or open again (exit code 1)
    #[arg(long)]
    wait: bool,
    /// How long to wait; exit code 124 when that is over
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = input::span, requires = "wait")]
    timeout: Span,
    #[command(flatten)]
    bulk: BulkOptions,
}

/// How often the state is looked at while waiting.
const LOOK_EVERY: Duration = Duration::from_millis(300);

impl Replay {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let single = self.selection.single().map(str::to_owned);
        let Some(id) = single.filter(|_| !self.bulk.said()) else {
            if self.to.is_some() || self.topic.is_some() || self.wait {
                let message = "--to, --topic and --wait are for a single dead letter";
                return Err(Failure::usage(message)
                    .hint("name one id and none of the options for many")
                    .into());
            }
            let request = self.selection.request(Action::Replay, self.note);
            return bulk::run(context, request, &self.bulk).await;
        };
        let client = context.client()?;
        let request = Request { to: self.to, topic: self.topic, note: self.note };
        let started = client.replay_dead_letter(&id, &request).await?;
        if !self.wait || started.status != Status::Replaying {
            return context.screen.show(&started, || text(&started));
        }
        context.screen.note(text(&started).trim_end());
        // As the server writes it, not as it was typed.
        let letter = wait(&client, &started.dead_letter, self.timeout.duration()).await?;
        context.screen.show(&letter, || {
            let again = if letter.status == Status::Open { " again" } else { "" };
            format!("{} is {}{again}", letter.id, status_word(letter.status).0)
        })?;
        match letter.status {
            Status::Open => Err(Failure::failed(format!("it failed again: {}", failure_line(&letter.error)))
                .hint(format!("see cantus dlq get {}", letter.id))
                .into()),
            _ => Ok(()),
        }
    }
}

async fn wait(client: &Client, id: &str, timeout: Duration) -> Result<DeadLetter> {
    let deadline = Instant::now() + timeout;
    loop {
        let letter = client.dead_letter(id).await?;
        if letter.status != Status::Replaying {
            return Ok(letter);
        }
        if Instant::now() >= deadline {
            let message = format!("{id} is still replaying after {}", Span::from(timeout));
            return Err(Failure::timeout(message).hint(format!("see cantus dlq get {id}")).into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn text(started: &ReplayStarted) -> String {
    let mut text = format!("{} is replayed", started.dead_letter);
    if let Some(event) = &started.event_id {
        text.push_str(&format!(" as event {event}"));
        if let Some(position) = &started.position {
            text.push_str(&format!(" at {position}"));
        }
    }
    if let Some(delivery) = &started.delivery {
        text.push_str(&format!(" by delivery {delivery}"));
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_names_the_new_delivery_or_event() {
        let started = ReplayStarted {
            dead_letter: "dl_1".into(),
            status: Status::Replaying,
            delivery: Some("dlv_2".into()),
            event_id: None,
            position: None,
        };
        assert_eq!(text(&started), "dl_1 is replayed by delivery dlv_2\n");
        let published = ReplayStarted {
            delivery: None,
            event_id: Some("evt_2".into()),
            position: Some("0:9".into()),
            status: Status::Resolved,
            ..started
        };
        assert_eq!(text(&published), "dl_1 is replayed as event evt_2 at 0:9\n");
    }
}
