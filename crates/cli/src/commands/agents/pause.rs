//! `cantus agents pause`

use anyhow::Result;
use clap::Args;

use super::get::text;
use crate::commands::subs::PauseOptions;
use crate::context::Context;

/// Pause all subscriptions of an agent: running deliveries finish, no new one starts
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The agent's address; the slash may be left out
    address: String,
    #[command(flatten)]
    options: PauseOptions,
}

impl Pause {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let agent = context.client()?.pause_agent(&self.address, &self.options.request()).await?;
        context.screen.show(&agent, || text(&agent, &context.screen))
    }
}
