//! Reading the log page by page: bounded in events, bytes, records and time, and always able to say where to go on.

use std::time::{Duration, Instant};

use cantus_core::Position;
use cantus_core::event::EventSubject;
use cantus_core::fact::Fact;
use cantus_core::filter::Filter;
use cantus_core::topic::Pattern;
use cantus_engine::{Budget, Entry, GapCause, ReadError, Reader, Selection};

use crate::lookup::Found;

/// Bytes of events on one page at most; one event always fits.
pub(crate) const PAGE_BYTES_MAX: usize = 8 << 20;
/// How many records one request looks at.
const RECORDS_MAX: usize = 1_000_000;
/// How long one request looks.
const TIME_MAX: Duration = Duration::from_millis(1_500);

/// What is looked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Events of these topics; none means all but the views.
    pub(crate) topics: Vec<Pattern>,
    /// Events that match.
    pub(crate) filter: Filter,
    /// How many.
    pub(crate) limit: usize,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The events.
    pub(crate) events: Vec<Found>,
    /// What has gone in between, and why: both ends included.
    pub(crate) gaps: Vec<(Position, Position, GapCause)>,
    /// Where to go on: behind this position when reading forward, before it when reading back.
    pub(crate) reached: Position,
    /// True when there is nothing more for now.
    pub(crate) end: bool,
}

/// Which way to read, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// Forward from behind this position.
    After(Position),
    /// Back from before the first, down to but not including the second.
    Before(Position, Position),
}

/// Reads one page.
///
/// # Errors
/// When the log can not be read.
pub(crate) fn page(reader: &dyn Reader, from: From, wanted: &Wanted) -> Result<Page, ReadError> {
    let selection = selection(wanted);
    let until = Instant::now() + TIME_MAX;
    let (mut left, mut bytes) = (RECORDS_MAX, 0);
    let mut page = Page { reached: place(from), ..Page::default() };
    loop {
        // What the filter leaves out costs little: more is asked for than is wanted.
        let budget = Budget {
            entries: wanted.limit.saturating_mul(2).clamp(16, 1_000),
            records: left.min(50_000),
            bytes: PAGE_BYTES_MAX,
        };
        let chunk = match from {
            From::After(_) => reader.read(page.reached, &selection, budget)?,
            From::Before(..) => reader.read_back(page.reached, &selection, budget)?,
        };
        for entry in chunk.entries {
            match entry {
                Entry::Gap { from: first, to, cause, .. } => page.gaps.push((first, to, cause)),
                Entry::Fact(recorded) => {
                    let (position, recorded_at) = (recorded.position, recorded.at);
                    if matches!(from, From::Before(_, floor) if position <= floor) {
                        page.end = true;
                        return Ok(page);
                    }
                    if let Fact::EventPublished(it) = recorded.fact {
                        let heard = wants(wanted, &it.event);
                        let weight = it.event.weight();
                        let full = page.events.len() >= wanted.limit
                            || (!page.events.is_empty() && bytes + weight > PAGE_BYTES_MAX);
                        if heard && full {
                            return Ok(page);
                        }
                        if heard {
                            bytes += weight;
                            let (revision, only) = (it.revision, it.only);
                            let event = it.event;
                            page.events.push(Found {
                                event,
                                position,
                                recorded_at,
                                revision,
                                only,
                                pending: false,
                            });
                        }
                    }
                    page.reached = position;
                }
            }
        }
        let moved = page.reached != chunk.reached;
        page.reached = chunk.reached;
        page.end = chunk.end;
        left = left.saturating_sub(budget.records);
        if matches!(from, From::Before(_, floor) if page.reached <= floor) {
            page.end = true;
        }
        let full = page.events.len() >= wanted.limit;
        if full || page.end || left == 0 || !moved || Instant::now() >= until {
            return Ok(page);
        }
    }
}

fn place(from: From) -> Position {
    match from {
        From::After(position) | From::Before(position, _) => position,
    }
}

fn wants(wanted: &Wanted, event: &cantus_core::event::Event) -> bool {
    let topic = event.topic.as_str();
    (wanted.topics.is_empty() || wanted.topics.iter().any(|pattern| pattern.matches(topic)))
        && wanted.filter.matches(&EventSubject::new(event))
}

/// Returns what lets whole frames be skipped.
fn selection(wanted: &Wanted) -> Selection {
    let topic = match wanted.topics.as_slice() {
        [only] => only.literal().map(str::to_owned),
        _ => None,
    };
    let types = wanted.filter.equalities().iter().find(|equality| equality.path() == "type");
    let event_type = types.and_then(|equality| {
        let mut values = equality.values();
        values.next().filter(|_| values.next().is_none()).map(str::to_owned)
    });
    Selection { events_only: true, topic, event_type, since: None }
}
