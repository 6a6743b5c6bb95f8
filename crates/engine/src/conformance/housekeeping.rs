//! What is done to sealed data beside the writer.

use std::collections::BTreeSet;

use cantus_core::fact::{Fact, Recorded};
use cantus_core::{Position, hash};

use super::{Storage, append, at, event_fact, long_log, recorded};
use crate::engine::{Budget, Checkpoint, Engine, Entry, GapCause, Reader, Selection, Term};
use crate::housekeeping::{Housekeeping, HousekeepingError, Keep, Rewritten};

const ALL: Budget = Budget { entries: usize::MAX, records: usize::MAX, bytes: usize::MAX };

/// A long log, all of it sealed but one fact behind it.
fn sealed_log(engine: &mut dyn Engine) -> Vec<Recorded> {
    let mut all = long_log(engine);
    engine.housekeeping().request_seal();
    let next = all.last().expect("there are facts").position.0 + 1;
    let facts = recorded(next, at(10_000), [event_fact("evt-last", "tasks", "Opened")]);
    append(engine, &facts);
    all.extend(facts);
    all
}

/// Two bases of everything that is durable.
fn two_bases(engine: &dyn Engine, checkpoint: &mut dyn Checkpoint) {
    let rows = vec![(vec![1, 1], Some(b"one".to_vec())), (vec![2], Some(vec![7; 300_000]))];
    checkpoint.commit(rows, engine.reader().durable(), at(10_000)).expect("it is committed");
    let frozen = checkpoint.freeze();
    for _ in 0..2 {
        engine.housekeeping().write_base(&*frozen).expect("the base is written");
    }
}

/// Writes every sealed segment anew.
fn rewrite_all(keeping: &dyn Housekeeping, mut keep: impl FnMut(&Recorded) -> Keep) -> Rewritten {
    let mut sum = Rewritten::default();
    for segment in keeping.segments().into_iter().filter(|segment| segment.sealed) {
        let done = keeping.rewrite(segment.first, &mut keep).expect("the segment is written anew");
        sum.facts += done.facts;
        sum.removed += done.removed;
        sum.replaced += done.replaced;
    }
    sum
}

fn is_of(recorded: &Recorded, wanted: &str) -> bool {
    matches!(&recorded.fact, Fact::EventPublished(it) if it.event.topic.as_str() == wanted)
}

fn select(topic: Option<&str>) -> Selection {
    Selection { topic: topic.map(str::to_owned), ..Selection::default() }
}

fn read(reader: &dyn Reader, topic: Option<&str>) -> Vec<Entry> {
    let forward = reader.read(Position(0), &select(topic), ALL).expect("the log is read").entries;
    let back = reader.read_back(Position(u64::MAX), &select(topic), ALL).expect("the log is read").entries;
    let place = |entry: &Entry| match entry {
        Entry::Fact(recorded) => (recorded.position, recorded.position),
        Entry::Gap { from, to, .. } => (*from, *to),
    };
    let mut places: Vec<_> = back.iter().map(place).collect();
    places.reverse();
    assert_eq!(forward.iter().map(place).collect::<Vec<_>>(), places, "back is forward, turned round");
    forward
}

fn facts(entries: &[Entry]) -> Vec<Recorded> {
    let fact = |entry: &Entry| match entry {
        Entry::Fact(recorded) => Some(recorded.clone()),
        Entry::Gap { .. } => None,
    };
    entries.iter().filter_map(fact).collect()
}

fn gaps(entries: &[Entry]) -> Vec<(u64, u64, GapCause)> {
    let gap = |entry: &Entry| match entry {
        Entry::Gap { from, to, cause, .. } => Some((from.0, to.0, *cause)),
        Entry::Fact(_) => None,
    };
    entries.iter().filter_map(gap).collect()
}

pub(super) fn a_seal_is_asked_for(storage: &dyn Storage) {
    let (mut engine, _checkpoint) = storage.open();
    let keeping = engine.housekeeping();
    keeping.request_seal();
    append(&mut *engine, &recorded(1, at(1), [event_fact("a", "tasks", "Opened")]));
    append(&mut *engine, &recorded(2, at(2), [event_fact("b", "tasks", "Opened")]));
    let of = |keeping: &dyn Housekeeping| -> Vec<_> {
        keeping.segments().iter().map(|it| (it.first.0, it.last.0, it.facts, it.sealed)).collect()
    };
    assert_eq!(of(&*keeping), [(1, 2, 2, false)], "an empty segment is not sealed");
    keeping.request_seal();
    append(&mut *engine, &recorded(3, at(3), [event_fact("c", "tasks", "Opened")]));
    append(&mut *engine, &recorded(4, at(4), [event_fact("d", "tasks", "Opened")]));
    assert_eq!(of(&*keeping), [(1, 2, 2, true), (3, 4, 2, false)]);
}

