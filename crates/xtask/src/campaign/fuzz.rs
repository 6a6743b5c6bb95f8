//! The fuzz campaign: every target of `crates/fuzz` under libFuzzer, guided by coverage.
//!
//! The coverage comes from LLVM's own pass, which a stable compiler has too; libFuzzer itself is built with a C++ compiler. The
//! corpus that grows is kept in the build's folder, so that the next run goes on from it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::workspace::{Workspace, cargo, root};

/// What the compiler is told, so that libFuzzer sees which code an input reached.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cdebug-assertions -Coverflow-checks";
/// An input that takes longer has found something.
const INPUT_SECONDS_MAX: u32 = 10;
/// How much is shown of what a target said that found something.
const LINES_TOLD: usize = 40;
/// A target that takes more has found something.
const RSS_MIB_MAX: u32 = 2_048;

/// What the fuzz campaign is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many inputs each target gets; 0 for as many as fit in the time
    #[arg(long, default_value_t = 0)]
    count: u64,
    /// How long each target runs at most
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only these targets
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    target: Vec<String>,
}

/// Runs the campaign.
///
/// # Errors
/// When something was found, or it could not be run.
pub(crate) fn run(options: &Options) -> Result<()> {
    let workspace = Workspace::read()?;
    let seeds = root().join("crates/fuzz/seeds");
    let targets = targets(&seeds, &options.target)?;
    let folder = workspace.target_directory.join("fuzz");
    let program = build(&folder)?;
    let mut found = Vec::new();
    for target in &targets {
        if !fuzz(&program, &folder, &seeds, target, options)? {
            found.push(target.as_str());
        }
    }
    if !found.is_empty() {
        bail!(
            "something was found by {}; the inputs are in {}",
            found.join(", "),
            folder.join("found").display()
        );
    }
    println!("{} targets, nothing found", targets.len());
    Ok(())
}

fn targets(seeds: &Path, wanted: &[String]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(seeds).context("the seeds can not be listed")? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        bail!("`{unknown}` is no target; there are {}", names.join(", "));
    }
    names.retain(|name| wanted.is_empty() || wanted.contains(name));
    Ok(names)
}

fn build(folder: &Path) -> Result<PathBuf> {
    let host = host()?;
    // With `--target`, build scripts and macros stay as they are.
    let status = cargo()
        .args([
            "build",
            "--release",
            "--locked",
            "-p",
            "cantus-fuzz",
            "--features",
            "libfuzzer",
            "--target",
            &host,
        ])
        .arg("--target-dir")
        .arg(folder)
        .env("RUSTFLAGS", COVERAGE)
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .status()
        .context("cargo could not be run")?;
    if !status.success() {
        bail!("the targets could not be built; libFuzzer needs a C++ compiler");
    }
    Ok(folder.join(host).join("release/cantus-fuzz"))
}

fn host() -> Result<String> {
    let said = Command::new("rustc").arg("-vV").output().context("rustc could not be run")?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say for which machine it compiles")
}

/// Runs a target. Returns whether nothing was found.
fn fuzz(program: &Path, folder: &Path, seeds: &Path, target: &str, options: &Options) -> Result<bool> {
    let corpus = folder.join("corpus").join(target);
    let found = folder.join("found");
    for folder in [&corpus, &found] {
        std::fs::create_dir_all(folder).with_context(|| format!("{} can not be made", folder.display()))?;
    }
    println!("── {target}");
    let dictionary = seeds.join(format!("{target}.dict"));
    let mut command = Command::new(program);
    command
        .env("CANTUS_FUZZ", target)
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .arg(format!("-rss_limit_mb={RSS_MIB_MAX}"))
        .arg(format!("-artifact_prefix={}/{target}-", found.display()))
        .args(["-print_final_stats=1", "-len_control=20"]);
    if options.count > 0 {
        command.arg(format!("-runs={}", options.count));
    }
    if dictionary.exists() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    let said = folder.join(format!("{target}.log"));
    let log = std::fs::File::create(&said).with_context(|| format!("{} can not be made", said.display()))?;
    command.stdout(log.try_clone()?).stderr(log);
    let status =
        command.arg(&corpus).arg(seeds.join(target)).status().context("the target could not be run")?;
    let bytes = std::fs::read(&said).with_context(|| format!("{} can not be read", said.display()))?;
    let told = String::from_utf8_lossy(&bytes);
    for line in told.lines().filter(|line| is_worth_telling(line)) {
        println!("   {line}");
    }
    if !status.success() {
        let last: Vec<&str> = told.lines().rev().take(LINES_TOLD).collect();
        last.iter().rev().for_each(|line| println!("   {line}"));
        return Ok(false);
    }
    // Without it, inputs are thrown blindly, and nothing found means little.
    if !told.lines().any(|line| line.contains("INITED cov: ")) {
        bail!("{target} ran without coverage: {} says what libFuzzer saw", said.display());
    }
    Ok(true)
}

/// Tells whether a line says what code was reached at the beginning and the end, and how many inputs were run.
fn is_worth_telling(line: &str) -> bool {
    let reached = line.starts_with('#') && (line.contains("INITED cov: ") || line.contains("DONE   cov: "));
    reached || line.starts_with("stat::number_of_executed_units") || line.starts_with("SUMMARY")
}
