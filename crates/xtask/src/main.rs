//! `cargo xtask`: one command that checks everything and changes nothing, one that repairs, and campaigns against the real
//! binary.
//!
//! Read `check` (the steps), `step` (how they run), then what the steps are made of: `borders`, `deny`, `workspace`. Then
//! `smoke`, `bench` and `campaign`.

mod bench;
mod borders;
mod campaign;
mod check;
mod deny;
mod fix;
mod smoke;
mod step;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Checks, repairs and campaigns for the Cantus workspace
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check everything; change nothing
    Check(check::Options),
    /// Repair what can be repaired by itself: format, lints, snapshots
    Fix,
    /// Start the server as the README says it, but for `--release`, publish an event and stop it again
    Smoke,
    /// Give the same load to Cantus and to others, and print the ratios
    Bench(bench::Options),
    /// Treat the real binary badly, and judge it by what it promised
    #[command(subcommand)]
    Campaign(campaign::Campaign),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Check(options) => check::run(&options),
        Command::Fix => fix::run(),
        Command::Smoke => smoke::run(),
        Command::Bench(options) => bench::run(&options),
        Command::Campaign(campaign) => campaign.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
