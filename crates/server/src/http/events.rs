//! Reading events: by topic and filter, page by page or as they come; and one by its id.

use std::time::Duration;

use axum::response::Response;
use cantus_api::error::{Code, Problem};
use cantus_api::event::Shape;
use cantus_api::stream::{Direction, EventQuery, EventsQuery, Recorded};
use cantus_core::filter::Filter;
use cantus_core::topic::Pattern;
use cantus_core::{Position, Text, Timestamp, hash};
use http::StatusCode;
use serde_json::Value;

use super::answer;
use super::call::{self, Call};
use super::route::{Answered, Route};
use crate::app::App;
use crate::auth::Right;
use crate::convert::definition::{filter_problem, topic_name};
use crate::convert::event::{text, write};
use crate::convert::time;
use crate::cursor;
use crate::lookup::{self, Found};
use crate::problem::{self, Place, parameter};
use crate::reading::{self, From, Page, Wanted};

/// How long a follower waits before it looks again, once it was woken for nothing.
const FRUITLESS_PAUSE: Duration = Duration::from_millis(20);
/// How many topics one request may name.
const TOPICS_MAX: usize = 100;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/events", list)
            .right(Right::Consume)
            .summary("Reads events of any topics, or waits for them.")
            .query(&["topic", "filter", "since", "cursor", "limit", "wait", "direction", "format"])
            .gives(200, "EventPage")
            .while_stopping(),
        Route::get("/v1/topics/{topic}/events", of_topic)
            .right(Right::Consume)
            .summary("Reads events of one topic, or waits for them.")
            .query(&["filter", "since", "cursor", "limit", "wait", "direction", "format"])
            .gives(200, "EventPage")
            .while_stopping(),
        Route::get("/v1/events/{id}", one)
            .right(Right::Consume)
            .summary("Reads one event.")
            .query(&["source", "format"])
            .gives(200, "RecordedEvent")
            .while_stopping(),
    ]
}

async fn list(call: Call) -> Answered {
    let query: EventsQuery = call.query()?;
    let topics = patterns(query.topic.as_deref())?;
    read(call, query, topics).await
}

async fn of_topic(call: Call) -> Answered {
    let query: EventsQuery = call.query()?;
    let topic = topic_name(call.param("topic"))?;
    let name = topic.clone();
    let known =
        call.app.handle.read(move |coordinator, _| coordinator.state.topics.contains_key(&name)).await;
    if !known.map_err(|failed| problem::of(failed, Place::Alone))? {
        return Err(super::topics::unknown(topic.as_str()));
    }
    let pattern = Pattern::parse(topic.as_str()).expect("every name of a topic is a pattern");
    read(call, query, vec![pattern]).await
}

/// Reads topic patterns separated by commas.
fn patterns(text: Option<&str>) -> Result<Vec<Pattern>, Box<Problem>> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let mut patterns = Vec::new();
    for one in text.split(',').map(str::trim) {
        if one.starts_with('$') {
            let detail = format!("`{one}` is a view of Cantus' own facts, which can not be read yet");
            return Err(Box::new(Problem::new(Code::NotAvailableYet, detail)));
        }
        patterns.push(Pattern::parse(one).map_err(|wrong| parameter("topic", wrong.to_string()))?);
        if patterns.len() > TOPICS_MAX {
            return Err(parameter(
                "topic",
                format!("names more than {TOPICS_MAX} topics: use a pattern with *"),
            ));
        }
    }
    Ok(patterns)
}

/// Compiles the filter of a request: JSON if it looks like JSON of a filter, else text.
pub(super) fn filter(text: Option<&str>) -> Result<Filter, Box<Problem>> {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(Filter::everything()) };
    let declared = match serde_json::from_str::<Value>(text) {
        Ok(json @ (Value::Object(_) | Value::Array(_))) => json,
        _ => Value::from(text),
    };
    Filter::compile(&declared).map_err(|wrong| {
        let mut problem = filter_problem(Code::FilterInvalid, &wrong, "");
        for fault in &mut problem.errors {
            fault.pointer = None;
            fault.parameter = Some("filter".to_owned());
        }
        problem
    })
}

/// A place in the log as a client writes it.
pub(super) enum Since {
    Start,
    End,
    Time(Timestamp),
    /// This place is included.
    At(Position),
}

