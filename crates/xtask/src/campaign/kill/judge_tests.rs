//! The judge finds what it is there to find: each test breaks one promise in a campaign that kept all.

use cantus_client::api::event::Priority;

use super::super::plan::PLAIN;
use super::super::record::{Consumed, Published, Run, Seen};
use super::*;

fn sent(id: &str, event_type: &str, batch: Option<usize>, outcome: Outcome) -> Sent {
    Sent { client: 0, id: id.to_owned(), event_type: event_type.to_owned(), data: 1, batch, outcome }
}

fn accepted(position: &str) -> Outcome {
    Outcome::Accepted { position: position.to_owned() }
}

fn stored(position: &str, id: &str, topic: &str, event_type: &str) -> Stored {
    Stored {
        position: position.to_owned(),
        id: id.to_owned(),
        topic: topic.to_owned(),
        event_type: event_type.to_owned(),
        data: 1,
    }
}

fn seen(id: &str) -> Seen {
    Seen { id: id.to_owned(), data: 1, key: Some("key".to_owned()), priority: Priority::Normal, attempt: 1 }
}

/// Three good events and a poisoned one, a refused one, an answer and a run of a program.
fn good() -> Evidence {
    let run = |began| Run { id: "d".to_owned(), began };
    Evidence {
        published: vec![Published {
            sent: vec![
                sent("a", ASK, Some(0), accepted("0:1")),
                sent("b", POISON, Some(0), accepted("0:2")),
                sent("c", PLAIN, None, Outcome::Refused { code: "LOOP_DETECTED".to_owned() }),
                sent("d", RUN, None, accepted("0:9")),
                sent("e", PLAIN, None, Outcome::InDoubt),
            ],
            ..Published::default()
        }],
        consumed: Consumed {
            seen: vec![seen("a"), seen("b"), seen("d")],
            settled: [("a", Settled::Acked), ("b", Settled::Dead), ("d", Settled::Acked)]
                .map(|(id, settled)| (id.to_owned(), settled))
                .into(),
            ..Consumed::default()
        },
        followed: vec![stored("0:1", "a", TOPIC, ASK), stored("0:9", "d", TOPIC, RUN)],
        stored: vec![
            stored("0:1", "a", TOPIC, ASK),
            stored("0:2", "b", TOPIC, POISON),
            stored("0:5", "answer-a", "campaign.answers", "Answer"),
            stored("0:9", "d", TOPIC, RUN),
            stored("0:10", "ran-d", "campaign.answers", "Ran"),
        ],
        dead: vec![("b".to_owned(), INBOX.to_owned())],
        runs: vec![run(true), run(false)],
        faults: Vec::new(),
        kills: 3,
    }
}

/// Judges a campaign in which something was broken, and expects exactly what follows from it.
#[track_caller]
fn broken(breaking: impl FnOnce(&mut Evidence), expected: &[&str]) {
    let mut evidence = good();
    breaking(&mut evidence);
    let violations = judge(&evidence).violations;
    assert_eq!(violations.len(), expected.len(), "{violations:#?}");
    for words in expected {
        assert!(violations.iter().any(|violation| violation.contains(words)), "`{words}` in {violations:#?}");
    }
}

#[test]
fn a_campaign_that_kept_its_promises_has_no_violations() {
    let verdict = judge(&good());
    assert_eq!(verdict.violations, Vec::<String>::new());
    let expected = Counts {
        kills: 3,
        events_accepted: 3,
        events_refused: 1,
        events_in_doubt: 1,
        batches_accepted: 1,
        events_stored: 3,
        answers_stored: 2,
        deliveries_first: 3,
        delivered: 2,
        dead_lettered: 1,
        first_deliveries_in_order: 2,
        programs_run: 1,
        events_followed: 2,
        ..Counts::default()
    };
    assert_eq!(verdict.counts, expected);
}

#[test]
fn a_lost_event_is_found() {
    broken(
        |it| drop(it.stored.remove(1)),
        &[
            "b was acknowledged and is lost",
            "of the batch of a, 1 of 2",
            "b was delivered and is not stored",
            "b is a dead letter and is not stored",
        ],
    );
}

