//! Finding facts: by position, by what they are about, by time.

use std::sync::Arc;

use cantus_core::event::Event;
use cantus_core::fact::{EventPublished, Fact, Recorded};
use cantus_core::{Position, Text, hash};

use super::{Storage, append, at, event_fact, facts_of, long_log, recorded, samples};
use crate::engine::{Budget, Reader, Selection, Term};

pub(super) fn get(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    let all = long_log(&mut *engine);
    let reader = engine.reader();
    for recorded in &all {
        assert_eq!(reader.get(recorded.position).expect("it is read").as_ref(), Some(recorded));
    }
    for nowhere in [0, all.len() as u64 + 1, u64::MAX] {
        assert_eq!(reader.get(Position(nowhere)).expect("it is read"), None);
    }
}

/// Positions that may have a term; the real ones are always among them.
fn found(reader: &dyn Reader, term: Term, after: u64) -> Vec<u64> {
    let positions = reader.find(term, Position(after), 1_000).expect("it is looked up");
    assert!(positions.is_sorted(), "positions rise: {positions:?}");
    positions.into_iter().map(|position| position.0).collect()
}

pub(super) fn terms(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    let long = long_log(&mut *engine);
    let first = long.len() as u64 + 1;
    let event = |id: &str, stream: Option<&str>| Event {
        correlation_id: Text::from("the-story"),
        stream: stream.map(Text::from),
        ..samples::plain_event(id, "tasks", "Told")
    };
    let published = |event: Event| -> Fact {
        EventPublished {
            event: Arc::new(event),
            actor: Text::from("conformance"),
            content: 0,
            revision: None,
            only: None,
            answers: None,
            deferred_at: None,
        }
        .into()
    };
    let slice = [
        published(event("told-1", Some("story/7"))),
        published(event("told-2", None)),
        event_fact("other", "tasks", "Told"),
        published(event("told-1", Some("story/7"))),
    ];
    append(&mut *engine, &recorded(first, at(10_000), slice));
    // What happens to a delivery belongs to its event's story.
    let acked = samples::facts().into_iter().find_map(|fact| match fact {
        Fact::DeliveryAcked(acked) => Some(acked),
        _ => None,
    });
    let mut acked = acked.expect("every fact has a sample");
    acked.story = hash::of("the-story");
    append(&mut *engine, &recorded(first + 4, at(10_001), [Fact::from(acked)]));

    let reader = engine.reader();
    let id = |id: &str| Term::EventId(hash::of(id));
    assert_eq!(found(&*reader, id("told-1"), 0), [first, first + 3]);
    assert_eq!(found(&*reader, id("told-1"), first), [first + 3]);
    assert_eq!(found(&*reader, id("told-1"), first + 3), Vec::<u64>::new());
    assert_eq!(found(&*reader, id("nobody"), 0), Vec::<u64>::new());
    assert_eq!(found(&*reader, id("told-1"), u64::MAX), Vec::<u64>::new());
    let story = Term::Correlation(hash::of("the-story"));
    assert_eq!(found(&*reader, story, 0), [first, first + 1, first + 3, first + 4]);
    assert_eq!(reader.find(story, Position(0), 2).expect("it is looked up").len(), 2);
    assert!(reader.find(story, Position(0), 0).expect("it is looked up").is_empty());
    assert_eq!(found(&*reader, Term::Stream(hash::of("story/7")), 0), [first, first + 3]);
    for recorded in &long {
        if let Fact::EventPublished(published) = &recorded.fact {
            let positions = found(&*reader, id(&published.event.id), 0);
            assert!(positions.contains(&recorded.position.0), "{} is not found", published.event.id);
        }
    }
}

pub(super) fn before_time(storage: &dyn Storage) {
    let (mut engine, _) = storage.open();
    assert_eq!(engine.reader().before_time(at(0)).expect("it is looked up"), Position(0));
    let all = long_log(&mut *engine);
    let reader = engine.reader();
    let last = all.last().expect("there are facts").at;
    for time in [at(-1), at(0), at(1), at(9), at(10), at(555), last, at(1_000_000)] {
        let before = reader.before_time(time).expect("it is looked up");
        let chunk = reader.read(before, &Selection::default(), Budget::default()).expect("the log is read");
        let expected: Vec<Recorded> = all.iter().filter(|recorded| recorded.at >= time).cloned().collect();
        assert_eq!(facts_of(&chunk), expected, "{time:?}");
    }
}
