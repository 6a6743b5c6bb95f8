//! `cantus export`

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::context::Context;
use crate::output::Format;

/// Print the definitions in force as a file; values of variables are not shown
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus export >cantus.yaml\n  \
    cantus export -o json")]
pub(crate) struct Export {
    /// Write to this file instead
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

impl Export {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let export = context.client()?.export().await?;
        if context.screen.format() != Format::Table {
            return context.screen.show(&export, String::new);
        }
        let yaml = format!("# definitions {}\n{}", export.hash, cantus_file::to_yaml(&export.definitions));
        match &self.to {
            Some(file) => {
                std::fs::write(file, yaml).with_context(|| format!("{} cannot be written", file.display()))
            }
            None => context.screen.print(&yaml),
        }
    }
}
