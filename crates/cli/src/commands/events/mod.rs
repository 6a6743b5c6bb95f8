//! `cantus events`: reading events, why they went where they went, and erasing them.

mod erase;
mod get;
mod ls;
mod why;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use ls::{Place, place};

use crate::context::Context;

/// What can be done with events.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Ls(ls::Ls),
    Get(get::Get),
    Why(why::Why),
    Erase(erase::Erase),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Verb::Ls(ls) => ls.run(context).await,
            Verb::Get(get) => get.run(context).await,
            Verb::Why(why) => why.run(context).await,
            Verb::Erase(erase) => erase.run(context).await,
        }
    }
}
