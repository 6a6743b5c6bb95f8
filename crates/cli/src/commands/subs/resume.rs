//! `cantus subs resume`

use anyhow::Result;
use clap::Args;

use super::get::text;
use crate::context::Context;

/// Resume a subscription that is paused
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// The subscription's id: agent/name
    id: String,
}

impl Resume {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let subscription = context.client()?.resume_subscription(&self.id).await?;
        context.screen.show(&subscription, || text(&subscription, &context.screen))
    }
}
