//! The binary that is tried: as cargo builds it for development.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::workspace::cargo;

/// A line of what cargo says in JSON; only what is needed of it.
#[derive(Deserialize)]
struct Message {
    reason: String,
    executable: Option<PathBuf>,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds `cantus` and returns where it is.
///
/// # Errors
/// When it does not compile.
pub(crate) fn build() -> Result<PathBuf> {
    build_with(&[])
}

/// Builds `cantus` as it is given to users, and returns where it is.
///
/// # Errors
/// When it does not compile.
pub(crate) fn build_release() -> Result<PathBuf> {
    build_with(&["--release"])
}

fn build_with(options: &[&str]) -> Result<PathBuf> {
    let mut command = cargo();
    command
        .args(["build", "--package", "cantus-cli", "--message-format", "json-render-diagnostics"])
        .args(options);
    let output = command.stderr(Stdio::inherit()).output().context("cargo cannot be started")?;
    if !output.status.success() {
        bail!("`cargo build --package cantus-cli` ended with {}", output.status);
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let built =
        said.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok()).find_map(|message| {
            let is_ours =
                message.reason == "compiler-artifact" && message.target.is_some_and(|it| it.name == "cantus");
            message.executable.filter(|_| is_ours)
        });
    built.context("cargo did not say where it put the binary `cantus`")
}
