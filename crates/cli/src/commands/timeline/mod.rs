//! `cantus timeline`: a whole story. `story` puts it in order, `render` draws it.

mod render;
mod story;

use anyhow::Result;
use cantus_api::correlation::Correlation;
use cantus_api::stream::StreamQuery;
use cantus_client::Client;
use clap::Args;

use crate::context::Context;

/// Show everything that happened in one story: who answered what, who caused what, when, how long it took, what failed
#[derive(Debug, Args)]
pub(crate) struct Timeline {
    /// The correlation id; the id of the event a story began with is one
    correlation: String,
    /// How many events to read at most
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
}

impl Timeline {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let correlation = self.gather(&client).await?;
        context.screen.show(&correlation, || render::text(&correlation, &context.screen))
    }

    async fn gather(&self, client: &Client) -> Result<Correlation> {
        let mut all: Option<Correlation> = None;
        let mut cursor = None;
        loop {
            let had = all.as_ref().map_or(0, |all| all.events.len());
            let missing = self.limit.saturating_sub(u32::try_from(had).unwrap_or(u32::MAX));
            let query = StreamQuery { limit: Some(missing.min(1000)), cursor: cursor.take(), format: None };
            let page = client.correlation(&self.correlation, &query).await?;
            let got = page.events.len();
            let all = match &mut all {
                None => all.insert(page),
                Some(all) => {
                    all.events.extend(page.events);
                    // A delivery may be on several pages, at the events it belongs to.
                    for delivery in page.deliveries {
                        if !all.deliveries.iter().any(|one| one.id == delivery.id) {
                            all.deliveries.push(delivery);
                        }
                    }
                    all.next_cursor = page.next_cursor;
                    all
                }
            };
            if all.next_cursor.is_none() || got == 0 || all.events.len() >= self.limit as usize {
                return Ok(all.clone());
            }
            cursor.clone_from(&all.next_cursor);
        }
    }
}
