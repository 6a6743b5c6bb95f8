//! `cantus subs reset-breaker`

use anyhow::Result;
use clap::Args;

use super::get::text;
use crate::context::Context;

/// Close the circuit breaker of a subscription: its deliveries go on at once
#[derive(Debug, Args)]
pub(crate) struct ResetBreaker {
    /// The subscription's id: agent/name
    id: String,
}

impl ResetBreaker {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let subscription = context.client()?.reset_breaker(&self.id).await?;
        context.screen.show(&subscription, || text(&subscription, &context.screen))
    }
}
