//! `cantus plan` and `cantus apply`

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use anyhow::Result;
use cantus_api::definition::Definitions;
use cantus_api::error::ExitCode;
use cantus_api::installed::ApplyQuery;
use cantus_file::Loader;
use clap::Args;

use super::words;
use crate::commands::serve::say;
use crate::context::Context;
use crate::exit::Failure;

/// Which file, and whether it is all there shall be.
#[derive(Debug, Args)]
struct Set {
    /// The file
    #[arg(short, long, value_name = "FILE", default_value = "cantus.yaml")]
    file: PathBuf,
    /// Take away what a file or an apply declared and this file does not
    #[arg(long)]
    prune: bool,
}

impl Set {
    fn load(&self, context: &Context) -> Result<Definitions> {
        match Loader::new().load(&self.file) {
            Ok(loaded) => {
                say(&loaded.warnings, &context.screen);
                Ok(loaded.definitions)
            }
            Err(rejected) => {
                say(&rejected.diagnostics, &context.screen);
                Err(Failure::said(ExitCode::Failed).into())
            }
        }
    }

    fn query(&self, dry_run: bool) -> ApplyQuery {
        ApplyQuery {
            dry_run: Some(dry_run),
            prune: Some(self.prune),
            expected: None,
            source: Some(self.file.display().to_string()),
        }
    }
}

/// Show what applying a file would change, and what that means for running deliveries
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    set: Set,
}

impl Plan {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let definitions = self.set.load(context)?;
        let plan = context.client()?.apply(&definitions, &self.set.query(true)).await?;
        context.screen.show(&plan, || words::changes(&plan, &context.screen))
    }
}

/// Put the definitions of a file in force on a running server; without --prune nothing is removed
#[derive(Debug, Args)]
pub(crate) struct Apply {
    #[command(flatten)]
    set: Set,
    /// Only show what would be changed, as `cantus plan` does
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

impl Apply {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let definitions = self.set.load(context)?;
        let client = context.client()?;
        let plan = client.apply(&definitions, &self.set.query(true)).await?;
        let nothing = plan.added + plan.changed + plan.removed == 0;
        if self.dry_run {
            return context.screen.show(&plan, || words::changes(&plan, &context.screen));
        }
        // Also when nothing changes: programs that were edited run again once somebody has applied what names them.
        if !self.yes && !nothing {
            context.screen.say(words::changes(&plan, &context.screen).trim_end());
            ask()?;
        }
        // What was shown is what is done, or nothing is.
        let query = ApplyQuery { expected: Some(plan.hash), ..self.set.query(false) };
        let applied = client.apply(&definitions, &query).await?;
        context.screen.show(&applied, || words::changes(&applied, &context.screen))
    }
}

fn ask() -> Result<()> {
    if !std::io::stdin().is_terminal() {
        let failure = Failure::usage("there is nobody to ask whether these changes are meant");
        return Err(failure.hint("look at `cantus plan`, then give --yes").into());
    }
    eprint!("apply? [y/N] ");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::failed("nothing was applied").into()),
    }
}
