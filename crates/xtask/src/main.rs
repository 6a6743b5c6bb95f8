//! `cargo xtask`: one command that checks everything and changes nothing, one that repairs, and campaigns against the real
//! binary.
//!
//! Read `check` (the steps), `step` (how they run), then what the steps are made of: `borders`, `deny`, `workspace`.

mod borders;
mod check;
mod deny;
mod fix;
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
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Check(options) => check::run(&options),
        Command::Fix => fix::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
