//! `cantus subs get`

use anyhow::Result;
use cantus_api::subscription::{Origin, Pause, Subscription};
use clap::Args;

use super::ls::{filter, state};
use crate::context::Context;
use crate::output::{Screen, fields};

/// Print one subscription
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// The subscription's id: agent/name
    id: String,
}

impl Get {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let subscription = context.client()?.subscription(&self.id).await?;
        context.screen.show(&subscription, || text(&subscription, &context.screen))
    }
}

/// Returns a subscription, a field per line.
pub(super) fn text(one: &Subscription, screen: &Screen) -> String {
    let cursors: Vec<String> =
        one.cursors.iter().map(|cursor| format!("{} {}", cursor.priority, cursor.position)).collect();
    let action = format!("{} {}", one.action.kind, one.action.summary);
    fields(&[
        ("id", one.id.clone()),
        ("topics", one.topics.join(", ")),
        ("filter", filter(one)),
        ("action", action.trim_end().to_owned()),
        ("timeout", one.action.timeout.map(|timeout| timeout.to_string()).unwrap_or_default()),
        ("state", state(one.state).to_owned()),
        ("paused", one.pause.as_ref().map(|pause| paused(pause, screen)).unwrap_or_default()),
        ("origin", origin(one.origin).to_owned()),
        ("cursors", cursors.join("\n")),
        ("lag", format!("{} events", one.lag_events)),
        (
            "deliveries",
            format!("{} in flight, {} retrying, {} waiting", one.in_flight, one.retrying, one.waiting),
        ),
        ("dead letters", one.dead_letters.to_string()),
        ("concurrency", one.concurrency.to_string()),
        (
            "order",
            serde_json::to_value(one.order)
                .ok()
                .and_then(|order| order.as_str().map(str::to_owned))
                .unwrap_or_default(),
        ),
        ("retry", serde_json::to_string(&one.retry).unwrap_or_default()),
    ])
}

/// Returns the word for where a definition comes from.
pub(crate) fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::File => "file",
        Origin::Api => "api",
        Origin::Applied => "applied",
    }
}

/// Returns a pause in words.
pub(crate) fn paused(pause: &Pause, screen: &Screen) -> String {
    let mut words = vec![format!("since {}", screen.time(&pause.since))];
    if let Some(by) = &pause.by {
        words.push(format!("by {by}"));
    }
    if let Some(until) = &pause.until {
        words.push(format!("until {}", screen.time(until)));
    }
    if let Some(event) = &pause.until_event {
        words.push(format!("until an event with {event}"));
    }
    if let Some(reason) = &pause.reason {
        words.push(format!("because {reason}"));
    }
    words.join(", ")
}