pub(super) fn nothing_goes_before_two_bases(storage: &dyn Storage) {
    let (mut engine, mut checkpoint) = storage.open();
    let all = sealed_log(&mut *engine);
    let keeping = engine.housekeeping();
    let first = keeping.segments()[0].first;
    let mut drop_all = |_: &Recorded| Keep::Drop(GapCause::Expired);
    let refused = keeping.rewrite(first, &mut drop_all);
    assert!(matches!(refused, Err(HousekeepingError::NeedsBase { .. })), "{refused:?}");
    checkpoint.commit(Vec::new(), engine.reader().durable(), at(10_000)).expect("it is committed");
    keeping.write_base(&*checkpoint.freeze()).expect("the base is written");
    assert_eq!(keeping.droppable(), Position(0), "one base may rot");
    let refused = keeping.drop_before(all[all.len() - 1].position, GapCause::Expired);
    assert!(matches!(refused, Err(HousekeepingError::NeedsBase { .. })), "{refused:?}");
    assert_eq!(facts(&read(&*engine.reader(), None)), all, "nothing has changed");
    keeping.write_base(&*checkpoint.freeze()).expect("the base is written");
    assert_eq!(keeping.droppable(), engine.reader().durable());
    let active = keeping.segments().last().expect("there are segments").first;
    let refused = keeping.rewrite(active, &mut drop_all);
    assert!(matches!(refused, Err(HousekeepingError::NoSegment { .. })), "the active one is the writer's");
}

pub(super) fn a_judge_may_read(storage: &dyn Storage) {
    let (mut engine, mut checkpoint) = storage.open();
    let all = sealed_log(&mut *engine);
    two_bases(&*engine, &mut *checkpoint);
    let reader = engine.reader();
    let mut asked = false;
    rewrite_all(&*engine.housekeeping(), |it| {
        if !std::mem::replace(&mut asked, true) {
            // In a thread of its own: one that must wait would wait for ever.
            let (reader, position) = (reader.clone(), it.position);
            let (answer, found) = std::sync::mpsc::channel();
            // Nobody waits for it after the time is up.
            std::thread::spawn(move || drop(answer.send(reader.get(position).ok().flatten())));
            let found = found.recv_timeout(std::time::Duration::from_secs(60));
            assert_eq!(found, Ok(Some(it.clone())), "the log is read while a segment is judged");
        }
        Keep::Keep
    });
    assert_eq!(facts(&read(&*engine.reader(), None)), all);
}

pub(super) fn dropped_facts_leave_a_gap(storage: &dyn Storage) {
    let (mut engine, mut checkpoint) = storage.open();
    let all = sealed_log(&mut *engine);
    two_bases(&*engine, &mut *checkpoint);
    let goes = |it: &Recorded| is_of(it, "reviews") && it.position.0 <= 200;
    let done = rewrite_all(&*engine.housekeeping(), |it| {
        if goes(it) { Keep::Drop(GapCause::Expired) } else { Keep::Keep }
    });
    let expected: Vec<Recorded> = all.iter().filter(|it| !goes(it)).cloned().collect();
    assert_eq!(done.removed as usize, all.len() - expected.len());
    let check = |reader: &dyn Reader| {
        assert_eq!(facts(&read(reader, None)), expected);
        let reviews = read(reader, Some("reviews"));
        assert_eq!(
            facts(&reviews),
            expected.iter().filter(|it| is_of(it, "reviews")).cloned().collect::<Vec<_>>()
        );
        let told: BTreeSet<u64> = gaps(&reviews).iter().flat_map(|(from, to, _)| *from..=*to).collect();
        let gone: Vec<&Recorded> = all.iter().filter(|it| goes(it)).collect();
        assert!(gone.iter().all(|it| told.contains(&it.position.0)), "whoever looks for them is told");
        assert_eq!(gaps(&read(reader, Some("tasks"))), [], "others miss nothing");
        let Fact::EventPublished(first) = &gone[0].fact else { panic!("events went") };
        assert_eq!(reader.get(gone[0].position).expect("it is read"), None);
        assert_eq!(reader.removed(gone[0].position).expect("it is read"), Some(GapCause::Expired));
        assert_eq!(reader.removed(expected[0].position).expect("it is read"), None);
        let term = Term::EventId(hash::of(&first.event.id));
        assert_eq!(reader.find(term, Position(0), 9).expect("it is looked for"), []);
        assert!(reader.damage().is_empty(), "what went on purpose is no damage: {:?}", reader.damage());
    };
    check(&*engine.reader());
    drop(checkpoint);
    drop(engine);
    let (engine, _checkpoint) = storage.open();
    check(&*engine.reader());
}

