//! An inbox: what is pulled, in which order, and what its answers lead to.

use cantus_core::command::Settled;
use cantus_core::dead_letter::Status;
use cantus_core::subscription::retry::Class;

use crate::given::{Given, answer, event, ids, inbox, keyed};

#[tokio::test]
async fn a_published_event_is_pulled_and_acknowledged_once() {
    let given = Given::with(inbox()).await;
    given.publish(&[event("a")]).await;
    let pulled = given.pull(1).await;
    assert_eq!(ids(&pulled), ["a"]);
    assert!(matches!(given.ack(&pulled[0]).await, Settled::Acked(_)));
    assert!(
        matches!(given.ack(&pulled[0]).await, Settled::Acked(_)),
        "an answer sent twice is answered alike"
    );
    given.nothing_to_pull().await;
}

#[tokio::test]
async fn the_same_event_again_is_a_duplicate() {
    let given = Given::with(inbox()).await;
    assert_eq!(given.publish(&[event("a")]).await, [false]);
    assert_eq!(given.publish(&[event("a"), event("b"), event("b")]).await, [true, false, true]);
    assert_eq!(ids(&given.pull(2).await), ["a", "b"]);
}

#[tokio::test]
async fn events_of_one_key_come_one_at_a_time_in_order() {
    let given = Given::with(inbox()).await;
    given.publish(&[keyed("a1", "a"), keyed("a2", "a"), keyed("b1", "b"), event("free")]).await;
    let pulled = given.pull(3).await;
    let mut first = ids(&pulled);
    first.sort_unstable();
    assert_eq!(first, ["a1", "b1", "free"]);
    let a1 = pulled.iter().find(|pulled| &*pulled.event.id == "a1").expect("pulled");
    given.ack(a1).await;
    assert_eq!(ids(&given.pull(1).await), ["a2"]);
}

#[tokio::test]
async fn what_an_answer_publishes_belongs_to_the_story() {
    let given = Given::with(inbox()).await;
    given.publish(&[event("a")]).await;
    let pulled = given.pull(1).await;
    given.ack_with(&pulled[0], vec![answer("Done", &pulled[0].event)]).await;
    let next = given.pull(1).await;
    assert_eq!(&*next[0].event.event_type, "Done");
    assert_eq!(next[0].event.correlation_id, pulled[0].event.correlation_id);
}

#[tokio::test]
async fn the_fourth_failure_becomes_a_dead_letter_whose_replay_resolves_it() {
    let given = Given::with(inbox()).await;
    given.publish(&[event("a")]).await;
    for attempt in 1..=4 {
        let pulled = given.pull(1).await;
        assert_eq!(pulled[0].pulled.attempt, attempt);
        let settled = given.nack(&pulled[0], Class::TemporaryFailure).await;
        assert_eq!(matches!(settled, Settled::Dead(_)), attempt == 4, "attempt {attempt}: {settled:?}");
    }
    given.nothing_to_pull().await;
    let dead = given.handle.read(|it, _| it.state.dead_letters.values().next().cloned()).await;
    let dead = dead.expect("read").expect("there is a dead letter");
    let replay = cantus_core::command::ReplayDeadLetter {
        id: dead.id,
        seen_edit: None,
        to: None,
        publish: None,
        to_topic: false,
        event: event("a"),
        recorded_at: dead.opened_at,
        actor: "test".into(),
        note: None,
    };
    let replay = cantus_core::command::Command::ReplayDeadLetter(Box::new(replay));
    given.handle.submit(replay).await.expect("it is replayed");
    let again = given.pull(1).await;
    assert_eq!((ids(&again), again[0].pulled.delivery.generation), (vec!["a"], 1));
    given.ack(&again[0]).await;
    let status = given.handle.read(move |it, _| it.state.dead_letters[&dead.id].status).await;
    assert_eq!(status.expect("read"), Status::Resolved);
}

#[tokio::test]
async fn an_invalid_payload_is_not_retried() {
    let given = Given::with(inbox()).await;
    given.publish(&[event("a")]).await;
    let pulled = given.pull(1).await;
    assert!(matches!(given.nack(&pulled[0], Class::InvalidPayload).await, Settled::Dead(_)));
}
