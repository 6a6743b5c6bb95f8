//! `cantus deliveries ls`

use anyhow::Result;
use cantus_api::List;
use cantus_api::delivery::{DeliveriesQuery, Delivery, State};
use cantus_api::stream::Gap;
use clap::{Args, ValueEnum};

use super::words::{state_word, waiting_word};
use crate::context::Context;
use crate::output::{Format, ListOptions, Screen, Table, gather};

/// List deliveries, newest first
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Only those of this subscription: agent/name
    #[arg(long, value_name = "SUBSCRIPTION")]
    subscription: Option<String>,
    /// Only those in this state
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<StateOption>,
    /// Only those of this event
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    /// Only those of this story
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    #[command(flatten)]
    list: ListOptions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StateOption {
    Waiting,
    Leased,
    Delivered,
    Dead,
    Expired,
}

impl StateOption {
    fn state(self) -> State {
        match self {
            StateOption::Waiting => State::Waiting,
            StateOption::Leased => State::Leased,
            StateOption::Delivered => State::Delivered,
            StateOption::Dead => State::Dead,
            StateOption::Expired => State::Expired,
        }
    }
}

impl Ls {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let query = DeliveriesQuery {
            subscription: self.subscription,
            state: self.state.map(StateOption::state),
            event: self.event,
            correlation: self.correlation,
            ..DeliveriesQuery::default()
        };
        let mut gaps: Vec<Gap> = Vec::new();
        let deliveries = gather(&self.list, async |limit, cursor| {
            let page =
                client.deliveries(&DeliveriesQuery { limit: Some(limit), cursor, ..query.clone() }).await?;
            gaps.extend(page.gaps);
            Ok(List { items: page.items, next_cursor: page.next_cursor })
        })
        .await?;
        gaps.dedup();
        if context.screen.format() != Format::Table {
            for gap in &gaps {
                context
                    .screen
                    .warn(&format!("deliveries from {} to {} are gone ({})", gap.from, gap.to, gap.reason));
            }
        }
        context.screen.list(&deliveries, |deliveries| table(deliveries, &gaps, &context.screen))
    }
}

/// Returns the deliveries, a row each, and what is gone behind them.
fn table(deliveries: &[Delivery], gaps: &[Gap], screen: &Screen) -> String {
    let mut table =
        Table::new(["ID", "STATE", "SUBSCRIPTION", "TYPE", "EVENT", "ATTEMPTS", "FAILED", "NOTE"]);
    for one in deliveries {
        table.row([
            one.id.clone(),
            state_word(one).0.to_owned(),
            one.subscription.clone(),
            one.event_type.clone(),
            one.event_id.clone(),
            one.acquired.to_string(),
            one.failed.to_string(),
            note(one, screen),
        ]);
    }
    for gap in gaps {
        let gone = format!("{} to {} are gone ({})", gap.from, gap.to, gap.reason);
        let none = String::new;
        table.row([none(), "gap".to_owned(), none(), none(), none(), none(), none(), gone]);
    }
    table.render(screen, "no deliveries")
}

/// Returns what is worth saying about a delivery beside its state.
fn note(delivery: &Delivery, screen: &Screen) -> String {
    if let Some(dead_letter) = &delivery.dead_letter {
        return dead_letter.clone();
    }
    let mut note =
        delivery.waiting_for.map(|waiting_for| waiting_word(waiting_for).to_owned()).unwrap_or_default();
    if let Some(next) = delivery.next_at.as_ref().or(delivery.deadline.as_ref()) {
        let until = if delivery.next_at.is_some() { "" } else { "until " };
        note.push_str(&format!(" {until}{}", screen.time(next)));
    }
    note.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::TimeStyle;

    #[test]
    fn a_delivery_that_waits_says_for_what_and_until_when() {
        let one: Delivery = serde_json::from_value(serde_json::json!({
            "id": "dlv_1", "subscription": "coder/tasks", "event_id": "e-1", "event_source": "/s", "event_type": "A",
            "topic": "tasks", "position": "0:4", "correlation_id": "e-1", "state": "waiting", "waiting_for": "retry",
            "next_at": "2026-01-01T00:00:09Z", "acquired": 2, "failed": 2
        }))
        .unwrap();
        let screen = Screen::fixed(TimeStyle::Relative, "2026-01-01T00:00:05Z");
        let gap = Gap { from: "0:7".to_owned(), to: "0:9".to_owned(), reason: "expired".to_owned() };
        insta::assert_snapshot!(table(&[one], &[gap], &screen), @r"
        ID     STATE     SUBSCRIPTION  TYPE  EVENT  ATTEMPTS  FAILED  NOTE
        dlv_1  retrying  coder/tasks   A     e-1    2         2       for its next attempt in 4s
               gap                                                    0:7 to 0:9 are gone (expired)
        ");
    }
}
