//! A full disk: publishes are refused for certain, what may not be refused goes on, and all of it without a restart.

use cantus_core::Position;
use cantus_core::fact::Fact;
use cantus_core::subscription::Order;
use cantus_engine::{Budget, Entry, Selection};
use cantus_runtime::Failed;

use crate::crowded::Crowded;
use crate::given::{Disk, Given, answer, event, inbox, large};

/// Publishes as fast as it can until there is no room; returns how many were accepted.
async fn publish_until_full(given: &Given, from: usize) -> usize {
    for number in from.. {
        match given.try_publish(&[large(&format!("e-{number}"), 1_000)]).await {
            Ok(_) => {}
            Err(Failed::StorageFull) => return number,
            Err(other) => panic!("e-{number} was answered with {other:?}"),
        }
    }
    unreachable!("it ends when the disk is full")
}

fn stored(given: &Given) -> Vec<String> {
    let selection = Selection { events_only: true, ..Selection::default() };
    let chunk =
        given.handle.reader().read(Position(0), &selection, Budget::default()).expect("the log is read");
    let entries = chunk.entries.into_iter().map(|entry| match entry {
        Entry::Fact(recorded) => match recorded.fact {
            Fact::EventPublished(published) => published.event.id.to_string(),
            other => panic!("only events were asked for, {other:?} came"),
        },
        Entry::Gap { reason, .. } => panic!("nothing is lost: {reason}"),
    });
    entries.collect()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("e-{number}")).collect()
}

async fn until_there_is_room(given: &Given, id: &str) {
    while given.try_publish(&[event(id)]).await.is_err() {
        tokio::task::yield_now().await;
    }
}

async fn given() -> (Given, std::sync::Arc<Crowded>) {
    let (disk, crowded) = Disk::crowded();
    let subscription = cantus_core::subscription::Subscription { order: Order::None, ..inbox() };
    (Given::with_disk(disk, subscription).await, crowded)
}

#[tokio::test]
async fn a_publisher_that_is_faster_than_any_look_at_the_disk_is_refused_for_certain_and_acknowledging_goes_on()
 {
    let (given, crowded) = given().await;
    crowded.fill();
    let accepted = publish_until_full(&given, 0).await;
    assert!(accepted > 0, "what is prepared is used");
    let acked = accepted.min(20);
    for pulled in given.pull(acked).await {
        given.ack(&pulled).await;
    }
    assert_eq!(stored(&given), names(accepted), "nothing that was refused is there");
    crowded.free();
    until_there_is_room(&given, "after").await;
    let mut expected = names(accepted);
    expected.push("after".to_owned());
    assert_eq!(stored(&given), expected);
}

#[tokio::test]
async fn many_publishers_at_once_are_accepted_or_refused_and_never_left_in_doubt() {
    let (given, crowded) = given().await;
    crowded.fill();
    let given = std::sync::Arc::new(given);
    let publishers = (0..16).map(|publisher| {
        let given = given.clone();
        tokio::spawn(async move {
            let mut accepted = Vec::new();
            for number in 0.. {
                let id = format!("{publisher}-{number}");
                match given.try_publish(&[large(&id, 4_000), large(&format!("{id}b"), 4_000)]).await {
                    Ok(_) => accepted.extend([id.clone(), format!("{id}b")]),
                    Err(Failed::StorageFull) => return accepted,
                    Err(other) => panic!("{id} was answered with {other:?}"),
                }
            }
            accepted
        })
    });
    let mut accepted = Vec::new();
    for publisher in publishers.collect::<Vec<_>>() {
        accepted.extend(publisher.await.unwrap());
    }
    accepted.sort();
    let mut stored = stored(&given);
    stored.sort();
    assert_eq!(stored, accepted);
}

#[tokio::test]
async fn a_start_without_room_takes_no_publish_that_it_could_not_keep_and_goes_on() {
    let (given, crowded) = given().await;
    crowded.fill();
    let accepted = publish_until_full(&given, 0).await;
    let given = given.restarted().await;
    // What was kept for acknowledgements is not given to publishes after the start either.
    let more = publish_until_full(&given, accepted).await;
    let pulled = given.pull(1).await;
    given.ack(&pulled[0]).await;
    assert_eq!(stored(&given), names(more));
    crowded.free();
    until_there_is_room(&given, "after").await;
}

#[tokio::test]
async fn what_may_not_be_refused_waits_when_even_the_reserve_is_used_up_and_goes_on_when_there_is_room() {
    let (given, crowded) = given().await;
    crowded.fill();
    let accepted = publish_until_full(&given, 0).await;
    let given = std::sync::Arc::new(given);
    let pulled = given.pull(accepted.min(8)).await;
    let before = crowded.refused();
    // Together they need more than there is.
    let acks: Vec<_> = pulled
        .into_iter()
        .map(|pulled| {
            let given = given.clone();
            tokio::spawn(async move {
                let mut draft = answer("Answered", &pulled.event);
                let event = large(&draft.event.id, 30_000);
                draft.event = event;
                given.ack_with(&pulled, vec![draft]).await
            })
        })
        .collect();
    while crowded.refused() < before + 5 {
        tokio::task::yield_now().await;
    }
    crowded.free();
    let count = acks.len();
    for ack in acks {
        ack.await.expect("every acknowledgement is answered");
    }
    until_there_is_room(&given, "after").await;
    assert_eq!(stored(&given).len(), accepted + count + 1);
}
