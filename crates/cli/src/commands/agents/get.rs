//! `cantus agents get`

use anyhow::Result;
use cantus_api::agent::Agent;
use clap::Args;

use super::ls::state;
use crate::commands::subs::{origin, paused};
use crate::context::Context;
use crate::output::{Screen, fields};

/// Print one agent
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The agent's address; the slash may be left out
    address: String,
}

impl Get {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let agent = context.client()?.agent(&self.address).await?;
        context.screen.show(&agent, || text(&agent, &context.screen))
    }
}

/// Returns an agent, a field per line.
pub(super) fn text(agent: &Agent, screen: &Screen) -> String {
    fields(&[
        ("address", agent.address.clone()),
        ("description", agent.description.clone().unwrap_or_default()),
        ("state", state(agent).to_owned()),
        ("paused", agent.pause.as_ref().map(|pause| paused(pause, screen)).unwrap_or_default()),
        ("transport", agent.transport.clone()),
        ("origin", origin(agent.origin).to_owned()),
        ("last seen", screen.time_or_dash(agent.last_seen.as_deref())),
        ("published", agent.published.to_string()),
        ("consumed", agent.consumed.to_string()),
        ("working on", agent.processing.join("\n")),
        ("publishes", agent.publishes.join(", ")),
        ("handles", agent.handles.join(", ")),
        ("subscriptions", agent.subscriptions.join("\n")),
        ("prompt", agent.prompt.clone().unwrap_or_default()),
    ])
}
