//! `cantus subs seek`

use anyhow::Result;
use cantus_api::subscription::{Seek as Request, SeekResult};
use clap::Args;

use crate::commands::events::{Place, place};
use crate::context::Context;
use crate::exit::Failure;

/// Move a subscription to another place; with --dry-run only say what that would do
#[derive(Debug, Args)]
pub(crate) struct Seek {
    /// The subscription's id: agent/name
    id: String,
    /// Where to: start, end, @1h (an hour ago), a time or a position
    #[arg(long, value_name = "PLACE")]
    to: String,
    /// Change nothing, only say what would happen
    #[arg(long)]
    dry_run: bool,
}

impl Seek {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let to = match place(&self.to, context.screen.now_ms())? {
            Place::Since(since) => since,
            Place::Cursor(text) => {
                let message = format!(
                    "`{text}` is no place: write start, end, @1h, a time or a position such as 0:1042"
                );
                return Err(Failure::usage(message).into());
            }
        };
        let seek = Request { to, dry_run: self.dry_run };
        let result = context.client()?.seek_subscription(&self.id, &seek).await?;
        context.screen.show(&result, || text(&self.id, &result))
    }
}

fn text(id: &str, result: &SeekResult) -> String {
    let (would, fenced, dropped) = match result.dry_run {
        true => ("would go on", "would be fenced off", "would be dropped"),
        false => ("goes on", "were fenced off", "were dropped"),
    };
    let events = match result.events {
        Some(events) => format!(", {events} events before the end"),
        None => String::new(),
    };
    let mut text = format!("{id} {would} from {}{events}\n", result.position);
    text.push_str(&format!("{} open leases {fenced}\n", result.open_leases));
    text.push_str(&format!(
        "{} retrying and {} parked deliveries {dropped}\n",
        result.retrying, result.parked
    ));
    if result.dry_run {
        text.push_str("nothing was changed\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_says_that_nothing_was_changed() {
        let result = SeekResult {
            position: "0:7".into(),
            events: Some(12),
            open_leases: 1,
            retrying: 2,
            parked: 3,
            dry_run: true,
        };
        insta::assert_snapshot!(text("coder/tasks", &result), @r"
        coder/tasks would go on from 0:7, 12 events before the end
        1 open leases would be fenced off
        2 retrying and 3 parked deliveries would be dropped
        nothing was changed
        ");
    }
}
