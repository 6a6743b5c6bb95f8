//! `cantus ingest events`

use std::path::PathBuf;

use anyhow::Result;
use bytes::Bytes;
use cantus_api::Event;
use cantus_api::event::{Limits, Reader};
use clap::Args;

use super::intake::Intake;
use crate::commands::event::without_place;
use crate::context::Context;

/// Publish events that are in files: a CloudEvent or envelope per line
///
/// A line that is wrong is said, the others are published, and the exit code is 1.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus ingest events --topic orders orders.jsonl\n  \
    cantus sub old --from start -o jsonl | cantus ingest events --topic new -")]
pub(crate) struct Events {
    /// The topic; unless given, each event names its own
    #[arg(short, long, value_name = "TOPIC")]
    topic: Option<String>,
    /// JSON Lines of events; - for stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Events {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let moved = self.topic.is_some();
        let mut intake = Intake::new(context, self.topic.as_deref(), &self.files)?;
        for file in &self.files {
            intake.lines(file, |line| read(line, moved)).await?;
        }
        intake.end().await
    }
}

fn read(line: &[u8], moved: bool) -> Result<Event> {
    let body = Bytes::copy_from_slice(without_place(line.trim_ascii()));
    let mut event = Reader::new(&Limits::generous()).event(&body)?.into_owned();
    // Whoever names a topic means it for every event, also for those of another one.
    if moved {
        event.topic = None;
    }
    Ok(event)
}