/// Reads `start`, `end`, a time or a position.
pub(super) fn since(name: &str, text: &str) -> Result<Since, Box<Problem>> {
    match text {
        "start" => return Ok(Since::Start),
        "end" => return Ok(Since::End),
        _ => {}
    }
    if let Some(position) = Position::parse(text) {
        return Ok(Since::At(position));
    }
    time::parse(text).map(Since::Time).map_err(|wrong| {
        let detail =
            format!("is none of start, end, a position such as 0:1042, or a time; as a time it {wrong}");
        parameter(name, detail)
    })
}

/// Returns the position behind which a place lies.
pub(super) async fn behind(app: &App, since: Since, durable: Position) -> Result<Position, Box<Problem>> {
    Ok(match since {
        Since::Start => Position(0),
        Since::End => durable,
        Since::At(position) => Position(position.0.saturating_sub(1)),
        Since::Time(time) => {
            let before = app.read_log(move |reader| reader.before_time(time)).await;
            before.map_err(|failed| problem::of(failed, Place::Alone))?
        }
    })
}

async fn read(call: Call, query: EventsQuery, topics: Vec<Pattern>) -> Answered {
    let shape = call.shape(query.format)?;
    let limit = call::limit(query.limit)?;
    let wait = call::wait(query.wait)?;
    let wanted = Wanted { topics, filter: filter(query.filter.as_deref())?, limit };
    let durable = call.durable();
    if query.since.is_some() && query.cursor.is_some() {
        return Err(parameter("since", "stands beside `cursor`: a request has one of the two"));
    }
    let from_since = match &query.since {
        Some(text) => Some(behind(&call.app, since("since", text)?, durable).await?),
        None => None,
    };
    match query.direction.unwrap_or_default() {
        Direction::Forward => {
            let after = match (&query.cursor, from_since) {
                (Some(text), _) => cursor::forward(text, durable)?,
                (None, Some(after)) if after > durable => {
                    return Err(parameter("since", "is ahead of everything that is stored here"));
                }
                (None, after) => after.unwrap_or_default(),
            };
            forward(&call.app, after, wanted, wait, shape).await
        }
        Direction::Back => {
            if !wait.is_zero() {
                return Err(parameter("wait", "waits for what comes; reading back finds only what is there"));
            }
            let before = match &query.cursor {
                Some(text) => cursor::back(text)?,
                None => Position(u64::MAX),
            };
            let floor = from_since.unwrap_or_default();
            let page = page(&call.app, From::Before(before, floor), wanted).await?;
            Ok(answered(&page, &cursor::write_back(page.reached), shape))
        }
    }
}

async fn forward(app: &App, after: Position, wanted: Wanted, wait: Duration, shape: Shape) -> Answered {
    let until = tokio::time::Instant::now() + wait;
    let (mut after, mut gaps, mut fruitless) = (after, Vec::new(), false);
    loop {
        let mut found = page(app, From::After(after), wanted.clone()).await?;
        gaps.append(&mut found.gaps);
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        // What was looked at and did not match is not looked at again, whoever asks next.
        let nothing = found.events.is_empty() && gaps.is_empty();
        if nothing && !left.is_zero() && !app.is_stopping() {
            after = found.reached.max(after);
            if !found.end {
                continue;
            }
            if app.grown(after, left).await {
                // Many followers of quiet topics beside a busy one look a few times a second, not at every event.
                if fruitless {
                    tokio::time::sleep(FRUITLESS_PAUSE.min(left)).await;
                }
                fruitless = true;
                continue;
            }
        }
        found.gaps = gaps;
        let next = found.reached.max(after).to_string();
        return Ok(answered(&found, &next, shape));
    }
}

async fn page(app: &App, from: From, wanted: Wanted) -> Result<Page, Box<Problem>> {
    let read = app.read_log(move |reader| reading::page(reader, from, &wanted)).await;
    read.map_err(|failed| problem::of(failed, Place::Alone))
}

