//! The workspace as cargo knows it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// What `cargo metadata` says of the workspace's own packages.
#[derive(Debug, Deserialize)]
pub(crate) struct Workspace {
    /// The packages.
    pub(crate) packages: Vec<Package>,
    /// Where the build puts its files.
    pub(crate) target_directory: PathBuf,
}

/// A package of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// What it says it needs.
    pub(crate) dependencies: Vec<Dependency>,
}

/// A line of a manifest's dependencies.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    /// The package it names.
    pub(crate) name: String,
    /// `dev`, `build`, or nothing for an ordinary one.
    pub(crate) kind: Option<String>,
}

impl Workspace {
    /// Asks cargo.
    ///
    /// # Errors
    /// When cargo fails or answers something else than it did.
    pub(crate) fn read() -> Result<Workspace> {
        let answer = cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .output()
            .context("`cargo metadata` cannot be started")?;
        if !answer.status.success() {
            bail!("`cargo metadata` failed: {}", String::from_utf8_lossy(&answer.stderr).trim());
        }
        serde_json::from_slice(&answer.stdout)
            .context("`cargo metadata` answered something else than expected")
    }

    /// Returns where tools are kept that checks need beside the toolchain.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target_directory.join("tools")
    }
}

/// Returns the folder the workspace is in.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the manifest lies in <root>/crates/xtask")
}

/// Returns a command of cargo that runs in the workspace's folder: the cargo that runs us, if one does.
pub(crate) fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}
