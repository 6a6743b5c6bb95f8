//! `cantus deliveries logs`

use std::time::Duration;

use anyhow::Result;
use cantus_api::delivery::{LogsQuery, Output};
use cantus_api::time::Span;
use clap::Args;

use crate::commands::reconnect::Reconnect;
use crate::context::Context;
use crate::output::Format;

/// Print what an attempt's program wrote
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The delivery's id
    id: String,
    /// Go on as the program writes, until it ends
    #[arg(short, long)]
    follow: bool,
    /// The attempt's number; the newest unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// What it wrote to stderr instead of stdout
    #[arg(long)]
    stderr: bool,
}

/// How long one request is held while there is nothing new.
const HOLD: Duration = Duration::from_secs(25);

impl Logs {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let stream = if self.stderr { Output::Stderr } else { Output::Stdout };
        let mut query = LogsQuery {
            attempt: self.attempt,
            stream: Some(stream),
            offset: Some(0),
            ..LogsQuery::default()
        };
        let mut reconnect = Reconnect::default();
        loop {
            let chunk = match client.delivery_logs(&self.id, &query).await {
                Ok(chunk) => chunk,
                Err(error) => {
                    reconnect.after(error, &context.screen).await?;
                    continue;
                }
            };
            reconnect.worked(&context.screen);
            match context.screen.format {
                Format::Table => context.screen.print_raw(chunk.text.as_bytes())?,
                Format::Json | Format::Jsonl => context.screen.show(&chunk, String::new)?,
            }
            let nothing_new = query.offset == Some(chunk.next_offset);
            if chunk.ended || (!self.follow && nothing_new) {
                if chunk.truncated {
                    context.screen.warn("the program wrote more than is kept; the rest was cut off");
                }
                return Ok(());
            }
            // Whoever follows the newest attempt stays with it when the next one begins.
            query.attempt = Some(chunk.attempt);
            query.offset = Some(chunk.next_offset);
            query.wait = self.follow.then(|| Span::from(HOLD));
        }
    }
}
