//! Whether an event is still there, asked for many places that lie close together.

use std::collections::{BTreeSet, HashSet, VecDeque};

use cantus_core::Position;
use cantus_core::fact::Fact;
use cantus_core::retention::Hidden;
use cantus_engine::{Budget, Entry, ReadError, Reader, Selection};

/// How many stretches of the log are remembered.
const STRETCHES: usize = 16;

/// Whether events are still there: read in stretches, because who is asked about lies close together.
pub(super) struct There<'a> {
    raw: &'a dyn Reader,
    hidden: &'a Hidden,
    superseded: &'a HashSet<Position>,
    pinned: &'a BTreeSet<Position>,
    stretches: VecDeque<Stretch>,
}

struct Stretch {
    from: Position,
    to: Position,
    events: HashSet<Position>,
}

impl<'a> There<'a> {
    pub(super) fn new(
        raw: &'a dyn Reader,
        hidden: &'a Hidden,
        superseded: &'a HashSet<Position>,
        pinned: &'a BTreeSet<Position>,
    ) -> Self {
        Self { raw, hidden, superseded, pinned, stretches: VecDeque::new() }
    }

    /// Tells whether the event at a position is there and stays.
    pub(super) fn stays(&mut self, position: Position) -> Result<bool, ReadError> {
        if self.pinned.contains(&position) {
            return Ok(true);
        }
        let covers = |stretch: &Stretch| stretch.from <= position && position <= stretch.to;
        if let Some(known) = self.stretches.iter().find(|stretch| covers(stretch)) {
            return Ok(known.events.contains(&position));
        }
        let budget = Budget { entries: 2_048, records: 16_384, bytes: 4 << 20 };
        let selection = Selection { events_only: true, ..Selection::default() };
        let before = Position(position.0.saturating_sub(1));
        let chunk = self.raw.read(before, &selection, budget)?;
        let mut stretch = Stretch { from: position, to: chunk.reached.max(position), events: HashSet::new() };
        for entry in chunk.entries {
            match entry {
                Entry::Fact(recorded) => {
                    let Fact::EventPublished(fact) = &recorded.fact else { continue };
                    let gone = self.hidden.is_erased(&recorded)
                        || self.hidden.is_trimmed(&fact.event, recorded.position)
                        || self.superseded.contains(&recorded.position);
                    if !gone {
                        stretch.events.insert(recorded.position);
                    }
                }
                // What can not be read now may be there: nobody decides on it.
                Entry::Gap { from, to, cause: cantus_engine::GapCause::Damaged, .. }
                    if from <= position && position <= to =>
                {
                    return Ok(true);
                }
                Entry::Gap { .. } => {}
            }
        }
        let found = stretch.events.contains(&position);
        if self.stretches.len() >= STRETCHES {
            self.stretches.pop_front();
        }
        self.stretches.push_back(stretch);
        Ok(found)
    }
}
