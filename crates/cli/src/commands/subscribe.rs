//! `cantus sub`: follows events as they come.

mod program;

use anyhow::Result;
use cantus_api::stream::{EventsQuery, Recorded};
use clap::Args;
use program::Program;

use super::events::{Place, place};
use super::reconnect::Reconnect;
use super::shape::ShapeOption;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Format, event_line, pretty};

/// Follow events of topics as they come
///
/// A tail for people and pipes: nothing is acknowledged and nothing is kept for it. It survives restarts of the server and goes on
/// where it was. To be given events durably, declare a subscription in the file, or see `cantus subs add`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus sub 'project.*' --from start -o jsonl\n  \
    cantus sub orders --filter 'data.amount > 100.0' -n 10\n  \
    cantus sub alerts --exec ./notify.sh --level high")]
pub(crate) struct Subscribe {
    /// Topics, or patterns with *
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Only events that match: name=value or an expression
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// Where to begin: start, end, @1h (an hour ago), a time, a position, or a cursor
    #[arg(long, value_name = "PLACE", default_value = "end")]
    from: String,
    /// End after so many events
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    number: Option<u64>,
    /// Print only the data, each on a line of its own
    #[arg(long, conflicts_with = "exec")]
    raw: bool,
    #[command(flatten)]
    shape: ShapeOption,
    /// Run this program for each event, with the event on its stdin; takes the rest of the line
    #[arg(long, value_name = "CMD", num_args = 1.., allow_hyphen_values = true)]
    exec: Vec<String>,
}

impl Subscribe {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let query = self.query(context.screen.now_ms())?;
        let began_at_end = query.since.as_deref() == Some("end");
        let mut follow = context.client()?.follow(query);
        // Until the first answer `end` is wherever the server is then, so that answer must come at once.
        if began_at_end {
            follow = follow.hold(std::time::Duration::ZERO);
        }
        let mut tail = Tail { command: &self, context, left: self.number, failed: 0 };
        let mut reconnect = Reconnect::default();
        let mut first = began_at_end;
        loop {
            let page = tokio::select! {
                page = follow.next_page() => page,
                _ = tokio::signal::ctrl_c() => break,
            };
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    tokio::select! {
                        waited = reconnect.after(error, &context.screen) => waited?,
                        _ = tokio::signal::ctrl_c() => break,
                    }
                    continue;
                }
            };
            reconnect.worked(&context.screen);
            for gap in &page.gaps {
                let text = format!("events from {} to {} are gone ({})", gap.from, gap.to, gap.reason);
                context.screen.warn(&text);
            }
            if !tail.take(&page.items).await? {
                return tail.end();
            }
            if std::mem::take(&mut first) {
                follow = follow.hold(std::time::Duration::from_secs(25));
            }
        }
        if let Some(cursor) = follow.cursor() {
            context.screen.note(&format!("go on with --from {cursor}"));
        }
        tail.end()
    }

    fn query(&self, now_ms: i64) -> Result<EventsQuery> {
        let mut query = EventsQuery {
            topic: Some(self.topics.join(",")),
            filter: self.filter.clone(),
            limit: self.number.map(|number| u32::try_from(number.min(1000)).unwrap_or(1000)),
            ..EventsQuery::default()
        };
        match place(&self.from, now_ms)? {
            Place::Since(since) => query.since = Some(since),
            Place::Cursor(cursor) => query.cursor = Some(cursor),
        }
        Ok(query)
    }
}

/// Where the events go.
struct Tail<'a> {
    command: &'a Subscribe,
    context: &'a Context,
    left: Option<u64>,
    failed: u64,
}

impl Tail<'_> {
    /// Takes a page of events; returns whether more are wanted.
    async fn take(&mut self, items: &[Recorded]) -> Result<bool> {
        for item in items {
            if self.left == Some(0) {
                return Ok(false);
            }
            self.take_one(item).await?;
            self.left = self.left.map(|left| left - 1);
        }
        Ok(self.left != Some(0))
    }

    async fn take_one(&mut self, item: &Recorded) -> Result<()> {
        let screen = &self.context.screen;
        if let [program, arguments @ ..] = self.command.exec.as_slice() {
            let program = Program { program, arguments };
            if let Err(error) = program.run(&item.event, &self.command.shape.line(&item.event)?).await {
                self.failed += 1;
                screen.warn(&format!("{}: {error:#}", item.event.id.as_deref().unwrap_or("an event")));
            }
            return Ok(());
        }
        if self.command.raw {
            let mut data = item.event.data.as_ref().map(|data| data.bytes.to_vec()).unwrap_or_default();
            data.push(b'\n');
            return screen.print_raw(&data);
        }
        match screen.format {
            Format::Table => screen.print(&event_line(item, screen)),
            Format::Jsonl => screen.print(&self.command.shape.line(&item.event)?),
            Format::Json => screen.print(&pretty(self.command.shape.line(&item.event)?.as_bytes())),
        }
    }

    fn end(&self) -> Result<()> {
        match self.failed {
            0 => Ok(()),
            failed => Err(Failure::failed(format!("the program failed for {failed} events")).into()),
        }
    }
}
