//! `cantus audit`: who operated and defined, and whether the record of it is whole.

mod ls;
mod verify;

use anyhow::Result;
use clap::Subcommand;

use crate::context::Context;

/// What can be done with the audit.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Ls(ls::Ls),
    Verify(verify::Verify),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Verb::Ls(ls) => ls.run(context).await,
            Verb::Verify(verify) => verify.run(context).await,
        }
    }
}
