//! `cantus topics`: named lines of events.

mod get;
mod ls;

use anyhow::Result;
use clap::Subcommand;

use crate::context::Context;

/// What can be done with topics.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Ls(ls::Ls),
    Get(get::Get),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Verb::Ls(ls) => ls.run(context).await,
            Verb::Get(get) => get.run(context).await,
        }
    }
}
