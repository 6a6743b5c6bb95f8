//! `cantus bulk ls`

use anyhow::Result;
use cantus_api::bulk_operation::{BulkOperation, BulkQuery, Status};
use clap::{Args, ValueEnum};

use super::words;
use crate::context::Context;
use crate::output::{ListOptions, Screen, Table, gather};

/// List bulk operations, newest first
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only those that stand so
    #[arg(long, value_enum, value_name = "STATUS")]
    status: Option<StatusOption>,
    #[command(flatten)]
    list: ListOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StatusOption {
    Running,
    Completed,
    Aborted,
}

impl StatusOption {
    fn status(self) -> Status {
        match self {
            StatusOption::Running => Status::Running,
            StatusOption::Completed => Status::Completed,
            StatusOption::Aborted => Status::Aborted,
        }
    }
}

impl Ls {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let status = self.status.map(StatusOption::status);
        let operations = gather(&self.list, async |limit, cursor| {
            client.bulk_operations(&BulkQuery { status, limit: Some(limit), cursor }).await
        })
        .await?;
        context.screen.list(&operations, |operations| table(operations, &context.screen))
    }
}

fn table(operations: &[BulkOperation], screen: &Screen) -> String {
    let mut table =
        Table::new(["ID", "ACTION", "STATUS", "DONE", "SKIPPED", "FAILED", "OF", "STARTED", "BY", "REASON"]);
    for one in operations {
        table.row([
            one.id.clone().unwrap_or_default(),
            words::action(one.action).to_owned(),
            one.status.as_str().to_owned(),
            one.done.to_string(),
            one.skipped.to_string(),
            one.failed.to_string(),
            one.total.to_string(),
            screen.time_or_dash(one.started_at.as_deref()),
            one.by.clone().unwrap_or_default(),
            one.reason.clone().unwrap_or_default(),
        ]);
    }
    table.render(screen, "no bulk operations; `cantus dlq replay --group …` begins one")
}
