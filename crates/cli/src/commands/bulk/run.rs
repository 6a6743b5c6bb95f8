//! How a command begins an operation: first what is meant is shown, then exactly that is done.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::Result;
use cantus_api::bulk_operation::{BulkRequest, Rate, Status};
use cantus_api::time::Instant;
use clap::Args;

use super::{progress, words};
use crate::context::Context;
use crate::exit::Failure;

/// How many, how fast, and whether at all.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct BulkOptions {
    /// Only show what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How many at most, the oldest first; 10000 unless given
    #[arg(long, value_name = "N")]
    pub(crate) max: Option<u32>,
    /// How fast: 20/s, 100/m or 5/h; 100/s unless given
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) rate: Option<Rate>,
    /// Only what was there by then: a time such as 2026-11-29T14:30:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) as_of: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Return at once; the operation goes on by itself
    #[arg(long)]
    pub(crate) no_wait: bool,
}

fn rate(text: &str) -> Result<Rate, String> {
    text.parse().map_err(|wrong: cantus_api::bulk_operation::InvalidRate| wrong.to_string())
}

fn time(text: &str) -> Result<String, String> {
    Instant::parse(text).map(|_| text.to_owned()).map_err(|wrong| wrong.to_string())
}

impl BulkOptions {
    /// Returns whether any of them was given: then even a single item is an operation.
    pub(crate) fn said(&self) -> bool {
        self.dry_run || self.max.is_some() || self.rate.is_some() || self.as_of.is_some() || self.no_wait
    }
}

/// Begins an operation and follows it until it is over.
///
/// # Errors
///
/// When it is refused, somebody says no, or an item failed.
pub(crate) async fn run(context: &Context, mut request: BulkRequest, options: &BulkOptions) -> Result<()> {
    let client = context.client()?;
    request.max = options.max;
    request.rate = options.rate;
    request.as_of.clone_from(&options.as_of);
    let plan = client.bulk_operate(&BulkRequest { dry_run: true, ..request.clone() }).await?;
    if options.dry_run {
        return context.screen.show(&plan, || words::plan(&plan));
    }
    if plan.total > 0 && !options.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        context.screen.say(words::plan(&plan).trim_end());
        ask()?;
    }
    // What was shown is what is done.
    request.hash = Some(plan.hash);
    request.as_of = Some(plan.as_of);
    let begun = client.bulk_operate(&request).await?;
    let ended = if options.no_wait {
        begun.clone()
    } else {
        progress::follow(&client, begun.clone(), context).await?
    };
    let ended = cantus_api::bulk_operation::BulkOperation {
        left_out: begun.left_out,
        left_out_count: begun.left_out_count,
        matched: begun.matched,
        ..ended
    };
    context.screen.show(&ended, || words::ended(&ended))?;
    let hint = ended.id.as_ref().map(|id| format!("see cantus bulk get {id}"));
    let failure = match ended.status {
        Status::Aborted => Failure::failed("somebody aborted the operation"),
        _ if ended.failed > 0 => Failure::failed(format!("{} could not be done", ended.failed)),
        _ => return Ok(()),
    };
    Err(failure.hint(hint.unwrap_or_default()).into())
}

fn ask() -> Result<()> {
    eprint!("go on? [y/N] ");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::failed("nothing was done").into()),
    }
}
