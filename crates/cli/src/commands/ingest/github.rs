//! `cantus ingest github`

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use bytes::Bytes;
use cantus_api::{Event, github};
use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::intake::Intake;
use crate::context::Context;
use crate::exit::Failure;
use crate::input;

/// Publish webhooks of GitHub that are in files
///
/// Each becomes an event com.github.EVENT.ACTION with the delivery's id, so that the same file again stores nothing. A line
/// that is wrong is said, the others are published, and the exit code is 1.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus ingest github --topic github events.jsonl\n  \
    cantus ingest github --topic github --event pull_request --delivery 72d3162e payload.json")]
pub(crate) struct Github {
    /// The topic
    #[arg(short, long, value_name = "TOPIC")]
    topic: String,
    /// The file is one payload of this event, such as pull_request
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// The payload's delivery id
    #[arg(long, value_name = "ID", requires = "event")]
    delivery: Option<String>,
    /// JSON Lines of {"event", "action", "delivery", "payload"}; - for stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// A webhook on a line. What else is there is of no interest.
#[derive(Deserialize)]
struct Webhook<'a> {
    event: String,
    #[serde(default)]
    action: Option<String>,
    #[serde(default)]
    delivery: Option<String>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

impl Github {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        if self.delivery.is_some() && self.files.len() > 1 {
            return Err(Failure::usage("--delivery is for one file").into());
        }
        let mut intake = Intake::new(context, Some(&self.topic), &self.files)?;
        for file in &self.files {
            match &self.event {
                Some(name) => {
                    let payload = Bytes::from(input::file_content(file)?.trim_ascii().to_vec());
                    match github::event(name, self.delivery.as_deref(), &payload) {
                        Ok(event) => intake.take(file.display().to_string(), event).await?,
                        Err(problem) => intake.wrong(&file.display().to_string(), &problem.to_string()),
                    }
                }
                None => intake.lines(file, read).await?,
            }
        }
        intake.end().await
    }
}

fn read(line: &[u8]) -> Result<Event> {
    input::json(line, "the line")?;
    let webhook: Webhook<'_> = serde_json::from_slice(line).map_err(|error| {
        let text = error.to_string();
        let wrong = text.split(" at line ").next().unwrap_or(&text).to_owned();
        let hint =
            "a line is {\"event\": …, \"delivery\": …, \"payload\": {…}}; for one payload give --event NAME";
        anyhow!(Failure::usage(wrong).hint(hint))
    })?;
    let payload = Bytes::copy_from_slice(webhook.payload.get().as_bytes());
    let event =
        github::event(&webhook.event, webhook.delivery.as_deref(), &payload).map_err(|mut problem| {
            // There are no headers on a line.
            problem.errors.retain(|fault| fault.header.is_none());
            problem
        })?;
    let expected = match &webhook.action {
        Some(action) => format!("{}{}.{action}", github::TYPE_PREFIX, webhook.event),
        None => event.event_type.clone(),
    };
    if event.event_type != expected {
        return Err(Failure::usage(format!(
            "the payload's action makes it {}, not {expected}",
            event.event_type
        ))
        .into());
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_an_event_with_the_payload_as_it_was() {
        let line = br#"{"event":"issues","action":"opened","delivery":"d-1","seq":0,"payload":{"action":"opened","n":1.50,"repository":{"html_url":"https://github.com/a/b"}}}"#;
        let event = read(line).unwrap();
        assert_eq!(event.event_type, "com.github.issues.opened");
        assert_eq!((event.id.as_deref(), event.source.as_str()), (Some("d-1"), "https://github.com/a/b"));
        assert!(event.data.unwrap().bytes.windows(4).any(|window| window == b"1.50"));
    }

    #[test]
    fn a_line_that_is_wrong_says_what_a_line_is() {
        let text = crate::exit::describe(&read(br#"{"event":"issues"}"#).unwrap_err());
        assert!(text.contains("missing field `payload`") && text.contains("--event NAME"), "{text}");
        assert!(read(br#"{"event":"a b","payload":{}}"#).is_err());
        assert!(read(br#"{"event":"x","payload":[]}"#).is_err());
        assert!(read(br#"{"event":"x","action":"opened","payload":{"action":"closed"}}"#).is_err());
    }
}
