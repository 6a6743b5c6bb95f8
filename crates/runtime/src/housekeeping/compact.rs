//! Compaction: of a topic that says so, the last event of each key is kept.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cantus_core::command::{Command, Trim};
use cantus_core::event::Event;
use cantus_core::fact::Fact;
use cantus_core::retention::Keeping;
use cantus_core::{Position, hash};
use cantus_engine::{Budget, Entry, Selection};

use super::keeper::{Keeper, Trouble};

/// How many keys one run looks at. Events of further keys stay until a run has room for them.
const KEYS_MAX: usize = 1_000_000;

/// What a run has found.
#[derive(Debug, Default)]
struct Found {
    /// The last event of each key, and its bytes.
    last: HashMap<u64, (Position, u64)>,
    /// Events that a later one of their key has replaced.
    superseded: HashSet<Position>,
    /// How many events there are, and their bytes.
    events: u64,
    bytes: u64,
    /// Those of them that go.
    going_bytes: u64,
    /// The positions that stay begin here.
    kept: Vec<Position>,
}

impl Found {
    /// Takes the next event. Only those up to `reach` can be replaced, and only by others up to there.
    fn take(&mut self, position: Position, event: &Event, reach: Position, pinned: &BTreeSet<Position>) {
        let bytes = event.data.as_ref().map_or(0, |data| data.bytes.0.len() as u64);
        self.events += 1;
        self.bytes += bytes;
        if self.kept.is_empty() {
            self.kept.push(position);
        }
        let Some(key) = event.partition_key.as_ref().filter(|_| position <= reach) else { return };
        let key = hash::of(key);
        if self.last.len() >= KEYS_MAX && !self.last.contains_key(&key) {
            return;
        }
        // What somebody still needs stays, and counts as what is there.
        if let Some((before, bytes)) = self.last.insert(key, (position, bytes))
            && !pinned.contains(&before)
        {
            self.superseded.insert(before);
            self.going_bytes += bytes;
        }
    }
}

impl Keeper {
    /// Compacts the topics that say so, once what is new in them is as much as what was left the last time.
    pub(super) fn compact(&mut self) -> Result<(), Trouble> {
        let (keeping, position) =
            self.look(|coordinator| (coordinator.keeping(), coordinator.state.position))?;
        let Some(sealed) = self.sealed().last().map(|segment| segment.last) else { return Ok(()) };
        for topic in keeping.iter().filter(|topic| topic.compact) {
            let reach = sealed.min(topic.passed);
            let new = topic.bytes.saturating_sub(topic.compacted_bytes);
            let is_due = topic.compacted == Position(0) || new >= topic.compacted_bytes.max(1);
            if reach > topic.compacted && is_due {
                let done = self.compact_topic(topic, reach, position);
                self.shared.mask.set_superseded(Arc::default());
                done?;
            }
        }
        Ok(())
    }

    fn compact_topic(&mut self, topic: &Keeping, reach: Position, end: Position) -> Result<(), Trouble> {
        let found = self.found(topic, reach, end)?;
        if found.superseded.is_empty() {
            return Ok(());
        }
        let superseded = Arc::new(found.superseded);
        // What is there is what counts: should an earlier run have been cut short, this one makes it good.
        let kept_events = found.events - superseded.len() as u64;
        let kept_bytes = found.bytes.saturating_sub(found.going_bytes);
        let trim = Trim {
            topic: topic.topic.clone(),
            through: None,
            compacted: Some(reach),
            events: topic.events.saturating_sub(kept_events),
            bytes: topic.bytes.saturating_sub(kept_bytes),
            first: self.first_kept(topic, &superseded)?,
            forced: false,
        };
        self.shared.mask.set_superseded(superseded.clone());
        if self.command(Command::Trim(trim))?.is_none() {
            return Ok(());
        }
        self.status().note(|report| report.events_compacted += superseded.len() as u64);
        let last = superseded.iter().max().copied().unwrap_or_default();
        self.ensure_droppable(last)?;
        for segment in self.sealed() {
            let range = segment.first..=segment.last;
            if superseded.iter().any(|position| range.contains(position)) {
                self.rewrite(&segment, &superseded)?;
            }
        }
        Ok(())
    }

    fn found(&self, topic: &Keeping, reach: Position, end: Position) -> Result<Found, Trouble> {
        let pinned = self.look(move |coordinator| coordinator.state.pinned(Position(0), reach))?;
        let mut found = Found::default();
        self.each(topic, end, &mut |position, event| {
            found.take(position, event, reach, &pinned);
            true
        })?;
        Ok(found)
    }

    fn first_kept(
        &self,
        topic: &Keeping,
        superseded: &HashSet<Position>,
    ) -> Result<Option<Position>, Trouble> {
        let mut first = None;
        self.each(topic, Position(u64::MAX), &mut |position, _| {
            if !superseded.contains(&position) {
                first = Some(position);
            }
            first.is_none()
        })?;
        Ok(first)
    }

    /// Calls `take` with every event of a topic up to `end`, until it has enough.
    fn each(
        &self,
        topic: &Keeping,
        end: Position,
        take: &mut dyn FnMut(Position, &Event) -> bool,
    ) -> Result<(), Trouble> {
        let selection =
            Selection { events_only: true, topic: Some(topic.topic.to_string()), ..Selection::default() };
        let mut after = topic.trimmed;
        loop {
            let chunk =
                self.paced(|| Ok(self.shared.reader.read(after, &selection, Budget::default())?))?;
            for entry in &chunk.entries {
                let Entry::Fact(recorded) = entry else { continue };
                let Fact::EventPublished(fact) = &recorded.fact else { continue };
                if recorded.position > end || !take(recorded.position, &fact.event) {
                    return Ok(());
                }
            }
            if chunk.end || chunk.reached >= end {
                return Ok(());
            }
            after = chunk.reached;
        }
    }
}
