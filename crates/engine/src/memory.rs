//! The engine in memory: for tests of everything above an engine, and for `--ephemeral` runs that keep nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use cantus_core::fact::{Fact, Recorded};
use cantus_core::{Position, Timestamp, hash};

use crate::engine::{
    AppendError, Budget, Checkpoint, CheckpointError, Chunk, Engine, Entry, ReadError, Reader, Selection,
    Term,
};
use crate::local_engine::weight;

/// Facts in memory. Clones share them, so a new engine over a clone finds what was synced: a restart.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    log: Arc<RwLock<Log>>,
}

#[derive(Debug, Default)]
struct Log {
    facts: Vec<Recorded>,
    durable: Position,
}

impl Memory {
    /// Creates an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets what was not synced, as a crash does.
    pub fn crash(&self) {
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        let durable = log.durable;
        log.facts.retain(|recorded| recorded.position <= durable);
    }

    fn read_log(&self) -> std::sync::RwLockReadGuard<'_, Log> {
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine for Memory {
    fn append(&mut self, at: Timestamp, facts: &[Recorded]) -> Result<(), AppendError> {
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        let (mut last, last_at) =
            log.facts.last().map_or((Position(0), at), |recorded| (recorded.position, recorded.at));
        for recorded in facts {
            if recorded.position <= last {
                return Err(AppendError::Refused("positions must rise".into()));
            }
            last = recorded.position;
        }
        if !facts.is_empty() && at < last_at {
            return Err(AppendError::Refused("log time must not go back".into()));
        }
        log.facts.extend_from_slice(facts);
        Ok(())
    }

    fn sync(&mut self) -> Result<Position, AppendError> {
        let mut log = self.log.write().unwrap_or_else(PoisonError::into_inner);
        log.durable = log.facts.last().map_or(Position(0), |recorded| recorded.position);
        Ok(log.durable)
    }

    fn rest(&mut self) -> Result<(), AppendError> {
        Ok(())
    }

    fn is_space_low(&self) -> bool {
        false
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(self.clone())
    }
}

impl Memory {
    fn collect<'a>(
        facts: impl Iterator<Item = &'a Recorded>,
        from: Position,
        end: Position,
        selection: &Selection,
        budget: Budget,
    ) -> Chunk {
        let mut chunk = Chunk { entries: Vec::new(), reached: from, end: false };
        let mut bytes = 0;
        for (looked_at, recorded) in facts.enumerate() {
            let spent = bytes >= budget.bytes && !chunk.entries.is_empty();
            if chunk.entries.len() >= budget.entries || looked_at >= budget.records || spent {
                return chunk;
            }
            chunk.reached = recorded.position;
            let wanted = selection.wants(recorded)
                && (!selection.events_only || matches!(recorded.fact, Fact::EventPublished(_)));
            if wanted {
                bytes += weight(recorded);
                chunk.entries.push(Entry::Fact(recorded.clone()));
            }
        }
        chunk.reached = end;
        chunk.end = true;
        chunk
    }
}

impl Reader for Memory {
    fn durable(&self) -> Position {
        self.read_log().durable
    }

    fn read(&self, after: Position, selection: &Selection, budget: Budget) -> Result<Chunk, ReadError> {
        let log = self.read_log();
        let facts = log.facts.iter().filter(|it| it.position > after && it.position <= log.durable);
        Ok(Self::collect(facts, after, after.max(log.durable), selection, budget))
    }

    fn read_back(&self, before: Position, selection: &Selection, budget: Budget) -> Result<Chunk, ReadError> {
        let log = self.read_log();
        let facts = log.facts.iter().rev().filter(|it| it.position < before && it.position <= log.durable);
        Ok(Self::collect(facts, before, Position(0), selection, budget))
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

    fn close(self: Box<Self>) -> Result<(), CheckpointError> {
        Ok(())
    }
}
