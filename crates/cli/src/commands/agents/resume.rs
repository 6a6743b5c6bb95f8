//! `cantus agents resume`

use anyhow::Result;
use clap::Args;

use super::get::text;
use crate::context::Context;

/// Resume an agent that is paused
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The agent's address; the slash may be left out
    address: String,
}

impl Resume {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let agent = context.client()?.resume_agent(&self.address).await?;
        context.screen.show(&agent, || text(&agent, &context.screen))
    }
}
