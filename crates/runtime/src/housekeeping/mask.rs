//! A reader that shows nothing of what has gone, although its bytes may still be there.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use cantus_core::fact::{Fact, Recorded};
use cantus_core::retention::Hidden;
use cantus_core::{Position, State, Timestamp};
use cantus_engine::{Budget, Chunk, Entry, GapCause, ReadError, Reader, Selection, Term};

/// What nobody may see. The turn keeps it; readers look at it with every read.
#[derive(Debug, Default)]
pub(crate) struct Mask {
    hidden: RwLock<Arc<Hidden>>,
    /// Events that a compaction is about to remove: they are not handed out any more.
    superseded: RwLock<Arc<HashSet<Position>>>,
}

impl Mask {
    /// Takes what the state knows.
    pub(crate) fn of(state: &State) -> Self {
        let mask = Self::default();
        mask.follow(state);
        mask
    }

    /// Takes what the state knows now.
    pub(crate) fn follow(&self, state: &State) {
        *self.hidden.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Hidden::of(state));
    }

    /// Sets what a compaction is about to remove.
    pub(crate) fn set_superseded(&self, superseded: Arc<HashSet<Position>>) {
        *self.superseded.write().unwrap_or_else(PoisonError::into_inner) = superseded;
    }

    /// Returns what nobody may see now.
    pub(crate) fn hidden(&self) -> Arc<Hidden> {
        self.hidden.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn superseded(&self) -> Arc<HashSet<Position>> {
        self.superseded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The log without what is hidden. A place is read by [`Reader::get`] as long as somebody may still need it: what is open
/// goes on being delivered although the retention of its topic is over.
pub(crate) struct Masked {
    inner: Arc<dyn Reader>,
    mask: Arc<Mask>,
}

impl Masked {
    pub(crate) fn new(inner: Arc<dyn Reader>, mask: Arc<Mask>) -> Self {
        Self { inner, mask }
    }

    fn sift(&self, mut chunk: Chunk) -> Chunk {
        let (hidden, superseded) = (self.mask.hidden(), self.mask.superseded());
        if hidden.is_nothing() && superseded.is_empty() {
            return chunk;
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(chunk.entries.len());
        for entry in chunk.entries {
            let Entry::Fact(recorded) = &entry else {
                entries.push(entry);
                continue;
            };
            match fate(&hidden, &superseded, recorded) {
                Fate::Shown => entries.push(entry),
                Fate::Passed => {}
                Fate::Gap(cause) => join_gap(&mut entries, recorded.position, cause),
            }
        }
        chunk.entries = entries;
        chunk
    }
}

/// What becomes of a fact that is read.
enum Fate {
    Shown,
    /// Nobody misses it.
    Passed,
    /// Its place is shown as a gap.
    Gap(GapCause),
}

fn fate(hidden: &Hidden, superseded: &HashSet<Position>, recorded: &Recorded) -> Fate {
    let event = match &recorded.fact {
        Fact::EventPublished(fact) => Some(&fact.event),
        _ => None,
    };
    if hidden.is_erased(recorded) {
        return if event.is_some() { Fate::Gap(GapCause::Erased) } else { Fate::Passed };
    }
    match event {
        Some(event) if hidden.is_trimmed(event, recorded.position) => Fate::Gap(GapCause::Expired),
        Some(_) if superseded.contains(&recorded.position) => Fate::Passed,
        _ => Fate::Shown,
    }
}

/// Adds a place to the gap before it, if there is one of the same cause.
fn join_gap(entries: &mut Vec<Entry>, position: Position, cause: GapCause) {
    if let Some(Entry::Gap { from, to, cause: known, .. }) = entries.last_mut()
        && *known == cause
    {
        *from = position.min(*from);
        *to = position.max(*to);
        return;
    }
    entries.push(Entry::Gap { from: position, to: position, cause, reason: cause.to_string() });
}

impl Reader for Masked {
    fn durable(&self) -> Position {
        self.inner.durable()
    }

    fn read(&self, after: Position, selection: &Selection, budget: Budget) -> Result<Chunk, ReadError> {
        self.inner.read(after, selection, budget).map(|chunk| self.sift(chunk))
    }

    fn read_back(&self, before: Position, selection: &Selection, budget: Budget) -> Result<Chunk, ReadError> {
        self.inner.read_back(before, selection, budget).map(|chunk| self.sift(chunk))
    }

    fn get(&self, position: Position) -> Result<Option<Recorded>, ReadError> {
        let hidden = self.mask.hidden();
        Ok(self.inner.get(position)?.filter(|recorded| !hidden.is_erased(recorded)))
    }

    fn find(&self, term: Term, after: Position, limit: usize) -> Result<Vec<Position>, ReadError> {
        self.inner.find(term, after, limit)
    }

    fn before_time(&self, time: Timestamp) -> Result<Position, ReadError> {
        self.inner.before_time(time)
    }

    fn removed(&self, position: Position) -> Result<Option<GapCause>, ReadError> {
        let hidden = self.mask.hidden();
        if hidden.is_erased_event(position) {
            return Ok(Some(GapCause::Erased));
        }
        if hidden.trimmed().any(|(_, through)| position <= through)
            && let Some(recorded) = self.inner.get(position)?
            && let Fact::EventPublished(fact) = &recorded.fact
            && hidden.is_trimmed(&fact.event, position)
        {
            return Ok(Some(GapCause::Expired));
        }
        self.inner.removed(position)
    }

    fn damage(&self) -> Vec<String> {
        self.inner.damage()
    }
}
