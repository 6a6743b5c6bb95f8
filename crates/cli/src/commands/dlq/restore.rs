//! `cantus dlq restore`

use anyhow::Result;
use cantus_api::dead_letter::Restore as Request;
use clap::Args;

use crate::context::Context;

/// Bring back a dead letter that was archived
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The dead letter's id
    id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Restore {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let request = Request { note: self.note };
        let letter = context.client()?.restore_dead_letter(&self.id, &request).await?;
        context.screen.show(&letter, || format!("{} is open again", letter.id))
    }
}
