//! `cantus dlq groups`

use anyhow::Result;
use cantus_api::dead_letter::{Group, GroupsQuery};
use clap::Args;

use super::words::StatusOption;
use crate::context::Context;
use crate::output::{ListOptions, Screen, Table, gather};

/// List dead letters by cause
#[derive(Debug, Args)]
pub(crate) struct Groups {
    /// Only dead letters in this state
    #[arg(long, value_enum, value_name = "STATUS", default_value_t = StatusOption::Open)]
    status: StatusOption,
    /// Only those of this subscription: agent/name
    #[arg(long, value_name = "SUBSCRIPTION")]
    subscription: Option<String>,
    #[command(flatten)]
    list: ListOptions,
}

impl Groups {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let query = GroupsQuery {
            status: Some(self.status.filter()),
            subscription: self.subscription,
            ..GroupsQuery::default()
        };
        let groups = gather(&self.list, async |limit, cursor| {
            client.dead_letter_groups(&GroupsQuery { limit: Some(limit), cursor, ..query.clone() }).await
        })
        .await?;
        context.screen.list(&groups, |groups| table(groups, &context.screen))
    }
}

fn table(groups: &[Group], screen: &Screen) -> String {
    let mut table = Table::new(["COUNT", "FINGERPRINT", "REASON", "FIRST", "LAST", "SAMPLE", "MESSAGE"]);
    for group in groups {
        table.row([
            group.count.to_string(),
            group.fingerprint.clone(),
            group.reason.clone(),
            screen.time(&group.first_at),
            screen.time(&group.last_at),
            group.sample.clone(),
            group.message.clone(),
        ]);
    }
    table.render(screen, "no dead letters")
}
