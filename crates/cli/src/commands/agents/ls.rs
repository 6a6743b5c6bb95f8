//! `cantus agents ls`

use anyhow::Result;
use cantus_api::agent::{Agent, State};
use cantus_api::list::Page;
use clap::Args;

use crate::context::Context;
use crate::output::{ListOptions, Screen, Table, gather};

/// List agents
#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    list: ListOptions,
}

impl Ls {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let agents = gather(&self.list, async |limit, cursor| {
            client.agents(&Page { limit: Some(limit), cursor }).await
        })
        .await?;
        context.screen.list(&agents, |agents| table(agents, &context.screen))
    }
}

fn table(agents: &[Agent], screen: &Screen) -> String {
    let mut table =
        Table::new(["ADDRESS", "STATE", "TRANSPORT", "LAST SEEN", "PUBLISHED", "CONSUMED", "WORKING ON"]);
    for agent in agents {
        table.row([
            agent.address.clone(),
            state(agent).to_owned(),
            if agent.transport.is_empty() { "-".to_owned() } else { agent.transport.clone() },
            screen.time_or_dash(agent.last_seen.as_deref()),
            agent.published.to_string(),
            agent.consumed.to_string(),
            agent.processing.len().to_string(),
        ]);
    }
    table.render(screen, "no agents; declare them in cantus.yaml, or `cantus agents register`")
}

/// Returns the word for an agent's state.
pub(super) fn state(agent: &Agent) -> &'static str {
    if agent.pause.is_some() {
        return "paused";
    }
    match agent.state {
        State::Online => "online",
        State::Silent => "silent",
        State::Slow => "slow",
        State::Dead => "dead",
        State::NeverSeen => "never seen",
    }
}
