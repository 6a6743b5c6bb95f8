//! `cantus dlq replay`

use std::time::Duration;

use anyhow::Result;
use cantus_api::dead_letter::{DeadLetter, Replay as Request, ReplayStarted, Status};
use cantus_api::time::Span;
use cantus_client::Client;
use clap::Args;
use tokio::time::Instant;

use super::words::{failure_line, status_word};
use crate::context::Context;
use crate::exit::Failure;
use crate::input;

/// Try a dead letter again: at its own subscription, at another one, or as a new event in a topic
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The dead letter's id
    id: String,
    /// Another subscription: agent/name
    #[arg(long, value_name = "SUBSCRIPTION", conflicts_with = "topic")]
    to: Option<String>,
    /// A topic, where it becomes a new event whose cause is the original
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Wait until it is resolved (exit code 0) or open again (exit code 1)
    #[arg(long)]
    wait: bool,
    /// How long to wait; exit code 124 when that is over
    #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = input::span, requires = "wait")]
    timeout: Span,
}

/// How often the state is looked at while waiting.
const LOOK_EVERY: Duration = Duration::from_millis(300);

impl Replay {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let request = Request { to: self.to, topic: self.topic, note: self.note };
        let started = client.replay_dead_letter(&self.id, &request).await?;
        if !self.wait || started.status != Status::Replaying {
            return context.screen.show(&started, || text(&started));
        }
        context.screen.note(text(&started).trim_end());
        let letter = wait(&client, &self.id, self.timeout.duration()).await?;
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
