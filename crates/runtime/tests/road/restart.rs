//! What a restart keeps.

use cantus_core::command::Settled;
use cantus_core::subscription::retry::Class;

use crate::given::{Given, event, ids, inbox, keyed};

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
