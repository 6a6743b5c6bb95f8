//! Both engines do what every engine must do.

use std::path::PathBuf;

use cantus_engine::conformance::{Storage, suite};
use cantus_engine::{Checkpoint, Engine, Memory, MemoryCheckpoint, local};

/// A data directory whose segments are so small that the suite's logs have many.
struct Directory {
    _keeps: tempfile::TempDir,
    path: PathBuf,
    background: bool,
}

impl Storage for Directory {
    fn open(&self) -> (Box<dyn Engine>, Box<dyn Checkpoint>) {
        let options = local::Options {
            segment_bytes_first: 16 * 1024,
            segment_bytes_max: 32 * 1024,
            reserve_bytes: 0,
            background: self.background,
            ..local::Options::default()
        };
        let opened = cantus_engine::open(&self.path, options).expect("the directory opens");
        assert_eq!(opened.recovered.damage, vec![]);
        (opened.engine, opened.checkpoint)
    }
}

fn directory(background: bool) -> Box<dyn Storage> {
    let keeps = tempfile::tempdir().expect("a temporary directory");
    Box::new(Directory { path: keeps.path().to_owned(), _keeps: keeps, background })
}

/// A process's memory: opening it again stands for a restart, so what was not synced is gone.
struct Ephemeral(Memory, MemoryCheckpoint);

impl Storage for Ephemeral {
    fn open(&self) -> (Box<dyn Engine>, Box<dyn Checkpoint>) {
        self.0.crash();
        (Box::new(self.0.clone()), Box::new(self.1.clone()))
    }
}

#[test]
fn the_local_engine_conforms() {
    suite(&|| directory(false));
}

#[test]
fn the_local_engine_conforms_with_segments_prepared_beside_it() {
    suite(&|| directory(true));
}

#[test]
fn the_engine_in_memory_conforms() {
    suite(&|| {
        let memory = Memory::new();
        let checkpoint = MemoryCheckpoint::of(&memory);
        Box::new(Ephemeral(memory, checkpoint))
    });
}
