//! `cantus audit ls`

use std::time::Duration;

use anyhow::Result;
use cantus_api::audit::{AuditQuery, Entry};
use clap::Args;

use crate::context::Context;
use crate::output::{ListOptions, Screen, Table, gather};

/// List who operated and defined, newest first
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only entries from this time on, such as 2026-11-29T14:30:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those of this actor, such as token:ops
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Only those with this action, such as dead-letters.replay, or dead-letters for all of its verbs
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Print new entries as they come, oldest first, until interrupted
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    list: ListOptions,
}

/// How often new entries are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Ls {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let query =
            AuditQuery { since: self.since, actor: self.actor, action: self.action, ..AuditQuery::default() };
        let entries = gather(&self.list, async |limit, cursor| {
            client.audit(&AuditQuery { limit: Some(limit), cursor, ..query.clone() }).await
        })
        .await?;
        if !self.watch {
            return context.screen.list(&entries, |entries| table(entries, &context.screen));
        }
        let mut last = 0;
        let mut fresh = entries.items;
        loop {
            for entry in fresh.iter().rev().filter(|entry| entry.number > last) {
                context.screen.show(entry, || line(entry, &context.screen))?;
            }
            last = fresh.first().map_or(last, |newest| newest.number.max(last));
            tokio::time::sleep(LOOK_EVERY).await;
            fresh = client.audit(&AuditQuery { limit: Some(1000), ..query.clone() }).await?.items;
        }
    }
}

fn line(entry: &Entry, screen: &Screen) -> String {
    format!(
        "{}  {}  {} from {}  {} {}  {}\n",
        entry.number,
        screen.time(&entry.at),
        entry.actor,
        entry.from,
        entry.action,
        entry.target,
        entry.after
    )
}

fn table(entries: &[Entry], screen: &Screen) -> String {
    let mut table = Table::new(["NUMBER", "AT", "ACTOR", "FROM", "ACTION", "TARGET", "AFTER"]);
    for entry in entries {
        table.row([
            entry.number.to_string(),
            screen.time(&entry.at),
            entry.actor.clone(),
            entry.from.clone(),
            entry.action.clone(),
            entry.target.clone(),
            entry.after.to_string(),
        ]);
    }
    table.render(screen, "nobody has operated or defined anything yet")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    #[test]
    fn an_entry_says_who_what_from_where() {
        let entry: Entry = serde_json::from_value(serde_json::json!({
            "number": 3, "at": "2026-01-01T00:00:00Z", "actor": "token:ops", "from": "10.0.0.9", "action": "agents.pause",
            "target": "coder", "before": {"agents /coder": {"parked": false}}, "after": {"agents /coder": {"parked": true}},
            "position": "0:9", "facts": 1, "previous_hash": "00", "hash": "01"
        }))
        .unwrap();
        let screen = Screen::fixed(TimeStyle::Relative, "2026-01-01T00:00:05Z");
        insta::assert_snapshot!(table(&[entry], &screen), @r#"
        NUMBER  AT      ACTOR      FROM      ACTION        TARGET  AFTER
        3       5s ago  token:ops  10.0.0.9  agents.pause  coder   {"agents /coder":{"parked":true}}
        "#);
    }
}
