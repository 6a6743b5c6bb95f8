//! Which dead letters a command is about: one by its id, or many by ids, group or filter.

use cantus_api::bulk_operation::{Action, BulkRequest, Filter};
use clap::Args;
use serde_json::Value;

/// Which dead letters are meant.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Selection {
    /// The dead letters' ids
    #[arg(value_name = "ID", required_unless_present_any = ["group", "filter", "subscription"])]
    pub(super) ids: Vec<String>,
    /// All of this group: its fingerprint, as `cantus dlq groups` shows it
    #[arg(long, value_name = "FINGERPRINT")]
    group: Option<String>,
    /// All whose event matches, such as 'type=Paid' or 'data.amount > 10'
    #[arg(long, value_name = "EXPR")]
    filter: Option<String>,
    /// All of this subscription: agent/name
    #[arg(long, value_name = "SUBSCRIPTION")]
    subscription: Option<String>,
}

impl Selection {
    /// Returns the id if one dead letter is named and nothing else is said.
    pub(super) fn single(&self) -> Option<&str> {
        let wide = self.group.is_some() || self.filter.is_some() || self.subscription.is_some();
        match self.ids.as_slice() {
            [only] if !wide => Some(only),
            _ => None,
        }
    }

    /// Returns the request for all that are meant.
    pub(super) fn request(self, action: Action, reason: Option<String>) -> BulkRequest {
        let filter = Filter {
            ids: self.ids,
            subscription: self.subscription,
            event: self.filter.map(Value::String),
            fingerprint: self.group,
            ..Filter::default()
        };
        BulkRequest { action, filter, as_of: None, dry_run: false, max: None, rate: None, reason, hash: None }
    }
}
