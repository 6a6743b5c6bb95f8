//! The index of a segment that still grows, or whose index file is not written yet.
//!
//! Entries lie in buckets by the upper bits of their keys, in the order they came, which is that of their positions. To add
//! one costs a push; a lookup passes over one bucket; nothing is sorted before the segment is sealed, and then bucket by bucket.

use std::ops::Range;

use super::{About, Entry, Key, Summary, Totals};
use crate::local::damage::Damage;
use crate::local::describe::Describe;
use crate::local::frame::{FrameHeader, Layout};

/// How many buckets there are, as a power of two: in a full segment of small records each has a few thousand entries.
const BUCKETS_LOG2: u32 = 11;

#[derive(Debug)]
pub(crate) struct MemoryIndex {
    totals: Totals,
    summaries: Vec<Summary>,
    /// None at all until there is an entry.
    buckets: Vec<Vec<Entry>>,
}

fn bucket(key: Key) -> usize {
    (key.0 >> (u64::BITS - BUCKETS_LOG2)) as usize
}

impl MemoryIndex {
    /// An index of nothing, from the start of a segment on.
    pub(crate) fn new(start: Totals) -> Self {
        Self { totals: Totals { frames: 0, records: 0, ..start }, summaries: Vec::new(), buckets: Vec::new() }
    }

    /// Takes in a frame that was read behind all others.
    pub(crate) fn add_frame(&mut self, layout: &Layout, frame: &[u8], describe: &dyn Describe) {
        if layout.header.is_mark() {
            self.advance(&layout.header);
            return;
        }
        self.add(&layout.header, &About::of(layout, frame, describe));
        if layout.runs(frame).next().is_some()
            && let Some(summary) = self.summaries.last_mut()
        {
            summary.note_removed();
        }
    }

    /// Takes in a frame with records that lies behind all others.
    pub(crate) fn add(&mut self, header: &FrameHeader, about: &About) {
        self.advance(header);
        self.summaries.push(Summary::of_frame(header, about));
        if self.buckets.is_empty() {
            self.buckets.resize_with(1 << BUCKETS_LOG2, Vec::new);
        }
        for entry in &about.entries {
            self.buckets[bucket(entry.key)].push(*entry);
        }
    }

    fn advance(&mut self, header: &FrameHeader) {
        self.totals = Totals {
            next_position: self.totals.next_position.max(header.next_position()),
            end_offset: u64::from(header.offset) + u64::from(header.length),
            chain: header.chain,
            log_time_ms: header.log_time_ms,
            frames: self.totals.frames + 1,
            records: self.totals.records + u64::from(header.records),
        };
    }

    /// Remembers that some positions are lost.
    pub(crate) fn add_gap(&mut self, damage: &Damage) {
        if damage.lost.is_nothing() {
            return;
        }
        self.totals.next_position = self.totals.next_position.max(damage.lost.last.saturating_add(1));
        self.summaries.push(Summary::of_gap(damage));
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    pub(crate) fn summaries(&self) -> &[Summary] {
        &self.summaries
    }

    pub(crate) fn find(&self, position: u64) -> usize {
        self.summaries.partition_point(|summary| summary.last_position < position)
    }

    /// Returns all entries, sorted.
    pub(crate) fn sorted_entries(&self) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(self.buckets.iter().map(Vec::len).sum());
        for bucket in &self.buckets {
            let start = entries.len();
            entries.extend_from_slice(bucket);
            entries[start..].sort_unstable();
        }
        entries
    }

    pub(crate) fn lookup(&self, key: Key, positions: Range<u64>, limit: usize) -> Vec<u64> {
        self.positions_of(key, positions).take(limit).collect()
    }

    pub(crate) fn lookup_back(&self, key: Key, positions: Range<u64>, limit: usize) -> Vec<u64> {
        self.positions_of(key, positions).rev().take(limit).collect()
    }

    fn positions_of(&self, key: Key, positions: Range<u64>) -> impl DoubleEndedIterator<Item = u64> + '_ {
        let bucket = self.buckets.get(bucket(key)).map_or(&[][..], Vec::as_slice);
        let start = bucket.partition_point(|entry| entry.position < positions.start);
        let end = bucket.partition_point(|entry| entry.position < positions.end).max(start);
        bucket[start..end].iter().filter(move |entry| entry.key == key).map(|entry| entry.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::describe::Description;

    fn header_of(position: u64) -> FrameHeader {
        FrameHeader {
            length: 128,
            crc: 0,
            version: 1,
            flags: 0,
            tenant: 0,
            offset: 4096,
            seed: 0,
            first_position: position,
            last_position: position,
            log_time_ms: 0,
            durable_mark: 0,
            body_hash: 0,
            chain: 0,
            records: 1,
            words: 0,
            dictionary_bytes: 0,
            durable_offset: 0,
        }
    }

    fn empty() -> MemoryIndex {
        let start =
            Totals { next_position: 1, end_offset: 4096, chain: 0, log_time_ms: 0, frames: 0, records: 0 };
        MemoryIndex::new(start)
    }

    #[test]
    fn every_entry_is_found_in_the_order_of_positions() {
        let mut index = empty();
        let count = 270_000;
        // Several names share a bucket, and many buckets have names.
        let hash = |name: u64| name << 8 | (name % 10) << 50 | (name % 100) << 56;
        for position in 1..=count {
            let mut description = Description::default();
            description.term(1, hash(position % 1000));
            let mut about = About::default();
            about.add(position, &description);
            index.add(&header_of(position), &about);
        }
        let key = Key::new(1, hash(7));
        let expected: Vec<u64> = (1..=count).filter(|position| position % 1000 == 7).collect();
        assert_eq!(index.lookup(key, 0..u64::MAX, usize::MAX), expected);
        assert_eq!(index.lookup(key, 2000..u64::MAX, 2), [2007, 3007]);
        let newest: Vec<u64> = expected.iter().rev().take(3).copied().collect();
        assert_eq!(index.lookup_back(key, 0..u64::MAX, 3), newest);
        assert_eq!(index.lookup_back(key, 0..2008, 3), [2007, 1007, 7]);
        assert!(index.lookup(Key::new(2, hash(7)), 0..u64::MAX, 9).is_empty(), "classes are apart");
        let sorted = index.sorted_entries();
        assert_eq!(sorted.len() as u64, count);
        assert!(sorted.is_sorted());
    }
}
