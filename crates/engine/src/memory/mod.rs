//! The engine in memory: for tests of everything above an engine, and for `--ephemeral` runs that keep nothing.

mod housekeeping;

pub(crate) use housekeeping::topic_of;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cantus_core::fact::{Fact, Recorded};
use cantus_core::{Position, Timestamp, hash};

use crate::engine::{
    AppendError, Budget, Checkpoint, CheckpointError, Chunk, Engine, Entry, GapCause, ReadError, Reader,
    Selection, Term,
};
use crate::housekeeping::{BaseInfo, Frozen, Housekeeping};
use crate::local::Run;
use crate::local_engine::weight;
use crate::room::Room;

/// Facts in memory. Clones share them, so a new engine over a clone finds what was synced: a restart.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    log: Arc<RwLock<Log>>,
}

#[derive(Debug)]
struct Log {
    facts: Vec<Recorded>,
    durable: Position,
    /// What was removed, in order.
    runs: Vec<Run>,
    /// Where each segment begins, and how often it was written anew; at least one.
    segments: Vec<(Position, u64)>,
    seal_asked: bool,
    bases: Vec<Base>,
    bases_written: u64,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            facts: Vec::new(),
            durable: Position(0),
            runs: Vec::new(),
            segments: vec![(Position(1), 0)],
            seal_asked: false,
            bases: Vec::new(),
            bases_written: 0,
        }
    }
}

/// A base: what it is, and its rows.
#[derive(Clone, Debug)]
struct Base {
    info: BaseInfo,
    rows: Arc<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Memory {
    /// Creates an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets what was not synced, as a crash does.
    pub fn crash(&self) {
        let mut log = self.write_log();
        let durable = log.durable;
        log.facts.retain(|recorded| recorded.position <= durable);
    }

    fn read_log(&self) -> RwLockReadGuard<'_, Log> {
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_log(&self) -> RwLockWriteGuard<'_, Log> {
        self.log.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Memory {
    fn append(&mut self, at: Timestamp, facts: &[Recorded]) -> Result<(), AppendError> {
        let mut log = self.write_log();
        let removed = log.runs.last().map_or(Position(0), |run| Position(run.last));
        let (mut last, last_at) =
            log.facts.last().map_or((removed, at), |recorded| (recorded.position.max(removed), recorded.at));
        for recorded in facts {
            if recorded.position <= last {
                return Err(AppendError::Refused("positions must rise".into()));
            }
            last = recorded.position;
        }
        if !facts.is_empty() && at < last_at {
            return Err(AppendError::Refused("log time must not go back".into()));
        }
        if let Some(first) = facts.first()
            && std::mem::take(&mut log.seal_asked)
        {
            log.segments.push((first.position, 0));
        }
        log.facts.extend_from_slice(facts);
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), AppendError> {
        Ok(())
    }

    fn sync(&mut self) -> Result<Position, AppendError> {
        let mut log = self.write_log();
        log.durable = log.facts.last().map_or(log.durable, |recorded| recorded.position.max(log.durable));
        Ok(log.durable)
    }

    fn rest(&mut self) -> Result<(), AppendError> {
        Ok(())
    }

    fn is_space_low(&self) -> bool {
        false
    }

    fn room(&self) -> Arc<Room> {
        Arc::default()
    }

    fn make_room(&mut self, _bytes: u64) -> bool {
        true
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(self.clone())
    }

    fn housekeeping(&self) -> Arc<dyn Housekeeping> {
        Arc::new(self.clone())
    }
}

/// What lies in the log.
enum Item<'a> {
    Fact(&'a Recorded),
    Run(&'a Run),
}

impl Item<'_> {
    fn position(&self) -> Position {
        match self {
            Self::Fact(recorded) => recorded.position,
            Self::Run(run) => Position(run.first),
        }
    }

    fn last(&self) -> Position {
        match self {
            Self::Fact(recorded) => recorded.position,
            Self::Run(run) => Position(run.last),
        }
    }
}

impl Log {
    /// What is durable between two positions, both left out, in order.
    fn items(&self, after: Position, before: Position) -> impl DoubleEndedIterator<Item = Item<'_>> {
        let end = before.min(Position(self.durable.0.saturating_add(1)));
        let from = self.facts.partition_point(|recorded| recorded.position <= after);
        let to = self.facts.partition_point(|recorded| recorded.position < end).max(from);
        let runs = self.runs.iter().filter(move |run| run.last > after.0 && run.first < end.0);
        let mut items: Vec<Item<'_>> = runs.map(Item::Run).collect();
        let mut facts = self.facts[from..to].iter().map(Item::Fact);
        if !items.is_empty() {
            items.extend(facts.by_ref());
            items.sort_by_key(Item::position);
        }
        items.into_iter().chain(facts)
    }
}

impl Memory {
    fn collect<'a>(
        items: impl Iterator<Item = Item<'a>>,
        from: Position,
        end: Position,
        selection: &Selection,
        budget: Budget,
        forward: bool,
    ) -> Chunk {
        let mut chunk = Chunk { entries: Vec::new(), reached: from, end: false };
        let mut bytes = 0;
        let topic = selection.topic.as_deref().map(hash::of);
        for (looked_at, item) in items.enumerate() {
            let spent = bytes >= budget.bytes && !chunk.entries.is_empty();
            if chunk.entries.len() >= budget.entries || looked_at >= budget.records || spent {
                return chunk;
            }
            chunk.reached = if forward { item.last() } else { item.position() };
            match item {
                Item::Fact(recorded) if selection.wants(recorded) => {
                    bytes += weight(recorded);
                    chunk.entries.push(Entry::Fact(recorded.clone()));
                }
                Item::Fact(_) => {}
                Item::Run(run) => chunk.entries.extend(run.cause_for(topic).map(|cause| gap(run, cause))),
            }
        }
        chunk.reached = end;
        chunk.end = true;
        chunk
    }
}

