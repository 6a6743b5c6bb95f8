//! The library that is preloaded, and how it is told what to do.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::workspace::cargo;

/// Builds the library and returns where it is.
///
/// # Errors
/// When it does not compile.
pub(super) fn build() -> Result<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--package", "cantus-faults", "--message-format", "json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output().context("cargo cannot be started")?;
    if !output.status.success() {
        bail!("`cargo build --package cantus-faults` ended with {}", output.status);
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let files = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let names = files.filter(|message| message["target"]["name"] == "cantus_faults");
    names
        .filter_map(|message| message["filenames"][0].as_str().map(PathBuf::from))
        .next()
        .context("cargo did not say where it put the library")
}

/// A disk that fails.
pub(super) struct Shim {
    variables: Vec<(String, String)>,
    counts: PathBuf,
}

impl Shim {
    /// One that only counts what is done to files below `watched`.
    ///
    /// # Errors
    /// When the file of the counts cannot be written.
    pub(super) fn new(library: &Path, watched: &Path, dir: &Path) -> Result<Self> {
        let counts = dir.join("counts");
        std::fs::write(&counts, [0; 16])?;
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let variables =
            [("LD_PRELOAD", text(library)), ("FAULTS_DIR", text(watched)), ("FAULTS_COUNTS", text(&counts))];
        Ok(Self { variables: variables.map(|(name, value)| (name.to_owned(), value)).into(), counts })
    }

    /// Adds something to do.
    pub(super) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.push((name.to_owned(), value.to_string()));
        self
    }

    pub(super) fn variables(&self) -> Vec<(String, String)> {
        self.variables.clone()
    }

    /// Returns how many operations and how many syncs there were.
    pub(super) fn counts(&self) -> (u64, u64) {
        let bytes = std::fs::read(&self.counts).unwrap_or_default();
        let number = |at: usize| {
            bytes.get(at..at + 8).and_then(|part| part.try_into().ok()).map_or(0, u64::from_le_bytes)
        };
        (number(0), number(8))
    }
}
