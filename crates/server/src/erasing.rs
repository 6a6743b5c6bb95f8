//! Which events an erasure is about: looked up, or searched for, a bounded number at a time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cantus_core::event::{Event, EventSubject};
use cantus_core::fact::{self, Fact, Recorded};
use cantus_core::filter::Filter;
use cantus_core::topic::Pattern;
use cantus_core::{Position, hash};
use cantus_engine::{Budget, Entry, ReadError, Reader, Selection, Term};

/// How many events one erasure has at most.
pub(crate) const EVENTS_MAX: usize = 10_000;
/// How long one request searches.
const TIME_MAX: Duration = Duration::from_secs(20);
/// How many records of one id or story are looked at.
const RECORDS_MAX: usize = 100_000;

/// What is said of the events to erase: all of it must hold.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) ids: Vec<String>,
    pub(crate) source: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) topic: Option<Pattern>,
    pub(crate) filter: Filter,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// The events, in the order of the log; one that waited to be published is there with both its places.
    pub(crate) items: Vec<(fact::ErasedEvent, std::sync::Arc<Event>)>,
    /// True when there may be more.
    pub(crate) more: bool,
    seen: BTreeSet<Position>,
}

/// Finds the events that are meant.
///
/// # Errors
/// When the log can not be read.
pub(crate) fn find(reader: &dyn Reader, wanted: &Wanted) -> Result<Found, ReadError> {
    let mut found = Found::default();
    if !wanted.ids.is_empty() {
        for id in &wanted.ids {
            by_term(reader, Term::EventId(hash::of(id)), wanted, &mut found)?;
        }
    } else if let Some(correlation) = &wanted.correlation_id {
        by_term(reader, Term::Correlation(hash::of(correlation)), wanted, &mut found)?;
    } else {
        search(reader, wanted, &mut found)?;
    }
    Ok(found)
}

impl Wanted {
    fn is_meant(&self, event: &Event) -> bool {
        (self.ids.is_empty() || self.ids.iter().any(|id| *event.id == **id))
            && self.source.as_ref().is_none_or(|source| *event.source == **source)
            && self.correlation_id.as_ref().is_none_or(|id| *event.correlation_id == **id)
            && self.subject.as_ref().is_none_or(|subject| event.subject.as_deref() == Some(&**subject))
            && self.topic.as_ref().is_none_or(|topic| topic.matches(event.topic.as_str()))
            && self.filter.matches(&EventSubject::new(event))
    }
}

impl Found {
    /// Takes a fact when it holds an event that is meant. Returns false when no more fit.
    fn take(&mut self, reader: &dyn Reader, wanted: &Wanted, recorded: &Recorded) -> Result<bool, ReadError> {
        let (event, deferred_at, deferred) = match &recorded.fact {
            Fact::EventPublished(it) => (&it.event, it.deferred_at, false),
            Fact::EventDeferred(it) => (&it.event, None, true),
            _ => return Ok(true),
        };
        if !wanted.is_meant(event) {
            return Ok(true);
        }
        if self.items.len() + 1 >= EVENTS_MAX {
            self.more = true;
            return Ok(false);
        }
        self.add(recorded.position, event, deferred);
        // The fact that announced it holds the same words.
        if let Some(announced) = deferred_at
            && let Some(Fact::EventDeferred(it)) = reader.get(announced)?.map(|recorded| recorded.fact)
        {
            self.add(announced, &it.event, true);
        }
        Ok(true)
    }

    fn add(&mut self, position: Position, event: &std::sync::Arc<Event>, deferred: bool) {
        if !self.seen.insert(position) {
            return;
        }
        let item = fact::ErasedEvent {
            position,
            id: hash::of(&event.id),
            story: hash::of(&event.correlation_id),
            topic: event.topic.clone(),
            bytes: event.data.as_ref().map_or(0, |data| data.bytes.0.len() as u64),
            deferred,
        };
        self.items.push((item, event.clone()));
    }
}

fn by_term(reader: &dyn Reader, term: Term, wanted: &Wanted, found: &mut Found) -> Result<(), ReadError> {
    for position in reader.find(term, Position(0), RECORDS_MAX)? {
        if let Some(recorded) = reader.get(position)?
            && !found.take(reader, wanted, &recorded)?
        {
            break;
        }
    }
    Ok(())
}

fn search(reader: &dyn Reader, wanted: &Wanted, found: &mut Found) -> Result<(), ReadError> {
    let topic = wanted.topic.as_ref().and_then(|topic| topic.literal().map(str::to_owned));
    let selection = Selection { events_only: true, topic, ..Selection::default() };
    let (mut after, until) = (Position(0), Instant::now() + TIME_MAX);
    loop {
        let chunk = reader.read(after, &selection, Budget::default())?;
        for entry in &chunk.entries {
            if let Entry::Fact(recorded) = entry
                && !found.take(reader, wanted, recorded)?
            {
                return Ok(());
            }
        }
        if chunk.end {
            return Ok(());
        }
        if Instant::now() >= until {
            found.more = true;
            return Ok(());
        }
        after = chunk.reached;
    }
}
