//! Seeds of the simulation, run by `cantus-sim` as cargo builds it.

use std::num::NonZero;

use anyhow::Result;
use clap::Args;

use crate::step::shown;
use crate::workspace::cargo;

/// Which seeds.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run one seed again and tell every step
    #[arg(long, conflicts_with_all = ["count", "from"])]
    seed: Option<u64>,
    /// How many seeds to run
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many steps each world lives, before it is drained
    #[arg(long)]
    steps: Option<u64>,
    /// Go on after a broken promise, up to so many
    #[arg(long, default_value_t = 1)]
    failures: usize,
}

/// Runs seeds on all processors, or one seed step by step.
///
/// # Errors
/// When a promise was broken; its seed and its steps are printed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--package", "cantus-sim", "--"]);
    if let Some(seed) = options.seed {
        command.args(["--seed", &seed.to_string()]);
    } else {
        let jobs = std::thread::available_parallelism().map_or(1, NonZero::get);
        command.args(["--count", &options.count.to_string(), "--from", &options.from.to_string()]);
        command.args(["--jobs", &jobs.to_string(), "--failures", &options.failures.to_string()]);
    }
    if let Some(steps) = options.steps {
        command.args(["--steps", &steps.to_string()]);
    }
    shown(&mut command)
}

/// How many steps a seed of a check lives: about half as many as in a campaign.
const STEPS_OF_A_CHECK: u32 = 125;

/// Runs so many seeds as cargo builds them for development, on all processors.
///
/// # Errors
/// When a promise was broken; its seed and its steps are printed.
pub(crate) fn seeds(count: u64) -> Result<()> {
    let jobs = std::thread::available_parallelism().map_or(1, NonZero::get);
    shown(cargo().args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "cantus-sim",
        "--",
        "--count",
        &count.to_string(),
        "--steps",
        &STEPS_OF_A_CHECK.to_string(),
        "--jobs",
        &jobs.to_string(),
    ]))
}
