//! `cantus agents register`

use anyhow::Result;
use cantus_api::agent::Register as Request;
use clap::Args;

use super::get::text;
use crate::context::Context;

/// Register an agent, or renew what is known about it
#[derive(Debug, Args)]
pub(crate) struct Register {
    /// The agent's address; the slash may be left out
    address: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A type of event it publishes; may be given several times
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    publishes: Vec<String>,
    /// A type of command or query it takes; may be given several times
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    handles: Vec<String>,
}

impl Register {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let request = Request {
            agent: self.address,
            description: self.description,
            publishes: self.publishes,
            handles: self.handles,
        };
        let agent = context.client()?.register_agent(&request).await?;
        context.screen.show(&agent, || text(&agent, &context.screen))
    }
}
