//! `cantus ingest`: files of events, published in batches. `intake` does the work that both kinds of files share.

mod events;
mod github;
mod intake;

use anyhow::Result;
use clap::Subcommand;

use crate::context::Context;

/// What can be ingested.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Github(github::Github),
    Events(events::Events),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Verb::Github(github) => github.run(context).await,
            Verb::Events(events) => events.run(context).await,
        }
    }
}
