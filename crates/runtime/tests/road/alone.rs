//! Who asks alone takes the turn: as good as the turn's own thread, and side by side with it.

use std::time::Duration;

use cantus_core::subscription::retry::Class;
use cantus_runtime::Failed;

use crate::given::{Disk, Given, event, inbox};

/// More than enough in a row to be alone.
const MANY: usize = 200;

fn id(number: usize) -> String {
    format!("{number:04}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_after_the_other_all_is_published_delivered_retried_and_kept() {
    let given = Given::with_disk(Disk::folder(), inbox()).await;
    for number in 0..MANY {
        assert_eq!(given.publish(&[event(&id(number))]).await, [false]);
    }
    let mut seen = Vec::new();
    for _ in 0..=MANY {
        let pulled = given.pull(1).await;
        let is_first = pulled[0].pulled.attempt == 1;
        if is_first {
            seen.push(pulled[0].event.id.to_string());
        }
        match is_first && *pulled[0].event.id == *id(MANY / 2) {
            true => given.nack(&pulled[0], Class::TemporaryFailure).await,
            false => given.ack(&pulled[0]).await,
        };
    }
    given.nothing_to_pull().await;
    assert_eq!(seen, (0..MANY).map(id).collect::<Vec<_>>(), "each once at first, in their order");
    let given = given.restarted().await;
    assert_eq!(given.publish(&[event(&id(0)), event(&id(MANY))]).await, [true, false]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alone_and_together_everything_is_answered_once() {
    let given = Given::with_disk(Disk::folder(), inbox()).await;
    for round in 0..20 {
        for number in 0..10 {
            assert_eq!(given.publish(&[event(&format!("{round}-{number}"))]).await, [false]);
        }
        let together = [event(&format!("{round}-a")), event(&format!("{round}-b"))];
        let (a, b) = tokio::join!(given.publish(&together[..1]), given.publish(&together[1..]));
        assert_eq!((a, b), (vec![false], vec![false]));
    }
    assert_eq!(given.pull(20 * 12).await.len(), 20 * 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_before_the_stop_is_there_after_it() {
    let disk = Disk::folder();
    let given = Given::with_disk(disk.clone(), inbox()).await;
    let (handle, mut accepted) = (given.handle.clone(), 0);
    let publisher = tokio::spawn(async move {
        loop {
            match crate::given::publish(&handle, &[event(&id(accepted))]).await {
                Ok(_) => accepted += 1,
                Err(Failed::Stopping) => return accepted,
                Err(failed) => panic!("{failed}"),
            }
        }
    });
    while given.handle.durable().borrow().0 < MANY as u64 {
        tokio::task::yield_now().await;
    }
    given.runtime.stop(Duration::ZERO).await;
    let accepted = publisher.await.expect("the publisher ends");
    let given = Given::start(disk).await;
    for number in 0..accepted {
        assert_eq!(given.publish(&[event(&id(number))]).await, [true], "{number} of {accepted}");
    }
}
