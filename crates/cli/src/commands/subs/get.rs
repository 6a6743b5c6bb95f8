//! `cantus subs get`

use anyhow::Result;
use cantus_api::subscription::{Breaker, BreakerState, Origin, Pause, Subscription};
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
        ("rate", one.rate.clone().unwrap_or_default()),
        ("held keys", if one.held_keys > 0 { one.held_keys.to_string() } else { String::new() }),
        ("breaker", one.breaker.as_ref().map(|breaker| broken(breaker, screen)).unwrap_or_default()),
    ])
}

/// Returns a breaker in words.
fn broken(breaker: &Breaker, screen: &Screen) -> String {
    let state = match breaker.state {
        BreakerState::Closed if breaker.failures == 0 => return "closed".to_owned(),
        BreakerState::Closed => {
            let (failures, threshold) = (breaker.failures, breaker.failure_threshold);
            return format!("closed, {failures} of {threshold} failures in a row");
        }
        BreakerState::Open => "open",
        BreakerState::HalfOpen => "half open, a probe is on its way",
    };
    let mut words = vec![state.to_owned()];
    if let Some(since) = &breaker.since {
        words.push(format!("since {}", screen.time(since)));
    }
    if let Some(at) = &breaker.probe_at {
        words.push(format!("next probe at {}", screen.time(at)));
    }
    if let Some(message) = &breaker.message {
        words.push(format!("because {message}"));
    }
    words.join(", ")
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