pub(super) fn forgotten_facts_leave_nothing(storage: &dyn Storage) {
    let (mut engine, mut checkpoint) = storage.open();
    let all = sealed_log(&mut *engine);
    two_bases(&*engine, &mut *checkpoint);
    let goes = |it: &Recorded| !it.position.0.is_multiple_of(3) && it.position.0 < 200;
    rewrite_all(&*engine.housekeeping(), |it| if goes(it) { Keep::Forget } else { Keep::Keep });
    let expected: Vec<Recorded> = all.iter().filter(|it| !goes(it)).cloned().collect();
    let entries = read(&*engine.reader(), None);
    assert_eq!((facts(&entries), gaps(&entries)), (expected, vec![]));
    // Again, and other ones: what went stays gone, what is told stays told.
    let expire = |it: &Recorded| is_of(it, "alerts") && it.position.0 < 100;
    let expired: Vec<u64> = all.iter().filter(|it| !goes(it) && expire(it)).map(|it| it.position.0).collect();
    rewrite_all(
        &*engine.housekeeping(),
        |it| {
            if expire(it) { Keep::Drop(GapCause::Erased) } else { Keep::Keep }
        },
    );
    let done = rewrite_all(&*engine.housekeeping(), |_| Keep::Keep);
    assert_eq!((done.removed, done.replaced), (0, 0));
    drop(checkpoint);
    drop(engine);
    let (engine, _checkpoint) = storage.open();
    let entries = read(&*engine.reader(), None);
    let told = gaps(&entries);
    assert!(told.iter().all(|(.., cause)| *cause == GapCause::Erased));
    for position in expired {
        assert!(told.iter().any(|(from, to, _)| (*from..=*to).contains(&position)), "{position} is told");
    }
    let stays: Vec<Recorded> = all.into_iter().filter(|it| !goes(it) && !expire(it)).collect();
    assert_eq!(facts(&entries), stays);
}

pub(super) fn replaced_facts_keep_their_place(storage: &dyn Storage) {
    let (mut engine, _checkpoint) = storage.open();
    let all = sealed_log(&mut *engine);
    let keeping = engine.housekeeping();
    let other = event_fact("evt-5", "tasks", "Masked");
    let goes = all.iter().find(|it| is_of(it, "tasks")).expect("there are tasks").position;
    let done = rewrite_all(&*keeping, |it| {
        if it.position == goes { Keep::Replace(Box::new(other.clone())) } else { Keep::Keep }
    });
    assert_eq!((done.removed, done.replaced), (0, 1));
    let expected: Vec<Recorded> =
        all.iter()
            .map(|it| {
                if it.position == goes { Recorded { fact: other.clone(), ..it.clone() } } else { it.clone() }
            })
            .collect();
    assert_eq!(facts(&read(&*engine.reader(), None)), expected);
    let wrong = all.iter().find(|it| it.fact.number() != 1 && it.position < all[all.len() - 1].position);
    let wrong = wrong.expect("there are other facts").position;
    let segments = keeping.segments();
    let holds = segments.iter().find(|it| (it.first..=it.last).contains(&wrong)).expect("it lies somewhere");
    let refused = keeping.rewrite(holds.first, &mut |it| {
        if it.position == wrong { Keep::Replace(Box::new(other.clone())) } else { Keep::Keep }
    });
    assert!(matches!(refused, Err(HousekeepingError::OtherKind { position }) if position == wrong));
    assert_eq!(facts(&read(&*engine.reader(), None)), expected);
}

