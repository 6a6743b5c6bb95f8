//! What a restart keeps.

use std::collections::BTreeSet;
use std::time::Duration;

use cantus_core::Position;
use cantus_core::command::Settled;
use cantus_core::row::Key;
use cantus_core::subscription::retry::Class;
use cantus_engine::Checkpoint;

use crate::given::{Disk, Given, event, ids, inbox, keyed};

#[tokio::test]
async fn what_was_not_acknowledged_is_delivered_after_a_restart_and_the_rest_is_not() {
    let given = Given::with(inbox()).await;
    given.publish(&[event("a"), event("b"), event("c")]).await;
    let pulled = given.pull(2).await;
    given.ack(&pulled[0]).await;
    let given = given.restarted().await;
    assert_eq!(ids(&given.pull(1).await), ["c"]);
    assert!(matches!(given.ack(&pulled[1]).await, Settled::Acked(_)), "a surviving lease goes on");
    given.nothing_to_pull().await;
}

#[tokio::test]
async fn what_was_done_stays_done_when_a_checkpoint_could_not_be_read_once() {
    let disk = Disk::default();
    let given = Given::with_disk(disk.clone(), inbox()).await;
    given.publish(&[event("a")]).await;
    let pulled = given.pull(1).await;
    let Disk::Memory(_, mut checkpoint) = disk.clone() else { panic!("a disk in memory") };
    given.runtime.stop(Duration::ZERO).await;
    let (reached, at) = checkpoint.reached();
    let unknown = (vec![0xff], Some(b"a row of another program".to_vec()));
    checkpoint.commit(vec![unknown], reached, at).expect("rows are written");
    let given = Given::start(disk.clone()).await;
    assert!(matches!(given.ack(&pulled[0]).await, Settled::Acked(_)));
    given.runtime.stop(Duration::ZERO).await;
    let mut kinds = BTreeSet::new();
    let kind = &mut |key: &[u8], _: &[u8]| {
        kinds.insert(key[0]);
    };
    checkpoint.rows(&[], kind).expect("rows are read");
    let open = Key::Open(0, Position(0), 0).to_bytes()[0];
    assert!(!kinds.contains(&open) && !kinds.contains(&0xff), "{kinds:?}");
    let given = Given::start(disk).await;
    let open = given.handle.read(|it, _| it.state.subscriptions[&0].open.len()).await;
    assert_eq!(open, Ok(0));
}

#[tokio::test]
async fn attempts_are_never_forgotten() {
    let given = Given::with(inbox()).await;
    given.publish(&[event("a")]).await;
    let pulled = given.pull(1).await;
    given.nack(&pulled[0], Class::TemporaryFailure).await;
    let given = given.restarted().await;
    assert_eq!(given.pull(1).await[0].pulled.attempt, 2);
}

#[tokio::test]
async fn identities_and_order_survive() {
    let given = Given::with(inbox()).await;
    given.publish(&[keyed("a1", "a"), keyed("a2", "a")]).await;
    let pulled = given.pull(1).await;
    let given = given.restarted().await;
    assert_eq!(given.publish(&[keyed("a1", "a")]).await, [true]);
    given.nothing_to_pull().await;
    given.ack(&pulled[0]).await;
    assert_eq!(ids(&given.pull(1).await), ["a2"]);
}

#[tokio::test]
async fn the_log_alone_rebuilds_everything_when_the_checkpoint_is_deleted() {
    for with_checkpoint in [true, false] {
        let disk = Disk::folder();
        let given = Given::with_disk(disk.clone(), inbox()).await;
        for round in 0..50 {
            let events: Vec<_> =
                (0..20).map(|n| keyed(&format!("{round}-{n}"), &format!("k{}", n % 3))).collect();
            given.publish(&events).await;
        }
        for _ in 0..10 {
            for pulled in given.pull(3).await {
                given.ack(&pulled).await;
            }
        }
        let count = async |given: &Given| {
            let counts = given.handle.read(|it, _| {
                let subscription = it.state.subscriptions.values().next().map(|it| it.acked);
                (subscription, it.state.topics.values().map(|topic| topic.events).sum::<u64>())
            });
            counts.await.expect("read")
        };
        let before = count(&given).await;
        given.runtime.stop(std::time::Duration::from_secs(5)).await;
        if let (false, Disk::Folder(folder)) = (with_checkpoint, &disk) {
            std::fs::remove_dir_all(folder.path().join("checkpoint")).expect("it is deleted");
        }
        let given = Given::start(disk).await;
        assert_eq!(count(&given).await, before, "with the checkpoint: {with_checkpoint}");
        assert_eq!(given.publish(&[keyed("0-0", "k0")]).await, [true]);
        let next = given.pull(3).await;
        assert_eq!(ids(&next).len(), 3);
    }
}
