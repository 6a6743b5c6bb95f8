//! `cantus deliveries retry` and `cantus deliveries give-up`

use anyhow::Result;
use cantus_api::bulk_operation::{Action, BulkRequest, Filter, Waiting};
use clap::Args;
use serde_json::Value;

use crate::commands::bulk::{self, BulkOptions};
use crate::context::Context;

/// Which deliveries are meant.
#[derive(Debug, Clone, Args)]
struct Selection {
    /// The deliveries' ids
    #[arg(value_name = "ID", required_unless_present_any = ["subscription", "topic", "filter"])]
    ids: Vec<String>,
    /// All of this subscription: agent/name
    #[arg(long, value_name = "SUBSCRIPTION")]
    subscription: Option<String>,
    /// All of this topic
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// All whose event matches, such as 'type=Paid' or 'data.amount > 10'
    #[arg(long, value_name = "EXPR")]
    filter: Option<String>,
}

impl Selection {
    fn request(self, action: Action, waiting: Option<Waiting>, reason: Option<String>) -> BulkRequest {
        let filter = Filter {
            ids: self.ids,
            subscription: self.subscription,
            topic: self.topic,
            event: self.filter.map(Value::String),
            waiting,
            ..Filter::default()
        };
        BulkRequest { action, filter, as_of: None, dry_run: false, max: None, rate: None, reason, hash: None }
    }
}

/// Try deliveries now that wait for a retry
#[derive(Debug, Args)]
pub(crate) struct Retry {
    #[command(flatten)]
    selection: Selection,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    bulk: BulkOptions,
}

impl Retry {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let request = self.selection.request(Action::Retry, None, self.reason);
        bulk::run(context, request, &self.bulk).await
    }
}

/// Make dead letters of deliveries that wait
#[derive(Debug, Args)]
pub(crate) struct GiveUp {
    #[command(flatten)]
    selection: Selection,
    /// Only those that wait for a retry, not those that wait for their turn
    #[arg(long)]
    retrying: bool,
    /// Why
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    reason: Option<String>,
    #[command(flatten)]
    bulk: BulkOptions,
}

impl GiveUp {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let waiting = self.retrying.then_some(Waiting::Retry);
        let request = self.selection.request(Action::GiveUp, waiting, self.reason);
        bulk::run(context, request, &self.bulk).await
    }
}
