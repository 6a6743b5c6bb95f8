//! `cantus subs ls`

use anyhow::Result;
use cantus_api::subscription::{State, Subscription, SubscriptionsQuery};
use clap::Args;

use crate::context::Context;
use crate::output::{ListOptions, Screen, Table, gather};

/// List subscriptions
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only those of this agent
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Only those that listen to this topic
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    #[command(flatten)]
    list: ListOptions,
}

impl Ls {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let (agent, topic) = (self.agent, self.topic);
        let all = gather(&self.list, async |limit, cursor| {
            let query =
                SubscriptionsQuery { agent: agent.clone(), topic: topic.clone(), limit: Some(limit), cursor };
            client.subscriptions(&query).await
        })
        .await?;
        context.screen.list(&all, |all| table(all, &context.screen))
    }
}

fn table(subscriptions: &[Subscription], screen: &Screen) -> String {
    let mut table =
        Table::new(["ID", "STATE", "ACTION", "LAG", "IN FLIGHT", "RETRYING", "WAITING", "DEAD", "FILTER"]);
    for one in subscriptions {
        table.row([
            one.id.clone(),
            state(one.state).to_owned(),
            one.action.kind.clone(),
            one.lag_events.to_string(),
            one.in_flight.to_string(),
            one.retrying.to_string(),
            one.waiting.to_string(),
            one.dead_letters.to_string(),
            filter(one),
        ]);
    }
    table.render(screen, "no subscriptions")
}

/// Returns the word for a state.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Active => "active",
        State::Paused => "paused",
    }
}

/// Returns a filter as it would be written on one line.
pub(super) fn filter(subscription: &Subscription) -> String {
    match &subscription.filter {
        None => "-".to_owned(),
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    #[test]
    fn a_subscription_is_a_row() {
        let one: Subscription = serde_json::from_value(serde_json::json!({
            "id": "coder/tasks", "agent": "/coder", "name": "tasks", "topics": ["tasks"], "filter": {"type": "A"},
            "action": {"kind": "exec", "summary": "./coder.sh"}, "state": "active", "origin": "file",
            "lag_events": 3, "in_flight": 1, "retrying": 0, "waiting": 2, "dead_letters": 4,
            "retry": {}, "concurrency": 4, "order": "key"
        }))
        .unwrap();
        let screen = Screen::fixed(TimeStyle::Iso, "2026-01-01T00:00:00Z");
        insta::assert_snapshot!(table(&[one], &screen), @r#"
        ID           STATE   ACTION  LAG  IN FLIGHT  RETRYING  WAITING  DEAD  FILTER
        coder/tasks  active  exec    3    1          0         2        4     {"type":"A"}
        "#);
    }
}
