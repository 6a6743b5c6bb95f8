//! `cantus schema`

use anyhow::Result;
use clap::Args;

use crate::context::Context;

/// Print the JSON Schema of cantus.yaml, for editors
#[derive(Debug, Args)]
pub(crate) struct Schema {}

impl Schema {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        context.screen.print(cantus_file::json_schema())
    }
}
