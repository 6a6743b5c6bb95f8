//! What is appended, and when it can be read.

use cantus_core::Position;
use cantus_core::fact::Fact;

use super::{Storage, append, at, event_fact, read_all, recorded, samples};
use crate::engine::{AppendError, Term};

pub(super) fn every_fact_is_read_back(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    let facts = samples::facts();
    for (number, name) in Fact::NUMBERS {
        assert!(facts.iter().any(|fact| fact.number() == *number), "there is no sample of {name}");
    }
    let together = recorded(1, at(0), facts.clone());
    append(&mut *engine, &together);
    let mut all = together;
    for fact in facts {
        let alone = recorded(all.len() as u64 + 1, at(all.len() as i64), [fact]);
        append(&mut *engine, &alone);
        all.extend(alone);
    }
    let read = read_all(&*engine.reader());
    assert_eq!(read.len(), all.len());
    for (read, appended) in read.iter().zip(&all) {
        assert_eq!(read, appended);
    }
}

pub(super) fn nothing_is_read_before_sync(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    let reader = engine.reader();
    let first = recorded(1, at(0), [event_fact("a", "tasks", "Opened")]);
    append(&mut *engine, &first);
    engine.append(at(1), &recorded(2, at(1), [event_fact("b", "tasks", "Opened")])).expect("it is appended");
    assert_eq!(reader.durable(), Position(1));
    assert_eq!(read_all(&*reader), first);
    assert_eq!(reader.get(Position(2)).expect("it is read"), None);
    let found =
        reader.find(Term::EventId(cantus_core::hash::of("b")), Position(0), 10).expect("it is looked up");
    assert_eq!(found, []);
}

pub(super) fn sync_covers_all_appends(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    for position in 1..=5 {
        let facts = recorded(position, at(position as i64), [event_fact("e", "tasks", "Opened")]);
        engine.append(at(position as i64), &facts).expect("it is appended");
    }
    assert_eq!(engine.sync().expect("the engine syncs"), Position(5));
    assert_eq!(engine.reader().durable(), Position(5));
    assert_eq!(read_all(&*engine.reader()).len(), 5);
    assert_eq!(engine.sync().expect("a second sync has nothing to do"), Position(5));
}

pub(super) fn positions_must_rise(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    let three = || ["a", "b", "c"].map(|id| event_fact(id, "tasks", "Opened"));
    let good = recorded(1, at(0), three());
    append(&mut *engine, &good);
    let mut falling = recorded(4, at(1), three());
    falling[2].position = Position(5);
    for wrong in [recorded(3, at(1), three()), recorded(1, at(1), three()), falling] {
        let refused = engine.append(at(1), &wrong).expect_err("it is out of order");
        assert!(matches!(refused, AppendError::Refused(_)), "{refused:?}");
        engine.sync().expect("a refusal does not stop the engine");
        assert_eq!(read_all(&*engine.reader()), good);
    }
    let more = recorded(4, at(2), three());
    append(&mut *engine, &more);
    assert_eq!(read_all(&*engine.reader()), [good, more].concat());
}

pub(super) fn log_time_never_goes_back(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    append(&mut *engine, &recorded(1, at(5), [event_fact("a", "tasks", "Opened")]));
    let earlier = recorded(2, at(4), [event_fact("b", "tasks", "Opened")]);
    let refused = engine.append(at(4), &earlier).expect_err("log time goes back");
    assert!(matches!(refused, AppendError::Refused(_)), "{refused:?}");
    append(&mut *engine, &recorded(2, at(5), [event_fact("b", "tasks", "Opened")]));
    let times: Vec<_> = read_all(&*engine.reader()).iter().map(|recorded| recorded.at).collect();
    assert_eq!(times, [at(5), at(5)]);
}

pub(super) fn nothing_is_appended(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    engine.append(at(0), &[]).expect("nothing is appended");
    assert_eq!(engine.sync().expect("nothing is synced"), Position(0));
    assert_eq!(read_all(&*engine.reader()), []);
}

pub(super) fn holes_are_legal(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    let mut facts = recorded(3, at(0), ["a", "b"].map(|id| event_fact(id, "tasks", "Opened")));
    facts[1].position = Position(7);
    append(&mut *engine, &facts);
    let later = recorded(1_000_000, at(1), [event_fact("c", "tasks", "Opened")]);
    append(&mut *engine, &later);
    let reader = engine.reader();
    assert_eq!(read_all(&*reader), [facts, later].concat());
    for hole in [0, 1, 4, 6, 8, 999_999, 1_000_001, u64::MAX] {
        assert_eq!(reader.get(Position(hole)).expect("it is read"), None, "position {hole}");
    }
}

pub(super) fn rest_loses_nothing(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    engine.rest().expect("an empty log rests");
    let mut all = Vec::new();
    for position in 1..=3 {
        let facts = recorded(position, at(position as i64), [event_fact("e", "tasks", "Opened")]);
        append(&mut *engine, &facts);
        all.extend(facts);
        engine.rest().expect("the engine rests");
        engine.rest().expect("and rests on");
    }
    assert_eq!(read_all(&*engine.reader()), all);
    assert!(engine.reader().damage().is_empty(), "{:?}", engine.reader().damage());
}
