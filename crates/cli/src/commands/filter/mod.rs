//! `cantus filter`: trying filters, without a server.

mod eval;
mod lines;
mod subject;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use subject::EventSubject;

use crate::context::Context;

/// What can be done with filters.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Eval(eval::Eval),
}

impl Verb {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        match self {
            Verb::Eval(eval) => eval.run(context),
        }
    }
}
