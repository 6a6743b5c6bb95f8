//! `cantus schedules`: what fires at times.

mod lines;
mod next;
mod question;

use anyhow::Result;
use clap::Subcommand;

use crate::context::Context;

/// What can be done with schedules.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Next(next::Next),
}

impl Verb {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        match self {
            Verb::Next(next) => next.run(context),
        }
    }
}
