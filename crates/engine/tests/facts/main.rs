//! Facts are written as `docs/formats.md` says, and what version 1 wrote is read for ever.

mod documented;
mod fixture;
mod properties;

use std::path::Path;

use cantus_core::fact::{Fact, Recorded};
use cantus_core::{Position, Timestamp};
use cantus_engine::{Budget, Engine, Entry, Reader, Selection, local};

/// Opens the data directory of these tests: one small segment, all work done within calls.
fn open(dir: &Path) -> Box<dyn Engine> {
    let options = local::Options {
        segment_bytes_first: 64 * 1024,
        segment_bytes_max: 64 * 1024,
        reserve_bytes: 0,
        background: false,
        log_id: Some(0x0123_4567_89ab_cdef),
        ..local::Options::default()
    };
    cantus_engine::open(dir, options).expect("the directory opens").engine
}

/// Puts facts in their places, from position 1 on.
fn recorded(facts: Vec<Fact>) -> Vec<Recorded> {
    let at = Timestamp(1_795_000_000_000);
    (1..).zip(facts).map(|(position, fact)| Recorded { position: Position(position), at, fact }).collect()
}

fn read_all(reader: &dyn Reader) -> Vec<Recorded> {
    let everything = Budget { entries: usize::MAX, records: usize::MAX, bytes: usize::MAX };
    let chunk = reader.read(Position(0), &Selection::default(), everything).expect("the log is read");
    let fact = |entry| match entry {
        Entry::Fact(recorded) => recorded,
        Entry::Gap { .. } => panic!("nothing is lost"),
    };
    chunk.entries.into_iter().map(fact).collect()
}
