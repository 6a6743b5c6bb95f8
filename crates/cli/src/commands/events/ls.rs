//! `cantus events ls`

use anyhow::Result;
use cantus_api::stream::{Direction, EventsQuery, Recorded};
use cantus_api::time::{Instant, format_ms};
use clap::Args;

use crate::context::Context;
use crate::exit::Failure;
use crate::input;
use crate::output::{Format, Screen, Table, compact, data_preview, pretty};

/// List events, newest first
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Topics or patterns with *; all topics but $system unless given
    topics: Vec<String>,
    /// Only events that match: name=value or an expression
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// Begin there and go forward: start, end, @1h (an hour ago), a time, a position, or the cursor a list ended with
    #[arg(long, value_name = "PLACE")]
    since: Option<String>,
    /// Only events of this stream, oldest first
    #[arg(long, value_name = "STREAM", conflicts_with_all = ["topics", "filter", "since"])]
    stream: Option<String>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Where a read begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// `start`, `end`, a time or a position.
    Since(String),
    /// A cursor that was given out before.
    Cursor(String),
}

/// Reads where to begin: `start`, `end`, `@1h`, a time, a position such as `0:1042`, or a cursor.
pub(crate) fn place(text: &str, now_ms: i64) -> Result<Place> {
    if let Some(span) = text.strip_prefix('@') {
        let span = input::span(span).map_err(Failure::usage)?;
        let ago = i64::try_from(span.as_ms()).unwrap_or(i64::MAX);
        return Ok(Place::Since(format_ms(now_ms.saturating_sub(ago))));
    }
    let position = text.split_once(':').is_some_and(|(log, offset)| {
        let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        number(log) && number(offset)
    });
    if matches!(text, "start" | "end") || position || Instant::parse(text).is_ok() {
        return Ok(Place::Since(text.to_owned()));
    }
    if text.is_empty() {
        return Err(
            Failure::usage("an empty place: write start, end, @1h, a time, a position or a cursor").into()
        );
    }
    Ok(Place::Cursor(text.to_owned()))
}

impl Ls {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match &self.stream {
            Some(stream) => self.of_stream(stream, context).await,
            None => self.of_topics(context).await,
        }
    }

    async fn of_topics(&self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let mut query = EventsQuery {
            topic: (!self.topics.is_empty()).then(|| self.topics.join(",")),
            filter: self.filter.clone(),
            ..EventsQuery::default()
        };
        match self.since.as_deref().map(|since| place(since, context.screen.now_ms())).transpose()? {
            Some(Place::Since(since)) => query.since = Some(since),
            Some(Place::Cursor(cursor)) => query.cursor = Some(cursor),
            None => query.direction = Some(Direction::Back),
        }
        let mut items = Vec::new();
        let wanted = self.limit as usize;
        loop {
            query.limit = Some(u32::try_from((wanted - items.len()).min(1000)).unwrap_or(1000));
            let page = client.events(&query).await?;
            for gap in &page.gaps {
                context
                    .screen
                    .warn(&format!("events from {} to {} are gone ({})", gap.from, gap.to, gap.reason));
            }
            let got = page.items.len();
            items.extend(page.items);
            if got == 0 || page.at_end || items.len() >= wanted {
                return print(&items, (!page.at_end && got > 0).then_some(page.next_cursor), &context.screen);
            }
            query.since = None;
            query.cursor = Some(page.next_cursor);
        }
    }

    async fn of_stream(&self, stream: &str, context: &Context) -> Result<()> {
        let client = context.client()?;
        let mut query = cantus_api::stream::StreamQuery::default();
        let mut items = Vec::new();
        loop {
            let missing = self.limit - u32::try_from(items.len()).unwrap_or(self.limit);
            query.limit = Some(missing.min(1000));
            let page = client.stream(stream, &query).await?;
            let got = page.items.len();
            items.extend(page.items.into_iter().map(|one| Recorded {
                event: one.event,
                position: one.position,
                recorded_at: one.recorded_at,
            }));
            if page.next_cursor.is_none() || got == 0 || items.len() >= self.limit as usize {
                return print(&items, None, &context.screen);
            }
            query.cursor = page.next_cursor;
        }
    }
}

fn print(items: &[Recorded], next: Option<String>, screen: &Screen) -> Result<()> {
    match screen.format {
        Format::Table => screen.print(&table(items, screen))?,
        Format::Jsonl => {
            for item in items {
                screen.print(&compact(&serde_json::to_vec(item)?))?;
            }
        }
        Format::Json => {
            let mut list = serde_json::json!({});
            if let Some(next) = &next {
                list["next_cursor"] = next.as_str().into();
            }
            // The items go in as text, so that their data keeps every digit.
            let items = serde_json::to_string(items)?;
            let rest = list.to_string();
            let rest = rest.strip_prefix('{').unwrap_or("}");
            let comma = if next.is_some() { "," } else { "" };
            return screen.print(&pretty(format!("{{\"items\":{items}{comma}{rest}").as_bytes()));
        }
    }
    if let Some(next) = next {
        screen.note(&format!("there may be more: go on with --since {next}"));
    }
    Ok(())
}

fn table(items: &[Recorded], screen: &Screen) -> String {
    let mut table = Table::new(["TIME", "TOPIC", "TYPE", "SOURCE", "ID", "SUBJECT", "DATA"]);
    for item in items {
        let event = &item.event;
        table.row([
            screen.time(&item.recorded_at),
            event.topic.clone().unwrap_or_default(),
            event.event_type.clone(),
            event.source.clone(),
            event.id.clone().unwrap_or_default(),
            event.subject.clone().unwrap_or_default(),
            data_preview(event, 60),
        ]);
    }
    table.render(screen, "no events")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_word_a_time_a_position_or_a_cursor() {
        let since = |text: &str| Place::Since(text.to_owned());
        assert_eq!(place("start", 0).unwrap(), since("start"));
        assert_eq!(place("0:1042", 0).unwrap(), since("0:1042"));
        assert_eq!(place("2026-01-01T00:00:00Z", 0).unwrap(), since("2026-01-01T00:00:00Z"));
        assert_eq!(place("@1h", 7_200_000).unwrap(), since("1970-01-01T01:00:00.000Z"));
        assert_eq!(place("Zm9v", 0).unwrap(), Place::Cursor("Zm9v".into()));
        assert!(place("@soon", 0).is_err());
        assert!(place("", 0).is_err());
    }
}