/// Writes a page by hand: events are long, and are copied once.
fn answered(page: &Page, next_cursor: &str, shape: Shape) -> Response {
    let mut out = Vec::with_capacity(256 + 512 * page.events.len());
    out.extend_from_slice(b"{\"items\":[");
    for (index, found) in page.events.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"event\":");
        write(&mut out, &found.event, shape);
        // Positions, times and cursors of ours need no escapes.
        let rest = format!(
            ",\"position\":\"{}\",\"recorded_at\":\"{}\"}}",
            found.position,
            time::text(found.recorded_at)
        );
        out.extend_from_slice(rest.as_bytes());
    }
    out.extend_from_slice(format!("],\"next_cursor\":\"{next_cursor}\"").as_bytes());
    if page.end {
        out.extend_from_slice(b",\"at_end\":true");
    }
    for (index, (from, to, cause)) in page.gaps.iter().enumerate() {
        let begin = if index == 0 { ",\"gaps\":[" } else { "," };
        let gap = format!("{begin}{{\"from\":\"{from}\",\"to\":\"{}\",\"reason\":\"{cause}\"}}", to.next());
        out.extend_from_slice(gap.as_bytes());
    }
    out.extend_from_slice(if page.gaps.is_empty() { b"}" } else { b"]}" });
    answer::bytes(StatusCode::OK, "application/json", out)
}

async fn one(call: Call) -> Answered {
    let query: EventQuery = call.query()?;
    let shape = call.shape(query.format)?;
    let found = find(&call.app, call.param("id"), query.source.as_deref()).await?;
    answer::ok(&recorded(&found, shape))
}

/// Returns an event with its place, for an answer.
pub(super) fn recorded(found: &Found, shape: Shape) -> Recorded<cantus_api::event::Text> {
    Recorded {
        event: text(&found.event, shape),
        position: found.position.to_string(),
        recorded_at: time::text(found.recorded_at),
    }
}

fn gone(id: &str) -> Box<Problem> {
    let shown: String = id.chars().take(120).collect();
    let problem = Problem::new(Code::EventGone, format!("event `{shown}` is not kept any more"));
    Box::new(problem.hint(
        "the retention of its topic has taken it; `retain` in the file says for how long events are kept",
    ))
}

/// Returns why an event that was there is not any more, as long as that is remembered.
async fn not_kept(app: &App, id: &str, source: Option<&str>) -> Result<Option<Box<Problem>>, Box<Problem>> {
    let (hashed, identity) = (hash::of(id), source.map(|source| hash::identity(source, id)));
    let now = app.now();
    let read = app.handle.read(move |coordinator, _| {
        let state = &coordinator.state;
        let erased = state.erased_by_id(hashed).is_some();
        let known = identity.and_then(|identity| {
            let find = |(topic, window): (&Text, &cantus_core::topic::dedupe::Window)| {
                window.find(identity, now, state.dedupe_limits(topic).1).map(|seen| seen.position)
            };
            state.windows.iter().find_map(find)
        });
        (erased, known)
    });
    let (erased, known) = read.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    if erased {
        let shown: String = id.chars().take(120).collect();
        let problem = Problem::new(Code::EventErased, format!("event `{shown}` was erased"));
        return Ok(Some(Box::new(problem.hint("`cantus events erase --status` says why"))));
    }
    Ok(known.map(|_| gone(id)))
}

/// Finds the one event of that id, and of that source if it is named.
pub(super) async fn find(app: &App, id: &str, source: Option<&str>) -> Result<Found, Box<Problem>> {
    let wanted = id.to_owned();
    let found = app.read_log(move |reader| lookup::by_id(reader, &wanted)).await;
    let mut found = found.map_err(|failed| problem::of(failed, Place::Alone))?;
    if let Some(source) = source {
        found.retain(|event| *event.event.source == *source);
    }
    let hidden = app.handle.hidden();
    let there = found.len();
    found.retain(|event| !hidden.is_trimmed(&event.event, event.position));
    if found.is_empty() && there > 0 {
        return Err(gone(id));
    }
    let Some(first) = found.first() else {
        if let Some(problem) = not_kept(app, id, source).await? {
            return Err(problem);
        }
        let shown: String = id.chars().take(120).collect();
        let detail = match source {
            Some(source) => format!("there is no event `{shown}` of source `{source}`"),
            None => format!("there is no event `{shown}`"),
        };
        let problem = Problem::new(Code::EventUnknown, detail);
        return Err(Box::new(problem.hint("ids are those of receipts; `cantus events ls` lists events")));
    };
    let mut sources: Vec<&str> = found.iter().map(|event| &*event.event.source).collect();
    sources.sort_unstable();
    sources.dedup();
    if sources.len() > 1 {
        let names = sources.join(", ");
        let problem = Problem::new(Code::EventIdAmbiguous, format!("several sources used this id: {names}"));
        return Err(Box::new(problem.hint("name the one you mean with ?source=")));
    }
    Ok(first.clone())
}
