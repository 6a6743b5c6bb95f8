//! `cantus dlq restore`

use anyhow::Result;
use cantus_api::bulk_operation::Action;
use cantus_api::dead_letter::Restore as Request;
use clap::Args;

use super::selection::Selection;
use crate::commands::bulk::{self, BulkOptions};
use crate::context::Context;

/// Bring back dead letters that were archived
#[derive(Debug, Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    selection: Selection,
    /// Why
    #[arg(long, visible_alias = "reason", value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    bulk: BulkOptions,
}

impl Restore {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let single = self.selection.single().map(str::to_owned);
        let Some(id) = single.filter(|_| !self.bulk.said()) else {
            let request = self.selection.request(Action::Restore, self.note);
            return bulk::run(context, request, &self.bulk).await;
        };
        let request = Request { note: self.note };
        let letter = context.client()?.restore_dead_letter(&id, &request).await?;
        context.screen.show(&letter, || format!("{} is open again", letter.id))
    }
}