/// A run as readers are shown it.
fn gap(run: &Run, cause: GapCause) -> Entry {
    Entry::Gap {
        from: Position(run.first),
        to: Position(run.last),
        cause,
        reason: format!("positions {} to {} are {cause}", run.first, run.last),
    }
}

impl Reader for Memory {
    fn durable(&self) -> Position {
        self.read_log().durable
    }

    fn read(&self, after: Position, selection: &Selection, budget: Budget) -> Result<Chunk, ReadError> {
        let log = self.read_log();
        let items = log.items(after, Position(u64::MAX));
        Ok(Self::collect(items, after, after.max(log.durable), selection, budget, true))
    }

    fn read_back(&self, before: Position, selection: &Selection, budget: Budget) -> Result<Chunk, ReadError> {
        let log = self.read_log();
        let items = log.items(Position(0), before).rev();
        Ok(Self::collect(items, before, Position(0), selection, budget, false))
    }

    fn get(&self, position: Position) -> Result<Option<Recorded>, ReadError> {
        let log = self.read_log();
        let at = log.facts.binary_search_by_key(&position, |recorded| recorded.position);
        Ok(at.ok().filter(|_| position <= log.durable).map(|at| log.facts[at].clone()))
    }

    fn find(&self, term: Term, after: Position, limit: usize) -> Result<Vec<Position>, ReadError> {
        let log = self.read_log();
        let facts = log.facts.iter().filter(|it| it.position > after && it.position <= log.durable);
        let found = facts.filter(|recorded| has_term(&recorded.fact, term)).take(limit);
        Ok(found.map(|recorded| recorded.position).collect())
    }

    fn before_time(&self, time: Timestamp) -> Result<Position, ReadError> {
        let log = self.read_log();
        let first = log.facts.iter().find(|recorded| recorded.at >= time);
        Ok(first.map_or(log.durable, |recorded| Position(recorded.position.0.saturating_sub(1))))
    }

    fn removed(&self, position: Position) -> Result<Option<GapCause>, ReadError> {
        let log = self.read_log();
        let run = log.runs.iter().find(|run| (run.first..=run.last).contains(&position.0));
        Ok(run.and_then(|run| run.cause_for(None)))
    }

    fn damage(&self) -> Vec<String> {
        Vec::new()
    }
}

fn has_term(fact: &Fact, term: Term) -> bool {
    let event = match fact {
        Fact::EventPublished(published) => Some(&published.event),
        Fact::EventDeferred(deferred) => Some(&deferred.event),
        _ => None,
    };
    match term {
        Term::EventId(wanted) => event.is_some_and(|event| hash::of(&event.id) == wanted),
        Term::Stream(wanted) => {
            let stream = event.and_then(|event| event.stream.as_ref());
            matches!(fact, Fact::EventPublished(_)) && stream.is_some_and(|stream| hash::of(stream) == wanted)
        }
        Term::Correlation(wanted) => match event {
            Some(event) => hash::of(&event.correlation_id) == wanted,
            None => crate::codec::story(fact) == Some(wanted),
        },
    }
}

/// Rows in memory.
#[derive(Clone, Debug)]
pub struct MemoryCheckpoint {
    rows: Arc<RwLock<Rows>>,
    log: Memory,
}

impl MemoryCheckpoint {
    /// Creates an empty checkpoint of a log.
    pub fn of(log: &Memory) -> Self {
        Self { log: log.clone(), rows: Arc::default() }
    }
}

#[derive(Debug, Default)]
struct Rows {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    reached: (Position, Timestamp),
}

impl Checkpoint for MemoryCheckpoint {
    fn reached(&self) -> (Position, Timestamp) {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).reached
    }

    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, CheckpointError> {
        Ok(self.rows.read().unwrap_or_else(PoisonError::into_inner).rows.get(key).cloned())
    }

    fn rows(&self, skip: &[u8], row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), CheckpointError> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let wanted = rows.rows.iter().filter(|(key, _)| key.first().is_none_or(|kind| !skip.contains(kind)));
        wanted.for_each(|(key, value)| row(key, value));
        Ok(())
    }

    fn commit(
        &mut self,
        changed: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        reached: Position,
        at: Timestamp,
    ) -> Result<(), CheckpointError> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        if reached < rows.reached.0 || reached > self.log.durable() {
            let reason = format!("a checkpoint of position {reached} is out of place");
            return Err(CheckpointError(reason.into()));
        }
        for (key, value) in changed {
            match value {
                Some(value) => rows.rows.insert(key, value),
                None => rows.rows.remove(&key),
            };
        }
        rows.reached = (reached, at);
        Ok(())
    }

    fn freeze(&self) -> Box<dyn Frozen> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        Box::new(FrozenRows { rows: rows.rows.clone(), reached: rows.reached })
    }

    fn clear(&mut self) -> Result<(), CheckpointError> {
        *self.rows.write().unwrap_or_else(PoisonError::into_inner) = Rows::default();
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), CheckpointError> {
        Ok(())
    }
}

/// Rows as of one moment.
struct FrozenRows {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    reached: (Position, Timestamp),
}

impl Frozen for FrozenRows {
    fn reached(&self) -> (Position, Timestamp) {
        self.reached
    }

    fn rows(&self, row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), CheckpointError> {
        self.rows.iter().for_each(|(key, value)| row(key, value));
        Ok(())
    }
}
