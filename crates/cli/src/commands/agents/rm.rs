//! `cantus agents rm`

use anyhow::Result;
use clap::Args;

use crate::context::Context;

/// Remove an agent that was registered
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// The agent's address; the slash may be left out
    address: String,
}

impl Rm {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        context.client()?.delete_agent(&self.address).await?;
        context.screen.note(&format!("{} is removed", self.address));
        Ok(())
    }
}
