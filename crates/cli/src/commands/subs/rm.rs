//! `cantus subs rm`

use anyhow::Result;
use clap::Args;

use crate::context::Context;

/// Delete a subscription that was made by a request
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// The subscription's id: agent/name
    id: String,
}

impl Rm {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        context.client()?.delete_subscription(&self.id).await?;
        context.screen.note(&format!("{} is deleted", self.id));
        Ok(())
    }
}
