//! `cantus agents heartbeat`

use anyhow::Result;
use clap::Args;

use crate::context::Context;

/// Say that an agent is there
#[derive(Debug, Args)]
pub(crate) struct Heartbeat {
    /// The agent's address; the slash may be left out
    address: String,
}

impl Heartbeat {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        Ok(context.client()?.heartbeat(&self.address).await?)
    }
}
