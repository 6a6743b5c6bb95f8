//! `cantus topics ls`

use anyhow::Result;
use cantus_api::list::Page;
use cantus_api::topic::Topic;
use clap::Args;

use crate::context::Context;
use crate::output::{ListOptions, Screen, Table, gather};

/// List topics
#[derive(Debug, Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    list: ListOptions,
}

impl Ls {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let topics = gather(&self.list, async |limit, cursor| {
            client.topics(&Page { limit: Some(limit), cursor }).await
        })
        .await?;
        context.screen.list(&topics, |topics| table(topics, &context.screen))
    }
}

fn table(topics: &[Topic], screen: &Screen) -> String {
    let mut table = Table::new(["NAME", "EVENTS", "LAST EVENT", "SUBSCRIPTIONS", "DECLARED", "DESCRIPTION"]);
    for topic in topics {
        table.row([
            topic.name.clone(),
            topic.events.to_string(),
            screen.time_or_dash(topic.last_event_at.as_deref()),
            topic.subscriptions.len().to_string(),
            if topic.declared { "yes" } else { "no" }.to_owned(),
            topic.description.clone().unwrap_or_default(),
        ]);
    }
    table.render(screen, "no topics yet; the first event makes one: cantus pub TOPIC --type T --data '{}'")
}
