//! The index of a segment that still grows, or whose index file is not written yet.
//!
//! Entries collect in a short unsorted head; full heads become sorted runs, and eight runs of a tier merge into one of the
//! next. A lookup searches the head and a few dozen runs at most; nothing is ever rehashed while the writer waits.

use std::ops::Range;

use super::{Entry, Key, Summary, Totals};
use crate::local::damage::Damage;
use crate::local::describe::Describe;
use crate::local::frame::{FrameHeader, Layout, describe_frame};

const HEAD: usize = 4096;
const FAN_IN: usize = 8;
/// Runs of 4096, 32 Ki and 256 Ki entries. Larger merges would stall the writer for tens of milliseconds.
const TIER_MAX: u8 = 2;

#[derive(Debug)]
pub(crate) struct MemoryIndex {
    totals: Totals,
    summaries: Vec<Summary>,
    head: Vec<Entry>,
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    tier: u8,
    entries: Vec<Entry>,
}

impl MemoryIndex {
    /// An index of nothing, from the start of a segment on.
    pub(crate) fn new(start: Totals) -> Self {
        Self {
            totals: Totals { frames: 0, records: 0, ..start },
            summaries: Vec::new(),
            head: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Takes in a frame that was written behind all others.
    pub(crate) fn add_frame(&mut self, layout: &Layout, frame: &[u8], describe: &dyn Describe) {
        let header = &layout.header;
        self.advance(header);
        if header.is_mark() {
            return;
        }
        let mut summary = Summary::of_frame(header);
        describe_frame(layout, frame, describe, |position, description| {
            summary.add(&description);
            for term in description.terms() {
                self.add_entry(Entry { key: Key::new(term.class, term.hash), position });
            }
        });
        if layout.runs(frame).next().is_some() {
            summary.note_removed();
        }
        self.summaries.push(summary);
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

    fn add_entry(&mut self, entry: Entry) {
        self.head.push(entry);
        if self.head.len() < HEAD {
            return;
        }
        let mut entries = std::mem::replace(&mut self.head, Vec::with_capacity(HEAD));
        entries.sort_unstable();
        self.runs.push(Run { tier: 0, entries });
        while let Some(tier) = self.mergeable() {
            let merged = self.runs.split_off(self.runs.len() - FAN_IN);
            let mut entries: Vec<Entry> = merged.into_iter().flat_map(|run| run.entries).collect();
            // The stable sort finds the sorted runs and merges them.
            entries.sort();
            self.runs.push(Run { tier: tier + 1, entries });
        }
    }

    fn mergeable(&self) -> Option<u8> {
        let last = self.runs.len().checked_sub(FAN_IN).map(|start| &self.runs[start..])?;
        let tier = last[0].tier;
        (tier < TIER_MAX && last.iter().all(|run| run.tier == tier)).then_some(tier)
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
        let runs = self.runs.iter().flat_map(|run| &run.entries);
        let mut entries: Vec<Entry> = runs.chain(&self.head).copied().collect();
        entries.sort();
        entries
    }

    pub(crate) fn lookup(&self, key: Key, positions: Range<u64>, limit: usize) -> Vec<u64> {
        let mut found = self.collect(key, &positions, |slice| &slice[..slice.len().min(limit)]);
        found.sort_unstable();
        found.truncate(limit);
        found
    }

    pub(crate) fn lookup_back(&self, key: Key, positions: Range<u64>, limit: usize) -> Vec<u64> {
        let mut found = self.collect(key, &positions, |slice| &slice[slice.len().saturating_sub(limit)..]);
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(limit);
        found
    }

    fn collect(&self, key: Key, positions: &Range<u64>, cut: impl Fn(&[Entry]) -> &[Entry]) -> Vec<u64> {
        let fits = |entry: &&Entry| entry.key == key && positions.contains(&entry.position);
        let mut found: Vec<u64> = self.head.iter().filter(fits).map(|entry| entry.position).collect();
        for run in &self.runs {
            let start =
                run.entries.partition_point(|entry| *entry < Entry { key, position: positions.start });
            let end = run.entries.partition_point(|entry| *entry < Entry { key, position: positions.end });
            if start < end {
                found.extend(cut(&run.entries[start..end]).iter().map(|entry| entry.position));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> MemoryIndex {
        let start =
            Totals { next_position: 1, end_offset: 4096, chain: 0, log_time_ms: 0, frames: 0, records: 0 };
        MemoryIndex::new(start)
    }

    #[test]
    fn every_entry_is_found_across_head_and_runs_of_all_tiers() {
        let mut index = empty();
        let count = (HEAD * FAN_IN * FAN_IN + HEAD * 3 + 17) as u64;
        for position in 1..=count {
            index.add_entry(Entry { key: Key::new(1, (position % 1000) << 8), position });
        }
        assert!(index.runs.len() < FAN_IN * 3, "runs merge");
        let key = Key::new(1, 7 << 8);
        let expected: Vec<u64> = (1..=count).filter(|position| position % 1000 == 7).collect();
        assert_eq!(index.lookup(key, 0..u64::MAX, usize::MAX), expected);
        assert_eq!(index.lookup(key, 2000..u64::MAX, 2), [2007, 3007]);
        let newest: Vec<u64> = expected.iter().rev().take(3).copied().collect();
        assert_eq!(index.lookup_back(key, 0..u64::MAX, 3), newest);
        assert_eq!(index.lookup_back(key, 0..2008, 3), [2007, 1007, 7]);
        assert!(index.lookup(Key::new(2, 7 << 8), 0..u64::MAX, 9).is_empty(), "classes are apart");
        assert_eq!(index.sorted_entries().len() as u64, count);
    }
}
