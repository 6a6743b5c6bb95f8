//! `cantus events erase`

use std::io::{BufRead as _, IsTerminal as _};
use std::time::Duration;

use anyhow::Result;
use cantus_api::erasure::{Erase as Request, Erased, Erasure, State};
use cantus_api::time::Span;
use clap::Args;
use tokio::time::Instant;

use crate::context::Context;
use crate::exit::Failure;
use crate::input;
use crate::output::{Screen, Table};

/// How often the state is looked at while waiting.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Erase events: nobody sees them from then on, and their bytes go within 24 hours
///
/// Also what is told of them goes: deliveries, attempts, the bodies of dead letters. What other events say of them stays; erase those
/// too with --correlation. Backups made before keep what they have.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus events erase evt_01JD9Y2Q3T8V5N7KXB4M6C0WRE --reason 'request 4711'\n  \
    cantus events erase --subject customer/42 --reason 'request 4711' --yes --wait\n  \
    cantus events erase --status")]
pub(crate) struct Erase {
    /// The events' ids
    ids: Vec<String>,
    /// Only events of this source
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// All events of this story
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// All events about this subject
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Only events of this topic, or of topics that match a pattern with *
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// All events that match: name=value or an expression
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// Why; kept for ever, so it must not repeat what is erased
    #[arg(long, value_name = "TEXT", required_unless_present = "status")]
    reason: Option<String>,
    /// Only show which events would go
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
    /// Wait until their bytes have gone
    #[arg(long)]
    wait: bool,
    /// How long to wait; exit code 124 when that is over
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = input::span, requires = "wait")]
    timeout: Span,
    /// Show erasures and how far they have got
    #[arg(long, conflicts_with_all = ["ids", "source", "correlation", "subject", "topic", "filter", "reason", "dry_run"])]
    status: bool,
}

impl Erase {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        if self.status {
            let erasures = client.erasures(Some(100)).await?;
            return context.screen.show(&erasures, || table(&erasures.items, &context.screen));
        }
        let request = self.request();
        let plan = client.erase_events(&Request { dry_run: true, ..request.clone() }).await?;
        if self.dry_run {
            return context.screen.show(&plan, || words(&plan, "would be erased"));
        }
        if plan.events == 0 {
            return Err(Failure::not_found("no such event is there").into());
        }
        if !self.yes {
            confirm(&plan, context)?;
        }
        let mut last = client.erase_events(&request).await?;
        let mut ids: Vec<String> = last.erasure.iter().cloned().collect();
        let mut events = last.events;
        // A large erasure is several: each call takes as many as one fact may hold.
        while last.more && last.events > 0 {
            last = client.erase_events(&request).await?;
            ids.extend(last.erasure.iter().cloned());
            events += last.events;
        }
        let erased = Erased { events, more: false, ..last };
        if self.wait {
            self.wait_for(&client, &ids).await?;
        }
        context.screen.show(&erased, || {
            let state = if self.wait { "their bytes have gone" } else { "their bytes go within 24 hours" };
            format!(
                "{events} erased: nobody sees them any more, {state} (see cantus events erase --status)\n"
            )
        })
    }

    fn request(&self) -> Request {
        Request {
            ids: self.ids.clone(),
            source: self.source.clone(),
            correlation_id: self.correlation.clone(),
            subject: self.subject.clone(),
            topic: self.topic.clone(),
            filter: self.filter.clone(),
            reason: self.reason.clone().unwrap_or_default(),
            dry_run: false,
        }
    }

    async fn wait_for(&self, client: &cantus_client::Client, ids: &[String]) -> Result<()> {
        let deadline = Instant::now() + self.timeout.duration();
        loop {
            let erasures = client.erasures(Some(1000)).await?;
            let mut pending = erasures.items.iter().filter(|one| ids.contains(&one.id));
            if pending.all(|one| one.state == State::Done) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let message = format!("their bytes are still there after {}", self.timeout);
                return Err(Failure::timeout(message).hint("see cantus events erase --status").into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn confirm(plan: &Erased, context: &Context) -> Result<()> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        let failure = Failure::usage("nobody is there to be asked, and what is erased does not come back");
        return Err(failure.hint("look with --dry-run, then say --yes").into());
    }
    context.screen.say(words(plan, "will be erased and do not come back").trim_end());
    eprint!("go on? [y/N] ");
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::failed("nothing was done").into()),
    }
}

fn words(plan: &Erased, what: &str) -> String {
    let mut text = String::new();
    for event in plan.items.iter().take(20) {
        text.push_str(&format!("{} {} {} in {}\n", event.position, event.event_type, event.id, event.topic));
    }
    let shown = plan.items.len().min(20) as u64;
    if plan.events > shown {
        text.push_str(&format!("and {} more\n", plan.events - shown));
    }
    let more = if plan.more { " or more" } else { "" };
    text + &format!("{}{more} {what}\n", plan.events)
}

fn table(erasures: &[Erasure], screen: &Screen) -> String {
    let mut table = Table::new(["ERASURE", "AT", "EVENTS", "STATE", "DONE", "BY", "REASON"]);
    for one in erasures {
        table.row([
            one.id.clone(),
            screen.time(&one.at),
            one.events.to_string(),
            match one.state {
                State::Hidden => "hidden".to_owned(),
                State::Done => "done".to_owned(),
            },
            one.done_at.as_deref().map(|at| screen.time(at)).unwrap_or_default(),
            one.actor.clone(),
            one.reason.clone(),
        ]);
    }
    table.render(screen, "nothing was ever erased\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cantus_api::erasure::ErasedEvent;

    #[test]
    fn what_will_go_is_named_and_counted() {
        let event = ErasedEvent {
            id: "evt_1".into(),
            source: "/s".into(),
            event_type: "CustomerMoved".into(),
            topic: "customers".into(),
            position: "0:7".into(),
        };
        let plan = Erased { erasure: None, events: 3, more: true, dry_run: true, items: vec![event] };
        assert_eq!(
            words(&plan, "would be erased"),
            "0:7 CustomerMoved evt_1 in customers\nand 2 more\n3 or more would be erased\n"
        );
    }
}