#[test]
fn an_event_that_is_there_twice_is_found() {
    broken(|it| it.stored.push(stored("0:11", "d", TOPIC, RUN)), &["d is stored 2 times"]);
}

#[test]
fn an_event_that_moved_is_found() {
    broken(
        |it| it.stored[3].position = "0:8".to_owned(),
        &["d was acknowledged at 0:9 and is at 0:8", "d was read at 0:9 and is not there any more"],
    );
}

#[test]
fn changed_content_is_found() {
    broken(
        |it| it.stored[1].data = 2,
        &["b is stored with other content", "b was delivered with other content"],
    );
}

#[test]
fn a_refused_event_that_is_there_is_found() {
    broken(
        |it| {
            it.stored.push(stored("0:11", "c", TOPIC, PLAIN));
            it.consumed.settled.insert("c".to_owned(), Settled::Acked);
        },
        &["c was refused with LOOP_DETECTED and is there"],
    );
}

#[test]
fn an_event_in_doubt_may_be_there_once() {
    broken(
        |it| {
            it.stored.push(stored("0:11", "e", TOPIC, PLAIN));
            it.consumed.settled.insert("e".to_owned(), Settled::Acked);
        },
        &[],
    );
}

#[test]
fn an_event_that_nobody_sent_is_found() {
    broken(
        |it| it.stored.push(stored("0:11", "answer-x", "campaign.answers", "Answer")),
        &["answer-x at 0:11 was sent by nobody"],
    );
}

#[test]
fn two_events_at_one_position_are_found() {
    broken(|it| it.stored[2].position = "0:2".to_owned(), &["b and answer-a are both at 0:2"]);
}

#[test]
fn a_client_whose_events_changed_places_is_found() {
    broken(
        |it| it.published[0].sent.swap(0, 3),
        &["b was sent after d was acknowledged and lies before it", "a was sent after b was acknowledged"],
    );
}

#[test]
fn deliveries_out_of_order_are_found_unless_they_are_later_attempts() {
    broken(|it| it.consumed.seen.swap(0, 2), &["b was delivered after d", "a was delivered after b"]);
    broken(
        |it| {
            it.consumed.seen.swap(0, 2);
            it.consumed.seen[1].attempt = 2;
            it.consumed.seen[2].attempt = 2;
        },
        &[],
    );
}

#[test]
fn an_event_that_is_not_settled_is_found() {
    let doubt = Settled::InDoubt { delivery: "dlv_1".to_owned() };
    broken(
        |it| drop(it.consumed.settled.insert("d".to_owned(), doubt)),
        &["d is neither delivered nor a dead letter"],
    );
}

#[test]
fn an_answer_without_its_ack_and_an_ack_without_its_answer_are_found() {
    broken(|it| drop(it.stored.remove(2)), &["a was delivered and has 0 answers"]);
    broken(|it| it.dead.push(("a".to_owned(), INBOX.to_owned())), &["a was delivered and is a dead letter"]);
}

#[test]
fn poison_that_was_delivered_is_found() {
    broken(
        |it| {
            it.dead.clear();
            it.consumed.settled.insert("b".to_owned(), Settled::Acked);
        },
        &["b is poison and was delivered"],
    );
}

#[test]
fn a_program_that_ran_twice_or_not_to_its_end_or_without_its_answer_is_found() {
    broken(|it| drop(it.stored.pop()), &["began 1 times, ended 1 times and has 0 answers"]);
    broken(
        |it| it.runs.extend(it.runs.clone()),
        &["the program of d began 2 times, ended 2 times and has 1 answers"],
    );
    broken(|it| drop(it.runs.pop()), &["the program of d began 1 times, ended 0 times and has 1 answers"]);
}

#[test]
fn a_reader_that_saw_something_twice_is_found() {
    broken(|it| it.followed.push(it.followed[0].clone()), &["a was read out of order, or twice"]);
}

#[test]
fn what_witnesses_say_is_passed_on() {
    broken(
        |it| {
            it.published[0].faults.push("one".to_owned());
            it.consumed.faults.push("two".to_owned());
            it.faults.push("three".to_owned());
        },
        &["one", "two", "three"],
    );
}
