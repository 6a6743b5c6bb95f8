//! `cantus subs`: subscriptions, and how an operator moves them.

mod add;
mod get;
mod ls;
mod pause;
mod reset_breaker;
mod resume;
mod rm;
mod seek;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use get::{origin, paused};
pub(crate) use pause::PauseOptions;

use crate::context::Context;

/// What can be done with subscriptions.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Ls(ls::Ls),
    Get(get::Get),
    Add(add::Add),
    Pause(pause::Pause),
    Resume(resume::Resume),
    ResetBreaker(reset_breaker::ResetBreaker),
    Seek(seek::Seek),
    Rm(rm::Rm),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Verb::Ls(ls) => ls.run(context).await,
            Verb::Get(get) => get.run(context).await,
            Verb::Add(add) => add.run(context).await,
            Verb::Pause(pause) => pause.run(context).await,
            Verb::Resume(resume) => resume.run(context).await,
            Verb::ResetBreaker(reset) => reset.run(context).await,
            Verb::Seek(seek) => seek.run(context).await,
            Verb::Rm(rm) => rm.run(context).await,
        }
    }
}
