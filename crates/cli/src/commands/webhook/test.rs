//! `cantus webhook test`

use anyhow::Result;
use cantus_api::error::ExitCode;
use cantus_api::subscription::WebhookTest;
use clap::Args;

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Screen, Tone};

/// Send a test event to the receiver of a webhook subscription, from the server, and show what it answers
///
/// The event has the type cantus.webhook.test. It is no delivery: nothing is counted, retried or published.
#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The subscription's id: agent/name
    id: String,
}

impl Test {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let tested = context.client()?.test_webhook(&self.id).await?;
        context.screen.show(&tested, || text(&tested, &context.screen))?;
        if tested.acknowledged { Ok(()) } else { Err(Failure::said(ExitCode::Failed).into()) }
    }
}

fn text(tested: &WebhookTest, screen: &Screen) -> String {
    let status = tested.status.map_or_else(|| "no answer".to_owned(), |status| format!("status {status}"));
    let (tone, word) =
        if tested.acknowledged { (Tone::Good, "acknowledged") } else { (Tone::Bad, "not acknowledged") };
    let mut lines = vec![format!("{}: {status}, {} ms", screen.paint(tone, word), tested.duration_ms)];
    if let Some(class) = &tested.class {
        lines.push(format!("class    {class}"));
    }
    if let Some(message) = &tested.message {
        lines.push(format!("because  {message}"));
    }
    if tested.events > 0 {
        lines.push(format!(
            "events   {} in the answer; as an answer to a delivery they would be published",
            tested.events
        ));
    }
    if let Some(answer) = &tested.answer {
        lines.push(format!("answer   {}", answer.trim_end()));
    }
    lines.join("\n")
}
