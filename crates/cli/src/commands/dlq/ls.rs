//! `cantus dlq ls`

use anyhow::Result;
use cantus_api::dead_letter::{DeadLetter, DeadLettersQuery};
use clap::Args;

use super::words::{StatusOption, failure_line, status_word, subscription_of};
use crate::context::Context;
use crate::output::{ListOptions, Screen, Table, gather};

/// List dead letters
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only those in this state
    #[arg(long, value_enum, value_name = "STATUS", default_value_t = StatusOption::Open)]
    status: StatusOption,
    /// Only those of this subscription: agent/name
    #[arg(long, value_name = "SUBSCRIPTION")]
    subscription: Option<String>,
    /// Only those of this topic
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only those of this group: its fingerprint
    #[arg(long, value_name = "FINGERPRINT")]
    group: Option<String>,
    /// Only those with this reason, such as attempts_spent
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    #[command(flatten)]
    list: ListOptions,
}

impl Ls {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let query = DeadLettersQuery {
            status: Some(self.status.filter()),
            subscription: self.subscription,
            topic: self.topic,
            fingerprint: self.group,
            reason: self.reason,
            ..DeadLettersQuery::default()
        };
        let letters = gather(&self.list, async |limit, cursor| {
            client.dead_letters(&DeadLettersQuery { limit: Some(limit), cursor, ..query.clone() }).await
        })
        .await?;
        context.screen.list(&letters, |letters| table(letters, &context.screen))
    }
}

fn table(letters: &[DeadLetter], screen: &Screen) -> String {
    let mut table =
        Table::new(["ID", "STATUS", "SUBSCRIPTION", "TYPE", "REASON", "ATTEMPTS", "OPENED", "ERROR"]);
    for letter in letters {
        table.row([
            letter.id.clone(),
            status_word(letter.status).0.to_owned(),
            subscription_of(letter),
            letter.event.event_type.clone(),
            letter.reason.clone(),
            letter.attempts.len().to_string(),
            screen.time(&letter.opened_at),
            failure_line(&letter.error),
        ]);
    }
    table.render(screen, "no dead letters")
}
