//! The deliveries of a lane whose turn may come, in the order of the log.
//!
//! Nearly all come in that order and go in it: those stand in a row, from which the first is taken without moving the others.

use std::collections::{BTreeMap, VecDeque};

use super::lanes::Waiting;
use crate::ids::Position;

/// Where a delivery stands: its event's position, and which replay it is.
pub(super) type Slot = (Position, u16);

/// Deliveries by slot.
#[derive(Debug, Default)]
pub(super) struct Ready {
    /// Rising.
    row: VecDeque<Waiting>,
    /// What came later and belongs before the row's end.
    others: BTreeMap<Slot, Waiting>,
}

fn slot_of(waiting: &Waiting) -> Slot {
    (waiting.position, waiting.generation)
}

impl Ready {
    /// Adds a delivery; one of the same slot is replaced.
    pub(super) fn insert(&mut self, waiting: Waiting) {
        let slot = slot_of(&waiting);
        match self.row.back().map(slot_of) {
            Some(last) if slot <= last => {
                if let Ok(place) = self.place(slot) {
                    self.row[place] = waiting;
                } else {
                    self.others.insert(slot, waiting);
                }
            }
            _ => {
                self.others.remove(&slot);
                self.row.push_back(waiting);
            }
        }
    }

    /// Returns the slot that comes first.
    pub(super) fn first(&self) -> Option<Slot> {
        let others = self.others.first_key_value().map(|(slot, _)| *slot);
        self.row.front().map(slot_of).into_iter().chain(others).min()
    }

    /// Returns few deliveries, among them the first.
    pub(super) fn firsts(&self) -> impl Iterator<Item = &Waiting> {
        self.row.front().into_iter().chain(self.others.values().next())
    }

    /// Takes a delivery.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<Waiting> {
        if self.row.front().is_some_and(|first| slot_of(first) == slot) {
            return self.row.pop_front();
        }
        match self.place(slot) {
            Ok(place) => self.row.remove(place),
            Err(_) => self.others.remove(&slot),
        }
    }

    fn place(&self, slot: Slot) -> Result<usize, usize> {
        self.row.binary_search_by_key(&slot, slot_of)
    }

    /// Tells whether a delivery is here.
    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.place(slot).is_ok() || self.others.contains_key(&slot)
    }

    /// Returns the slot of the first one that is meant.
    pub(super) fn find(&self, is_meant: impl Fn(&Waiting) -> bool) -> Option<Slot> {
        let in_row = self.row.iter().find(|waiting| is_meant(waiting)).map(slot_of);
        let other = self.others.iter().find(|(_, waiting)| is_meant(waiting)).map(|(slot, _)| *slot);
        in_row.into_iter().chain(other).min()
    }

    /// Returns all, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.row.iter().chain(self.others.values())
    }

    /// Returns all, in no particular order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Waiting> {
        self.row.iter_mut().chain(self.others.values_mut())
    }

    pub(super) fn len(&self) -> usize {
        self.row.len() + self.others.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.row.is_empty() && self.others.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::Priority;
    use crate::time::Timestamp;

    fn waiting(slot: Slot) -> Waiting {
        Waiting {
            position: slot.0,
            generation: slot.1,
            priority: Priority::Normal,
            key: None,
            story: 0,
            recorded_at: Timestamp(0),
            own_key: None,
            expires_at: None,
            event: None,
            kept: false,
            passes: false,
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_and_goes_the_first_is_the_first_of_all(
            moves in prop::collection::vec((0u8..4, 0u64..30, 0u16..3), 0..200),
        ) {
            let (mut ready, mut expected) = (Ready::default(), BTreeMap::new());
            for (what, position, generation) in moves {
                let slot = (Position(position), generation);
                match what {
                    0 | 1 => {
                        ready.insert(waiting(slot));
                        expected.insert(slot, ());
                    }
                    2 => prop_assert_eq!(ready.remove(slot).is_some(), expected.remove(&slot).is_some()),
                    _ => {
                        let first = ready.first();
                        prop_assert_eq!(first, expected.pop_first().map(|(slot, ())| slot));
                        if let Some(first) = first {
                            prop_assert!(ready.remove(first).is_some());
                        }
                    }
                }
                prop_assert_eq!(ready.len(), expected.len());
                prop_assert_eq!(ready.is_empty(), expected.is_empty());
                prop_assert_eq!(ready.contains(slot), expected.contains_key(&slot));
                let odd = |waiting: &Waiting| waiting.position.0 % 2 == 1;
                let first_odd = expected.keys().find(|slot| slot.0.0 % 2 == 1).copied();
                prop_assert_eq!(ready.find(odd), first_odd);
            }
        }
    }
}
