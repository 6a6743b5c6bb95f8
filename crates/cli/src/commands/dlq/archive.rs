//! `cantus dlq archive`

use anyhow::Result;
use clap::Args;

use crate::context::Context;

/// Put a dead letter away, with a note; it can be restored
#[derive(Debug, Args)]
pub(crate) struct Archive {
    /// The dead letter's id
    id: String,
    /// Why
    #[arg(long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    note: String,
}

impl Archive {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let letter = context.client()?.archive_dead_letter(&self.id, &self.note).await?;
        context.screen.show(&letter, || {
            format!("{} is archived; `cantus dlq restore {}` brings it back", letter.id, letter.id)
        })
    }
}
