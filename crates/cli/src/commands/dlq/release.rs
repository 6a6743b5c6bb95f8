//! `cantus dlq release`

use anyhow::Result;
use cantus_api::dead_letter::Release as Request;
use clap::Args;

use crate::context::Context;

/// Let the order key go on that a dead letter holds; the dead letter stays as it is
#[derive(Debug, Args)]
pub(crate) struct Release {
    /// The dead letter's id
    id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Release {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let request = Request { note: self.note };
        let letter = context.client()?.release_dead_letter(&self.id, &request).await?;
        context.screen.show(&letter, || format!("{} holds its key no longer", letter.id))
    }
}
