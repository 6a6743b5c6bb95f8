//! `cargo xtask fix`: repairs what needs no thought, and accepts snapshots as they now are. Look at the diff afterwards.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::step::{Step, run_all, shown};
use crate::workspace::{cargo, root};

const STEPS: &[Step<()>] = &[
    Step {
        name: "clippy",
        what: "cargo clippy --fix --workspace --all-targets --allow-dirty --allow-staged",
        run: clippy,
    },
    Step { name: "format", what: "cargo fmt --all", run: format },
    Step { name: "snapshots", what: "cargo test --workspace, with new snapshots accepted", run: snapshots },
];

/// Runs every repair, whether or not the one before succeeded.
///
/// # Errors
/// When one fails.
pub(crate) fn run() -> Result<()> {
    let steps: Vec<_> = STEPS.iter().collect();
    run_all(&steps, &(), true)
}

fn clippy(_: &()) -> Result<()> {
    shown(cargo().args([
        "clippy",
        "--fix",
        "--workspace",
        "--all-targets",
        "--allow-dirty",
        "--allow-staged",
    ]))
}

fn format(_: &()) -> Result<()> {
    shown(cargo().args(["fmt", "--all"]))
}

fn snapshots(_: &()) -> Result<()> {
    let mut test = cargo();
    test.args(["test", "--workspace", "--no-fail-fast"]);
    // Snapshots in files are written at once. Those within sources are only noted beside them, for `cargo insta` to put in.
    let tested = shown(test.env("INSTA_UPDATE", "always").env("INSTA_FORCE_PASS", "1"));
    let noted = noted_beside(&root().join("crates"))?;
    if !noted.is_empty() {
        let mut insta = cargo();
        insta.args(["insta", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
        if !insta.status().is_ok_and(|status| status.success()) {
            noted.iter().for_each(|file| eprintln!("not put in: {}", file.display()));
            bail!("run `cargo install cargo-insta --locked`, then `cargo insta accept --workspace`");
        }
        shown(cargo().args(["insta", "accept", "--workspace"]))?;
    }
    tested
}

/// Returns the files that note new snapshots beside sources.
fn noted_beside(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut noted = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|ending| ending == "pending-snap") {
                noted.push(entry.path());
            }
        }
    }
    Ok(noted)
}