pub(super) fn the_oldest_go_as_a_whole(storage: &dyn Storage) {
    let (mut engine, mut checkpoint) = storage.open();
    let mut all = sealed_log(&mut *engine);
    two_bases(&*engine, &mut *checkpoint);
    let keeping = engine.housekeeping();
    let before = keeping.segments();
    let first = &before[0];
    let done = keeping.rewrite(first.first, &mut |_| Keep::Drop(GapCause::Expired)).expect("it goes");
    assert!(done.dropped);
    assert_eq!(keeping.segments().len(), before.len() - 1);
    all.retain(|it| it.position > first.last);
    let check = |reader: &dyn Reader, up_to: u64, all: &[Recorded]| {
        let entries = read(reader, None);
        assert_eq!(gaps(&entries), [(1, up_to, GapCause::Expired)]);
        assert_eq!(facts(&entries), all);
        assert_eq!(reader.removed(Position(1)).expect("it is read"), Some(GapCause::Expired));
        assert_eq!(reader.get(Position(1)).expect("it is read"), None);
        let inside = reader.read(Position(up_to), &Selection::default(), ALL).expect("the log is read");
        assert_eq!(gaps(&inside.entries), [], "who stands behind the gap misses nothing");
        assert!(reader.damage().is_empty(), "{:?}", reader.damage());
    };
    check(&*engine.reader(), first.last.0, &all);
    let active = keeping.segments().last().expect("there are segments").first;
    let dropped = keeping.drop_before(Position(u64::MAX), GapCause::Expired).expect("they go");
    assert_eq!(dropped.segments, before.len() - 2);
    all.retain(|it| it.position >= active);
    if dropped.segments > 0 {
        assert_eq!(dropped.up_to.0, active.0 - 1);
    }
    check(&*engine.reader(), active.0 - 1, &all);
    drop(checkpoint);
    drop(engine);
    let (mut engine, _checkpoint) = storage.open();
    check(&*engine.reader(), active.0 - 1, &all);
    let next = all.last().expect("there are facts").position.0 + 1;
    let more = recorded(next, at(20_000), [event_fact("more", "tasks", "Opened")]);
    append(&mut *engine, &more);
    all.extend(more);
    check(&*engine.reader(), active.0 - 1, &all);
}

pub(super) fn two_bases_are_kept(storage: &dyn Storage) {
    let (mut engine, mut checkpoint) = storage.open();
    sealed_log(&mut *engine);
    let keeping = engine.housekeeping();
    let mut expected = Vec::new();
    for (number, reached) in [20u64, 40, 60].into_iter().enumerate() {
        let row = (vec![1, number as u8], Some(vec![number as u8; 700_000]));
        expected.push((row.0.clone(), vec![number as u8; 700_000]));
        checkpoint.commit(vec![row], Position(reached), at(reached as i64)).expect("it is committed");
        let info = keeping.write_base(&*checkpoint.freeze()).expect("the base is written");
        assert_eq!(
            (info.reached, info.at, info.rows),
            (Position(reached), at(reached as i64), number as u64 + 1)
        );
    }
    let check = |keeping: &dyn Housekeeping| {
        let bases = keeping.bases();
        assert_eq!(bases.iter().map(|base| base.reached.0).collect::<Vec<_>>(), [60, 40]);
        assert_eq!(keeping.droppable(), Position(40));
        let mut rows = Vec::new();
        keeping
            .read_base(&bases[0], &mut |key, row| rows.push((key.to_vec(), row.to_vec())))
            .expect("the base is read");
        assert!(rows == expected, "every row is there");
    };
    check(&*keeping);
    drop((checkpoint, keeping, engine));
    let (engine, mut checkpoint) = storage.open();
    check(&*engine.housekeeping());
    checkpoint.clear().expect("it is cleared");
    assert_eq!(checkpoint.reached().0, Position(0));
    let refused = engine.housekeeping().write_base(&*checkpoint.freeze());
    assert!(matches!(refused, Err(HousekeepingError::OutOfPlace { .. })), "a base never goes back");
}

pub(super) fn a_scrub_comes_to_an_end(storage: &dyn Storage) {
    let (mut engine, mut checkpoint) = storage.open();
    sealed_log(&mut *engine);
    two_bases(&*engine, &mut *checkpoint);
    let keeping = engine.housekeeping();
    let mut from = Position(0);
    for _ in 0..10_000 {
        let step = keeping.scrub(from, 4096).expect("it is read");
        assert_eq!(step.damage, Vec::<String>::new());
        from = step.next;
        if from == Position(0) {
            return;
        }
    }
    panic!("it goes on for ever");
}

pub(super) fn wiping_loses_nothing(storage: &dyn Storage) {
    let (mut engine, mut checkpoint) = storage.open();
    let all = sealed_log(&mut *engine);
    two_bases(&*engine, &mut *checkpoint);
    engine.housekeeping().wipe().expect("it is wiped");
    assert_eq!(facts(&read(&*engine.reader(), None)), all);
    drop((checkpoint, engine));
    let (engine, _checkpoint) = storage.open();
    assert_eq!(facts(&read(&*engine.reader(), None)), all);
}
