//! What must stay in the log although its time is over: state still points to it.

use std::collections::BTreeSet;

use crate::ids::Position;
use crate::state::State;

impl State {
    /// Returns the positions within a range, both ends included, whose facts are still needed: events that are in
    /// delivery or will be published later, and the facts and events of dead letters.
    pub fn pinned(&self, from: Position, to: Position) -> BTreeSet<Position> {
        let mut pinned = BTreeSet::new();
        for subscription in self.subscriptions.values() {
            let open = subscription.open.range((from, 0)..=(to, u16::MAX));
            pinned.extend(open.map(|((position, _), _)| *position));
        }
        pinned.extend(self.deferred.range(from..=to).map(|(position, _)| *position));
        for dead_letter in self.dead_letters.values().filter(|it| it.erased.is_none()) {
            let facts = dead_letter.deaths.iter().copied().chain(dead_letter.edit);
            let all = facts.chain([dead_letter.delivery.position]);
            pinned.extend(all.filter(|position| (from..=to).contains(position)));
        }
        pinned
    }

    /// Tells whether an event was erased, by the hash of its id.
    pub fn erased_by_id(&self, id: u64) -> Option<(Position, Position)> {
        let event = self.erased_ids.get(&id)?;
        Some((*event, *self.erased.get(event)?))
    }
}
