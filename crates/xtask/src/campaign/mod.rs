//! Campaigns: the real binary, treated badly, and judged by what it promised.
//!
//! `binary` builds it, `server` runs it; `kill` is the campaign that ends it again and again; `fuzz` throws bytes at
//! whatever reads bytes; `sim` runs the whole coordinator from seeds; `disk` lets its disk fail.

mod binary;
mod disk;
mod fuzz;
mod kill;
mod server;
mod sim;

pub(crate) use binary::{build, build_release};
pub(crate) use server::Server;
pub(crate) use sim::seeds;

use anyhow::Result;
use clap::Subcommand;

/// Which campaign.
#[derive(Debug, Subcommand)]
pub(crate) enum Campaign {
    /// Publish and consume while the server is killed with SIGKILL at random, and judge what is left
    Kill(kill::Options),
    /// Let the disk fail in every way a disk fails, and judge what is left
    Disk(disk::Options),
    /// Throw bytes at everything that reads bytes, guided by coverage
    Fuzz(fuzz::Options),
    /// Run the whole coordinator from seeds, on a disk and with agents that misbehave, and judge it by what it promised
    Sim(sim::Options),
}

impl Campaign {
    /// Runs it.
    ///
    /// # Errors
    /// When a promise was broken, or the campaign could not be run.
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Campaign::Kill(options) => kill::run(options),
            Campaign::Disk(options) => disk::run(options),
            Campaign::Fuzz(options) => fuzz::run(options),
            Campaign::Sim(options) => sim::run(options),
        }
    }
}
