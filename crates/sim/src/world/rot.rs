//! Rot, once everything is done: nobody runs, a bit of a sealed file flips, and the process starts again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cantus_core::fact::Recorded;
use cantus_core::{Position, Timestamp};
use cantus_engine::{Budget, Chunk, Entry, GapCause, ReadError, Reader, Selection, Term};
use cantus_runtime::simulation::Node;

use super::{Lived, Sabotage, World};
use crate::invariants::Rotten;
use crate::judge::Violation;

/// So many turns start a process.
const TURNS_MAX: u32 = 200;

/// A reader that shows no gaps: for the positive control.
struct Silent(Arc<dyn Reader>);

impl Reader for Silent {
    fn durable(&self) -> Position {
        self.0.durable()
    }

    fn read(&self, after: Position, selection: &Selection, budget: Budget) -> Result<Chunk, ReadError> {
        let mut chunk = self.0.read(after, selection, budget)?;
        chunk.entries.retain(|entry| matches!(entry, Entry::Fact(_)));
        Ok(chunk)
    }

    fn read_back(&self, before: Position, selection: &Selection, budget: Budget) -> Result<Chunk, ReadError> {
        self.0.read_back(before, selection, budget)
    }

    fn get(&self, position: Position) -> Result<Option<Recorded>, ReadError> {
        self.0.get(position)
    }

    fn find(&self, term: Term, after: Position, limit: usize) -> Result<Vec<Position>, ReadError> {
        self.0.find(term, after, limit)
    }

    fn before_time(&self, time: Timestamp) -> Result<Position, ReadError> {
        self.0.before_time(time)
    }

    fn removed(&self, position: Position) -> Result<Option<GapCause>, ReadError> {
        self.0.removed(position)
    }

    fn damage(&self) -> Vec<String> {
        self.0.damage()
    }
}

/// Everything that can be read.
fn readable(reader: &dyn Reader) -> Result<BTreeSet<Position>, ReadError> {
    let (mut all, mut after) = (BTreeSet::new(), Position(0));
    loop {
        let chunk = reader.read(after, &Selection::default(), Budget::default())?;
        all.extend(chunk.entries.iter().filter_map(|entry| match entry {
            Entry::Fact(recorded) => Some(recorded.position),
            Entry::Gap { .. } => None,
        }));
        after = chunk.reached;
        if chunk.end {
            return Ok(all);
        }
    }
}

impl World {
    /// A bit flips while nobody runs. What is there after the next start is judged.
    pub(super) fn rot(&mut self) -> Lived {
        let Some(mut node) = self.node.take() else { return Ok(()) };
        let before = readable(node.raw().as_ref());
        let before = before.map_err(|error| Violation::new("the log can be read", error.to_string()))?;
        if self.chance.flip() {
            node.stop();
        } else {
            node.keep_house();
            drop(node);
        }
        self.collect_doubts();
        self.ended(false);
        let Some(path) = self.flip() else { return Ok(()) };
        let rows = self.rows.crash(&mut self.chance);
        self.tell(format!("a bit of {} flips, rows {rows}", path.display()));
        let Some(mut node) = self.start_with_rot(&path)? else { return Ok(()) };
        for _ in 0..TURNS_MAX {
            node.turn(true);
            while node.write() {}
            node.feed();
        }
        let name = path.display().to_string();
        let broken = node.broken();
        if !node.is_started() || broken.is_some() {
            let what = format!("{name} has rotted, and the start does not end: {broken:?}");
            return Err(Violation::new("rot is contained", what));
        }
        let mut told = node.raw().damage();
        let mut from = Position(0);
        loop {
            let scrubbed = node.log().scrub(from, 1 << 20);
            let scrubbed =
                scrubbed.map_err(|error| Violation::new("rot is looked for", error.to_string()))?;
            told.extend(scrubbed.damage);
            if scrubbed.next == Position(0) || scrubbed.next == from {
                break;
            }
            from = scrubbed.next;
        }
        told.extend(node.raw().damage());
        let reader: Arc<dyn Reader> = match self.sabotage {
            Sabotage::GapsHidden => Arc::new(Silent(node.raw().clone())),
            _ => node.raw().clone(),
        };
        let now = readable(node.raw().as_ref());
        let now = now.map_err(|error| Violation::new("the log can be read", error.to_string()))?;
        self.counts.lost += before.difference(&now).count() as u64;
        let rotten = Rotten { file: name, before: &before, reader: reader.as_ref(), told };
        self.judge.rotten(&rotten)
    }

    /// Flips a bit of a file that does not change any more. Tells of which.
    fn flip(&mut self) -> Option<PathBuf> {
        let mut paths = self.disk.paths();
        paths.sort();
        let is = |path: &Path, kind: &str| path.extension().is_some_and(|it| it == kind);
        // What is written at the end is not sealed.
        let last = paths.iter().rposition(|path| is(path, "segment"));
        let sealed = paths.iter().enumerate().filter(|(index, path)| {
            (is(path, "segment") && Some(*index) != last) || is(path, "idx") || is(path, "base")
        });
        let sealed: Vec<PathBuf> = sealed.map(|(_, path)| path.clone()).collect();
        if sealed.is_empty() {
            return None;
        }
        let path = sealed[self.chance.index(sealed.len())].clone();
        let (at, bit) = (self.chance.draw(), self.chance.below(8));
        self.disk.tamper(&path, |bytes| {
            if !bytes.is_empty() {
                let at = (at % bytes.len() as u64) as usize;
                bytes[at] ^= 1 << bit;
            }
        });
        self.counts.flipped += 1;
        Some(path)
    }

    /// Starts; a log that refuses to open because of damage it names is repaired, as people do.
    fn start_with_rot(&mut self, path: &Path) -> Result<Option<Node>, Violation> {
        self.counts.starts += 1;
        self.set_room();
        let engine = match cantus_engine::open_log(Path::new(super::power::DIR), self.options()) {
            Ok((engine, _)) => engine,
            Err(error) => {
                self.tell(format!("the log does not open: {error}"));
                let repaired = cantus_engine::repair(Path::new(""), self.options());
                repaired.map_err(|error| {
                    let what = format!("{}: {error}", path.display());
                    Violation::new("what has rotted can be given up", what)
                })?;
                let opened = cantus_engine::open_log(Path::new(super::power::DIR), self.options());
                let opened = opened.map_err(|error| {
                    let what = format!("{}: {error}", path.display());
                    Violation::new("a repaired log opens", what)
                })?;
                opened.0
            }
        };
        self.open_node(engine).map(Some)
    }
}
