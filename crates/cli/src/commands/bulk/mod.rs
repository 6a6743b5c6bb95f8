//! `cantus bulk`: operations on many dead letters or deliveries. They are begun by `cantus dlq` and `cantus deliveries`; here
//! they are found, followed and aborted. `run` is what those commands share.

mod abort;
mod get;
mod ls;
mod progress;
mod run;
mod words;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use run::{BulkOptions, run};

use crate::context::Context;

/// What can be done with bulk operations.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Ls(ls::Ls),
    Get(get::Get),
    Abort(abort::Abort),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Verb::Ls(ls) => ls.run(context).await,
            Verb::Get(get) => get.run(context).await,
            Verb::Abort(abort) => abort.run(context).await,
        }
    }
}
