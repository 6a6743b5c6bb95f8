//! `cantus pub`: publishes events, and prints what became of them.
//!
//! `draft` is the event as the command line describes it, shared with `reply`.

mod draft;
mod receipts;

use anyhow::Result;
use cantus_api::Event;
use cantus_api::receipt::{Receipt, Receipts};
use cantus_api::time::Span;
use clap::Args;

pub(crate) use draft::Draft;
use receipts::table;

use super::exec_environment::ExecEnvironment;
use crate::context::Context;
use crate::exit::Failure;
use crate::input;

/// Publish an event and print the receipt
///
/// Inside an agent's program, the event names the one being handled as its cause: correlation, causation, hops and source come
/// from the environment unless they are given.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus pub project.tasks --type UserStoryApproved --data '{\"story_id\":\"S1\"}'\n  \
    cantus pub orders --type OrderPlaced --data @order.json --key customer-7\n  \
    cantus pub orders --type OrderPaid --stream order/42 --expected-revision 3 --data -")]
pub(crate) struct Publish {
    /// The topic
    topic: Option<String>,
    #[command(flatten)]
    draft: Draft,
    /// The event's id; with its source it is stored once, however often it is sent
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// How many events to publish, with ids of their own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// Deliver it that much later, and not before
    #[arg(long, value_name = "SPAN", value_parser = input::span)]
    delay: Option<Span>,
    /// The story it belongs to; its own id unless given
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// The id of the event that caused it
    #[arg(long, value_name = "ID")]
    causation: Option<String>,
    /// Publish only if the stream has this revision; 0 means that it must not exist
    #[arg(long, value_name = "N", requires = "stream")]
    expected_revision: Option<u64>,
    /// When it is of no use any more: a time or a span from now
    #[arg(long, value_name = "TIME|SPAN")]
    expires: Option<String>,
}

/// Events of one request. Below the server's limits even when every event is large.
const BATCH_EVENTS: u32 = 500;
const BATCH_BYTES: usize = 4 << 20;

impl Publish {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let handled = ExecEnvironment::of_this_process();
        let Some(topic) = self.topic.clone().or_else(|| handled.topic.clone()) else {
            let hint = format!("write `cantus pub TOPIC --type {}`", self.draft.event_type);
            return Err(Failure::usage("no topic is given").hint(hint).into());
        };
        if self.count > 1 && (self.id.is_some() || self.expected_revision.is_some()) {
            return Err(
                Failure::usage("--id and --expected-revision are for one event, not with --count").into()
            );
        }
        let event = self.event(&handled, context.screen.now_ms())?;
        let client = context.client()?;
        let mut receipts: Vec<Receipt> = Vec::new();
        let size = event.data.as_ref().map_or(0, |data| data.bytes.len()) + 1024;
        let batch_max = BATCH_EVENTS.min(u32::try_from(BATCH_BYTES / size).unwrap_or(1)).max(1);
        let mut left = self.count;
        while left > 0 {
            let batch = left.min(batch_max);
            let events = vec![event.clone(); batch as usize];
            let publish = match events.as_slice() {
                [one] => client.publish(one),
                many => client.publish_all(many),
            };
            let publish = match self.expected_revision {
                Some(revision) => publish.expected_revision(revision),
                None => publish,
            };
            receipts.extend(publish.topic(&topic).send().await.inspect_err(|_| {
                if !receipts.is_empty() {
                    context.screen.warn(&format!(
                        "{} of {} events were published",
                        receipts.len(),
                        self.count
                    ));
                }
            })?);
            left -= batch;
        }
        self.print(receipts, context)
    }

    fn event(&self, handled: &ExecEnvironment, now_ms: i64) -> Result<Event> {
        let mut event = self.draft.event(handled.agent.as_deref().unwrap_or(DEFAULT_SOURCE))?;
        event.id.clone_from(&self.id);
        event.correlation_id.clone_from(&self.correlation);
        event.causation_id.clone_from(&self.causation);
        if let Some(delay) = self.delay {
            event.deliver_at = Some(input::time_or_span(&delay.to_string(), now_ms)?);
        }
        if let Some(expires) = &self.expires {
            event.expires_at = Some(input::time_or_span(expires, now_ms)?);
        }
        handled.inherit(&mut event);
        Ok(event)
    }

    fn print(&self, mut receipts: Vec<Receipt>, context: &Context) -> Result<()> {
        let screen = &context.screen;
        for warning in receipts.iter().flat_map(|receipt| &receipt.warnings) {
            screen.warn(warning);
        }
        if receipts.len() == 1 {
            let receipt = receipts.remove(0);
            return screen.show(&receipt, || receipts::one(&receipt));
        }
        match screen.format {
            crate::output::Format::Jsonl => {
                for receipt in &receipts {
                    screen.show(receipt, String::new)?;
                }
                Ok(())
            }
            _ => {
                let receipts = Receipts { results: receipts };
                screen.show(&receipts, || table(&receipts.results, screen))
            }
        }
    }
}

/// Who publishes, when nobody is named.
const DEFAULT_SOURCE: &str = "/cli";
