//! `cantus event`: the event an agent's program has at hand, without a server and without other tools.

mod get;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use get::{read_event, without_place};

use crate::context::Context;

/// What can be done with an event at hand.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Get(get::Get),
}

impl Verb {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        match self {
            Verb::Get(get) => get.run(context),
        }
    }
}
