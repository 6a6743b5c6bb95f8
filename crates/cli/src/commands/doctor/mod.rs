//! `cantus doctor`: what could be wrong here, and how to repair it. `checks`, `machine`, `load` and `sandbox` look, `finding` is what it sees.

mod checks;
mod finding;
mod load;
mod machine;
mod sandbox;

use std::path::PathBuf;

use anyhow::Result;
use cantus_api::error::ExitCode;
use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::exit::Failure;
use crate::output::Format;
use finding::{Finding, Level, text};

/// Look for what could be wrong, and say how to mend it
///
/// The server and its version, the token, the disk, the file system, open files, the sandbox, the clock, what waits too long, dead
/// letters, topics nobody hears, agents.
///
/// Exit code 1 when something is wrong, 0 when there are only warnings.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The folder where a server on this machine keeps its state
    #[arg(
        long,
        value_name = "FOLDER",
        env = "CANTUS_DATA_DIR",
        hide_env_values = true,
        default_value = ".cantus"
    )]
    data_dir: PathBuf,
}

impl Doctor {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let mut findings: Vec<Finding> = checks::here(&self.data_dir, context.global.server_url());
        if crate::token::is_this_machine(context.global.server_url()) {
            findings.push(sandbox::sandbox().await);
        }
        findings.extend(checks::server(context).await?);
        let failed = findings.iter().any(|finding| finding.level == Level::Fail);
        let screen = &context.screen;
        if screen.format == Format::Jsonl {
            for finding in &findings {
                screen.show(finding, String::new)?;
            }
        } else {
            screen.show(&json!({"ok": !failed, "checks": findings}), || text(&findings, screen))?;
        }
        match failed {
            true => Err(Failure::said(ExitCode::Failed).into()),
            false => Ok(()),
        }
    }
}
