//! `cantus version`

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::context::Context;

/// Print the version of this program
#[derive(Debug, Args)]
pub(crate) struct Version {}

impl Version {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let version = env!("CARGO_PKG_VERSION");
        context.screen.show(&json!({"name": "cantus", "version": version}), || format!("cantus {version}"))
    }
}
