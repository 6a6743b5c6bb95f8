//! `cantus log`: the log on disk, without a server.

mod place;
mod repair;
mod verify;

use anyhow::Result;
use clap::Subcommand;

use crate::context::Context;

/// What can be done with a log.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Verify(verify::Verify),
    Repair(repair::Repair),
}

impl Verb {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        match self {
            Verb::Verify(verify) => verify.run(context),
            Verb::Repair(repair) => repair.run(context),
        }
    }
}
