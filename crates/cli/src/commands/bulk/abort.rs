//! `cantus bulk abort`

use anyhow::Result;
use cantus_api::bulk_operation::Abort as Request;
use clap::Args;

use super::words;
use crate::context::Context;

/// End a bulk operation; what was done stays done
#[derive(Debug, Args)]
pub(crate) struct Abort {
    /// The operation's id
    id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Abort {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let request = Request { reason: self.reason };
        let operation = context.client()?.abort_bulk_operation(&self.id, &request).await?;
        context.screen.show(&operation, || words::ended(&operation))
    }
}
