//! What is there after the process ended, in whatever way.

use cantus_core::Position;
use cantus_core::hash;

use super::{Storage, append, at, event_fact, long_log, read_all, recorded};
use crate::engine::Term;

pub(super) fn keeps_synced(storage: &dyn Storage) {
    let (mut engine, checkpoint) = storage.open();
    let all = long_log(&mut *engine);
    drop((engine, checkpoint));
    for _ in 0..2 {
        let (engine, checkpoint) = storage.open();
        let reader = engine.reader();
        assert_eq!(reader.durable(), all.last().expect("there are facts").position);
        assert_eq!(read_all(&*reader), all);
        assert_eq!(reader.get(Position(100)).expect("it is read").as_ref(), Some(&all[99]));
        let found = reader.find(Term::EventId(hash::of("evt-101")), Position(0), 10);
        assert_eq!(found.expect("it is looked up"), [Position(101)]);
        assert!(reader.damage().is_empty(), "{:?}", reader.damage());
        drop((engine, checkpoint));
    }
}

pub(super) fn unsynced_is_whole(storage: &dyn Storage) {
    let (mut engine, checkpoint) = storage.open();
    let synced = recorded(1, at(0), [event_fact("a", "tasks", "Opened")]);
    append(&mut *engine, &synced);
    let slice: Vec<_> = (0..50).map(|of| event_fact(&format!("batch-{of}"), "tasks", "Opened")).collect();
    let unsynced = recorded(2, at(1), slice);
    engine.append(at(1), &unsynced).expect("it is appended");
    drop((engine, checkpoint));

    let (engine, _) = storage.open();
    let read = read_all(&*engine.reader());
    let with_it = [synced.clone(), unsynced].concat();
    assert!(read == synced || read == with_it, "{} of 51 facts are there", read.len());
}

pub(super) fn goes_on(storage: &dyn Storage) {
    let (mut engine, checkpoint) = storage.open();
    let mut all = recorded(1, at(7), [event_fact("a", "tasks", "Opened")]);
    append(&mut *engine, &all);
    drop((engine, checkpoint));
    for restart in 2..6u64 {
        let (mut engine, checkpoint) = storage.open();
        let reused = recorded(restart - 1, at(100), [event_fact("x", "tasks", "Opened")]);
        assert!(engine.append(at(100), &reused).is_err(), "no position is used twice");
        let earlier = recorded(restart, at(6), [event_fact("x", "tasks", "Opened")]);
        assert!(engine.append(at(6), &earlier).is_err(), "log time goes on where it was");
        let more = recorded(restart, at(restart as i64 * 10), [event_fact("b", "tasks", "Opened")]);
        append(&mut *engine, &more);
        all.extend(more);
        assert_eq!(read_all(&*engine.reader()), all);
        drop((engine, checkpoint));
    }
}
