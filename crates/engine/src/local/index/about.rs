//! What an index takes in of one frame.

use super::{Entry, Key};
use crate::local::describe::{Describe, Description};
use crate::local::frame::Layout;

/// The names in a frame and the sets of its summary, collected record by record: by whoever writes the frame, or whoever reads it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub(super) entries: Vec<Entry>,
    pub(super) topics: u64,
    pub(super) kinds: u64,
    pub(super) priorities: u8,
    records: u32,
}

impl About {
    /// Reads what a frame is about.
    pub(crate) fn of(layout: &Layout, frame: &[u8], describe: &dyn Describe) -> Self {
        let mut about = Self::default();
        let words = layout.words(frame);
        for record in layout.records(frame) {
            about.add(record.position, &describe.describe(&words, record.number, record.payload));
        }
        about
    }

    /// Forgets what was collected.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        (self.topics, self.kinds, self.priorities, self.records) = (0, 0, 0, 0);
    }

    /// Takes in a record.
    pub(crate) fn add(&mut self, position: u64, description: &Description) {
        for term in description.terms() {
            self.entries.push(Entry { key: Key::new(term.class, term.hash), position });
        }
        self.topics |= description.topic.map_or(0, bits);
        self.kinds |= description.kind.map_or(0, bits);
        self.priorities |= description.priority.map_or(0, |priority| 1 << (priority & 7));
        self.records += 1;
    }

    /// Returns how many records were taken in.
    pub(crate) fn records(&self) -> u32 {
        self.records
    }
}

/// Two bits of 64 for a hash.
pub(super) fn bits(hash: u64) -> u64 {
    1 << (hash >> 58) | 1 << (hash >> 52 & 63)
}
