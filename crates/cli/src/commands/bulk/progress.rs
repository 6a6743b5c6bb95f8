//! Following an operation until it is over: a bar on a terminal, JSON lines elsewhere.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Result;
use cantus_api::bulk_operation::{BulkOperation, Status};
use cantus_client::Client;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::context::Context;
use crate::output::Format;

/// How often the operation is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Returns the operation once it is over. Whoever stops following leaves it running.
pub(super) async fn follow(
    client: &Client,
    mut operation: BulkOperation,
    context: &Context,
) -> Result<BulkOperation> {
    let Some(id) = operation.id.clone() else { return Ok(operation) };
    let bar = bar(&operation, context);
    let mut told = None;
    while operation.status == Status::Running {
        if told != Some(operation.handled()) {
            told = Some(operation.handled());
            tell(&operation, bar.as_ref(), context)?;
        }
        tokio::time::sleep(LOOK_EVERY).await;
        operation = client.bulk_operation(&id).await?;
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(operation)
}

fn bar(operation: &BulkOperation, context: &Context) -> Option<ProgressBar> {
    if !std::io::stderr().is_terminal() || context.screen.verbosity() < 0 {
        return None;
    }
    let bar = ProgressBar::with_draw_target(Some(u64::from(operation.total)), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(operation.id.clone().unwrap_or_default());
    Some(bar)
}

fn tell(operation: &BulkOperation, bar: Option<&ProgressBar>, context: &Context) -> Result<()> {
    if context.screen.format() == Format::Jsonl {
        return context.screen.show(operation, String::new);
    }
    match bar {
        Some(bar) => bar.set_position(u64::from(operation.handled())),
        None => context.screen.note(
            &json!({"id": operation.id, "status": operation.status, "done": operation.done,
                    "skipped": operation.skipped, "failed": operation.failed, "total": operation.total})
            .to_string(),
        ),
    }
    Ok(())
}
