//! `cantus dlq archive`

use anyhow::Result;
use cantus_api::bulk_operation::Action;
use clap::Args;

use super::selection::Selection;
use crate::commands::bulk::{self, BulkOptions};
use crate::context::Context;

/// Put dead letters away, with a note; they can be restored
#[derive(Debug, Args)]
pub(crate) struct Archive {
    #[command(flatten)]
    selection: Selection,
    /// Why
    #[arg(long, visible_alias = "reason", value_name = "TEXT", required_unless_present = "dry_run",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    note: Option<String>,
    #[command(flatten)]
    bulk: BulkOptions,
}

impl Archive {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let (single, note) = (self.selection.single().map(str::to_owned), self.note.unwrap_or_default());
        let Some(id) = single.filter(|_| !self.bulk.said()) else {
            let request = self.selection.request(Action::Archive, Some(note));
            return bulk::run(context, request, &self.bulk).await;
        };
        let letter = context.client()?.archive_dead_letter(&id, &note).await?;
        context.screen.show(&letter, || {
            format!("{} is archived; `cantus dlq restore {}` brings it back", letter.id, letter.id)
        })
    }
}
