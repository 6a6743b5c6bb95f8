//! How steps run: each is announced, timed and summed up at the end.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// One thing that is checked or repaired.
pub(crate) struct Step<O> {
    /// The word for `--only` and `--skip`.
    pub(crate) name: &'static str,
    /// What it does, in words or as a command.
    pub(crate) what: &'static str,
    /// Does it.
    pub(crate) run: fn(&O) -> Result<()>,
}

enum End {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

/// Runs steps one after the other and prints how each ended. Stops at the first failure unless told to keep going.
///
/// # Errors
/// When a step failed; the summary names it.
pub(crate) fn run_all<O>(steps: &[&Step<O>], options: &O, keep_going: bool) -> Result<()> {
    let mut ends = Vec::new();
    let mut failed = false;
    for step in steps {
        if failed && !keep_going {
            ends.push(End::NotRun);
            continue;
        }
        eprintln!("\n── {}: {}", step.name, step.what);
        let started = Instant::now();
        let result = (step.run)(options);
        let took = started.elapsed();
        match result {
            Ok(()) => ends.push(End::Passed(took)),
            Err(error) => {
                eprintln!("{}: {error:#}", step.name);
                failed = true;
                ends.push(End::Failed(took));
            }
        }
    }
    eprintln!("\n── summary");
    for (step, end) in steps.iter().zip(&ends) {
        match end {
            End::Passed(took) => eprintln!("{:<10} passed   {:>7.1} s", step.name, took.as_secs_f64()),
            End::Failed(took) => eprintln!("{:<10} FAILED   {:>7.1} s", step.name, took.as_secs_f64()),
            End::NotRun => eprintln!("{:<10} not run", step.name),
        }
    }
    let names: Vec<&str> = steps
        .iter()
        .zip(&ends)
        .filter_map(|(step, end)| matches!(end, End::Failed(_)).then_some(step.name))
        .collect();
    if names.is_empty() { Ok(()) } else { bail!("{} failed", names.join(", ")) }
}

/// Runs a command to its end, with its output shown.
///
/// # Errors
/// When it cannot be started or does not end with 0.
pub(crate) fn shown(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("`{name}` cannot be started"))?;
    if !status.success() {
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        bail!("`{name} {}` ended with {status}", arguments.join(" "));
    }
    Ok(())
}
