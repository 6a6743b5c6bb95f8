//! `cantus subs pause`

use anyhow::Result;
use cantus_api::subscription::PauseRequest;
use clap::Args;

use super::get::text;
use crate::context::Context;

/// Pause a subscription: running deliveries finish, no new one starts
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// The subscription's id: agent/name
    id: String,
    #[command(flatten)]
    options: PauseOptions,
}

/// Why, and until when.
#[derive(Debug, Args)]
pub(crate) struct PauseOptions {
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Until when: a time, or a span from now such as 30m; until somebody resumes it unless given
    #[arg(long, value_name = "TIME|SPAN")]
    until: Option<String>,
}

impl PauseOptions {
    /// Returns what is asked of the server.
    pub(crate) fn request(self) -> PauseRequest {
        PauseRequest { reason: self.reason, until: self.until }
    }
}

impl Pause {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let subscription = context.client()?.pause_subscription(&self.id, &self.options.request()).await?;
        context.screen.show(&subscription, || text(&subscription, &context.screen))
    }
}
