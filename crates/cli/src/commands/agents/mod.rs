//! `cantus agents`: who takes part.

mod get;
mod heartbeat;
mod ls;
mod pause;
mod register;
mod resume;
mod rm;

use anyhow::Result;
use clap::Subcommand;

use crate::context::Context;

/// What can be done with agents.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Ls(ls::Ls),
    Get(get::Get),
    Register(register::Register),
    Heartbeat(heartbeat::Heartbeat),
    Pause(pause::Pause),
    Resume(resume::Resume),
    Rm(rm::Rm),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Verb::Ls(ls) => ls.run(context).await,
            Verb::Get(get) => get.run(context).await,
            Verb::Register(register) => register.run(context).await,
            Verb::Heartbeat(heartbeat) => heartbeat.run(context).await,
            Verb::Pause(pause) => pause.run(context).await,
            Verb::Resume(resume) => resume.run(context).await,
            Verb::Rm(rm) => rm.run(context).await,
        }
    }
}
