//! The cache of state beside the log.

use cantus_core::{Position, Timestamp};

use super::{Storage, append, at, event_fact, recorded};
use crate::engine::{Checkpoint, Engine};

fn row(key: &[u8], value: Option<&[u8]>) -> (Vec<u8>, Option<Vec<u8>>) {
    (key.to_vec(), value.map(<[u8]>::to_vec))
}

fn load(checkpoint: &dyn Checkpoint, key: &[u8]) -> Option<Vec<u8>> {
    checkpoint.load(key).expect("the row is loaded")
}

fn rows_but(checkpoint: &dyn Checkpoint, skip: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let mut take = |key: &[u8], value: &[u8]| rows.push((key.to_vec(), value.to_vec()));
    checkpoint.rows(skip, &mut take).expect("the rows are read");
    rows
}

fn three_facts(engine: &mut dyn Engine) {
    for position in 1..=3 {
        let facts = recorded(position, at(position as i64), [event_fact("e", "tasks", "Opened")]);
        append(engine, &facts);
    }
}

pub(super) fn rows(storage: &dyn Storage) {
    let (mut engine, mut checkpoint) = storage.open();
    assert_eq!(checkpoint.reached(), (Position(0), Timestamp(0)));
    assert_eq!(load(&*checkpoint, &[1]), None);
    three_facts(&mut *engine);
    let first = vec![row(&[1, 1], Some(b"one")), row(&[1, 2], Some(b"")), row(&[2], Some(&[0; 100_000]))];
    checkpoint.commit(first, Position(2), at(2)).expect("it is committed");
    assert_eq!(checkpoint.reached(), (Position(2), at(2)));
    assert_eq!(load(&*checkpoint, &[1, 1]).as_deref(), Some(&b"one"[..]));
    assert_eq!(load(&*checkpoint, &[1, 2]).as_deref(), Some(&b""[..]), "an empty row is a row");
    assert_eq!(load(&*checkpoint, &[2]).map(|row| row.len()), Some(100_000));
    assert_eq!(load(&*checkpoint, &[1]), None, "part of a key is another key");

    let second = vec![row(&[1, 1], None), row(&[1, 2], Some(b"two")), row(&[9], None)];
    checkpoint.commit(second, Position(3), at(3)).expect("it is committed");
    assert_eq!(load(&*checkpoint, &[1, 1]), None);
    assert_eq!(load(&*checkpoint, &[1, 2]).as_deref(), Some(&b"two"[..]));
    assert_eq!(load(&*checkpoint, &[2]).map(|row| row.len()), Some(100_000), "what is not named stays");
    assert_eq!(checkpoint.reached(), (Position(3), at(3)));
    checkpoint.commit(Vec::new(), Position(3), at(3)).expect("no row is committed");
}

pub(super) fn skipped(storage: &dyn Storage) {
    let (mut engine, mut checkpoint) = storage.open();
    three_facts(&mut *engine);
    let keys: [&[u8]; 6] = [&[1], &[2, 0], &[2, 255], &[7, 1], &[7, 2], &[12]];
    let committed = keys.iter().rev().map(|key| row(key, Some(key))).collect();
    checkpoint.commit(committed, Position(1), at(1)).expect("it is committed");
    let all: Vec<_> = keys.iter().map(|key| (key.to_vec(), key.to_vec())).collect();
    assert_eq!(rows_but(&*checkpoint, &[]), all);
    let but_two_and_seven = vec![all[0].clone(), all[5].clone()];
    assert_eq!(rows_but(&*checkpoint, &[7, 2]), but_two_and_seven);
    assert_eq!(rows_but(&*checkpoint, &[99]), all);
}

pub(super) fn never_ahead(storage: &dyn Storage) {
    let (mut engine, mut checkpoint) = storage.open();
    three_facts(&mut *engine);
    checkpoint.commit(vec![row(&[1], Some(b"as of 2"))], Position(2), at(2)).expect("it is committed");
    let unsynced = recorded(4, at(4), [event_fact("e", "tasks", "Opened")]);
    engine.append(at(4), &unsynced).expect("it is appended");
    for (position, time) in [(4, 4), (5, 4), (u64::MAX, 4), (1, 1)] {
        let refused = checkpoint.commit(vec![row(&[1], Some(b"wrong"))], Position(position), at(time));
        assert!(refused.is_err(), "position {position} is out of place");
    }
    assert_eq!(checkpoint.reached(), (Position(2), at(2)));
    assert_eq!(load(&*checkpoint, &[1]).as_deref(), Some(&b"as of 2"[..]));
    engine.sync().expect("the engine syncs");
    checkpoint.commit(vec![row(&[1], Some(b"as of 4"))], Position(4), at(4)).expect("now it is durable");
}

pub(super) fn restart(storage: &dyn Storage) {
    let (mut engine, mut checkpoint) = storage.open();
    three_facts(&mut *engine);
    checkpoint.commit(vec![row(&[1], Some(b"kept"))], Position(3), at(3)).expect("it is committed");
    checkpoint.close().expect("it is closed");
    drop(engine);
    let (_engine, checkpoint) = storage.open();
    assert_eq!(checkpoint.reached(), (Position(3), at(3)));
    assert_eq!(load(&*checkpoint, &[1]).as_deref(), Some(&b"kept"[..]));
}
