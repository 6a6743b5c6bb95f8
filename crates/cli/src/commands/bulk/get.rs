//! `cantus bulk get`

use anyhow::Result;
use clap::Args;

use super::{progress, words};
use crate::context::Context;

/// Print how far a bulk operation has come, and what was skipped or failed
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The operation's id
    id: String,
    /// Follow it until it is over
    #[arg(short, long)]
    watch: bool,
}

impl Get {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let operation = client.bulk_operation(&self.id).await?;
        let operation =
            if self.watch { progress::follow(&client, operation, context).await? } else { operation };
        context.screen.show(&operation, || words::story(&operation, &context.screen))
    }
}
