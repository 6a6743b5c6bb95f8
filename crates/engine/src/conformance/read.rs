//! Reading ranges of the log.

use cantus_core::fact::{Fact, Recorded};
use cantus_core::{Position, Timestamp};

use super::{Storage, append, at, event_fact, facts_of, long_log, recorded};
use crate::engine::{Budget, Reader, Selection};

fn small(entries: usize) -> Budget {
    Budget { entries, ..Budget::default() }
}

pub(super) fn forward(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    let all = long_log(&mut *engine);
    let reader = engine.reader();
    for after in [0, 1, 2, 100, all.len() as u64 - 1] {
        let mut read = Vec::new();
        let mut reached = Position(after);
        loop {
            let chunk = reader.read(reached, &Selection::default(), small(7)).expect("the log is read");
            assert!(chunk.reached > reached || chunk.end, "a read that is not at the end moves on");
            read.extend(facts_of(&chunk));
            reached = chunk.reached;
            if chunk.end {
                break;
            }
        }
        assert_eq!(read, all[after as usize..]);
        assert_eq!(reached, reader.durable());
    }
}

pub(super) fn back(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    let all = long_log(&mut *engine);
    let reader = engine.reader();
    for before in [u64::MAX, all.len() as u64 + 1, all.len() as u64, 100, 2, 1] {
        let mut read = Vec::new();
        let mut reached = Position(before);
        loop {
            let chunk = reader.read_back(reached, &Selection::default(), small(7)).expect("the log is read");
            assert!(chunk.reached < reached || chunk.end, "a read that is not at the end moves on");
            read.extend(facts_of(&chunk));
            reached = chunk.reached;
            if chunk.end {
                break;
            }
        }
        let expected: Vec<Recorded> =
            all.iter().rev().filter(|recorded| recorded.position.0 < before).cloned().collect();
        assert_eq!(read, expected);
    }
}

pub(super) fn budget(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    let all = long_log(&mut *engine);
    let reader = engine.reader();
    let none = Selection { topic: Some("nobody".to_owned()), ..Selection::default() };
    let tight = [
        (Selection::default(), Budget { entries: 1, ..Budget::default() }),
        (Selection::default(), Budget { records: 1, ..Budget::default() }),
        (Selection::default(), Budget { bytes: 1, ..Budget::default() }),
        (Selection::default(), Budget { bytes: 0, ..Budget::default() }),
        (none.clone(), Budget { records: 3, ..Budget::default() }),
    ];
    for (selection, budget) in tight {
        let mut seen = 0;
        let mut reached = Position(0);
        // One more read than there are facts may be needed to see the end.
        for _ in 0..=all.len() {
            let chunk = reader.read(reached, &selection, budget).expect("the log is read");
            assert!(chunk.entries.len() <= budget.entries.min(budget.records), "{budget:?}");
            seen += chunk.entries.len();
            if chunk.end {
                reached = chunk.reached;
                break;
            }
            assert!(chunk.reached > reached, "{budget:?} does not move on from {reached}");
            if budget.bytes <= 1 {
                assert_eq!(chunk.entries.len(), 1, "one entry always fits, and not two: {budget:?}");
            }
            reached = chunk.reached;
        }
        assert_eq!(reached, reader.durable(), "{budget:?}");
        assert_eq!(seen, if selection == none { 0 } else { all.len() }, "{budget:?}");
    }
}

pub(super) fn selection(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    let all = long_log(&mut *engine);
    let reader = engine.reader();
    let name = |text: &str| Some(text.to_owned());
    let selections = [
        Selection { events_only: true, ..Selection::default() },
        Selection { topic: name("reviews"), ..Selection::default() },
        Selection { event_type: name("Closed"), ..Selection::default() },
        Selection { since: Some(at(555)), ..Selection::default() },
        Selection { since: Some(Timestamp(-1)), events_only: true, ..Selection::default() },
        Selection {
            events_only: true,
            topic: name("tasks"),
            event_type: name("Opened"),
            since: Some(at(300)),
        },
        Selection { topic: name("nobody"), ..Selection::default() },
        Selection { since: Some(at(1_000_000)), ..Selection::default() },
    ];
    for selection in selections {
        let expected: Vec<Recorded> = all.iter().filter(|it| wanted(it, &selection)).cloned().collect();
        let forward = reader.read(Position(0), &selection, Budget::default()).expect("the log is read");
        assert!(forward.end && forward.reached == reader.durable(), "{selection:?}");
        assert_eq!(facts_of(&forward), expected, "{selection:?}");
        let back = reader.read_back(Position(u64::MAX), &selection, Budget::default());
        let back = back.expect("the log is read");
        let newest_first: Vec<Recorded> = expected.into_iter().rev().collect();
        assert_eq!(facts_of(&back), newest_first, "{selection:?}");
    }
}

/// What a selection asks for, said once more.
fn wanted(recorded: &Recorded, selection: &Selection) -> bool {
    let event = match &recorded.fact {
        Fact::EventPublished(published) => Some(&published.event),
        _ => None,
    };
    let asks_for_events =
        selection.events_only || selection.topic.is_some() || selection.event_type.is_some();
    let topic = selection.topic.as_deref();
    let event_type = selection.event_type.as_deref();
    (event.is_some() || !asks_for_events)
        && topic.is_none_or(|topic| event.is_some_and(|event| event.topic.as_str() == topic))
        && event_type.is_none_or(|word| event.is_some_and(|event| event.event_type.as_str() == word))
        && selection.since.is_none_or(|since| recorded.at >= since)
}

pub(super) fn edges(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    let at_edges = |reader: &dyn Reader| {
        for after in [reader.durable(), Position(reader.durable().0 + 1), Position(u64::MAX)] {
            let chunk =
                reader.read(after, &Selection::default(), Budget::default()).expect("the log is read");
            assert!(chunk.entries.is_empty() && chunk.end, "behind {after}: {chunk:?}");
            assert!(chunk.reached >= reader.durable(), "behind {after}: {chunk:?}");
        }
        for before in [Position(0), Position(1)] {
            let chunk = reader.read_back(before, &Selection::default(), Budget::default());
            let chunk = chunk.expect("the log is read");
            assert!(chunk.entries.is_empty() && chunk.end, "before {before}: {chunk:?}");
        }
    };
    at_edges(&*engine.reader());
    append(&mut *engine, &recorded(1, at(0), [event_fact("a", "tasks", "Opened")]));
    at_edges(&*engine.reader());
}

pub(super) fn live(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    let reader = engine.reader();
    let mut reached = Position(0);
    for position in 1..=5 {
        let facts = recorded(position, at(position as i64), [event_fact("e", "tasks", "Opened")]);
        append(&mut *engine, &facts);
        let chunk = reader.read(reached, &Selection::default(), Budget::default()).expect("the log is read");
        assert_eq!(facts_of(&chunk), facts);
        reached = chunk.reached;
    }
}
