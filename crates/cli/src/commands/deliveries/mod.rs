//! `cantus deliveries`: one event for one subscription, with every attempt at it.

mod get;
mod logs;
mod ls;
mod repair;
mod words;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use get::attempts;
pub(crate) use words::{attempt_line, repeats_exit_code, state_word, waiting_word};

use crate::context::Context;

/// What can be done with deliveries.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Ls(ls::Ls),
    Get(get::Get),
    Logs(logs::Logs),
    Retry(repair::Retry),
    GiveUp(repair::GiveUp),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Verb::Ls(ls) => ls.run(context).await,
            Verb::Get(get) => get.run(context).await,
            Verb::Logs(logs) => logs.run(context).await,
            Verb::Retry(retry) => retry.run(context).await,
            Verb::GiveUp(give_up) => give_up.run(context).await,
        }
    }
}
