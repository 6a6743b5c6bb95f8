//! Licences, bans and sources of dependencies, judged by `cargo deny` as `deny.toml` says.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::step::shown;
use crate::workspace::{Workspace, cargo, root};

/// The version that is installed when there is none.
const VERSION: &str = "0.20.2";

/// Runs `cargo deny check bans licenses sources`.
///
/// # Errors
/// When a dependency is not allowed, or the tool is missing and may not be installed.
pub(crate) fn check(workspace: &Workspace, may_install: bool) -> Result<()> {
    let program = match found(workspace) {
        Some(program) => program,
        None if may_install => install(workspace)?,
        None => bail!(
            "cargo-deny is not installed: run `cargo xtask check --install`, or `cargo install cargo-deny --locked`"
        ),
    };
    let mut deny = Command::new(program);
    deny.current_dir(root()).args(["deny", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    shown(&mut deny)
}

fn found(workspace: &Workspace) -> Option<PathBuf> {
    let own = workspace.tools().join("bin/cargo-deny");
    [PathBuf::from("cargo-deny"), own].into_iter().find(|program| {
        let mut version = Command::new(program);
        version.args(["deny", "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    })
}

/// Installs it beside the build's files, so that nothing outside the workspace changes.
fn install(workspace: &Workspace) -> Result<PathBuf> {
    eprintln!("cargo-deny is not installed; installing {VERSION} into {}", workspace.tools().display());
    let mut install = cargo();
    install.args(["install", "cargo-deny", "--locked", "--quiet", "--version", VERSION, "--root"]);
    shown(install.arg(workspace.tools()))?;
    Ok(workspace.tools().join("bin/cargo-deny"))
}
