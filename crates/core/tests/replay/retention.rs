//! What goes with age, and what is erased.

use super::*;

#[test]
fn events_that_a_subscription_has_not_passed_are_held_until_it_is_forced() {
    let mut world = World::new();
    for id in 0..3 {
        world.make(&Move::Publish { id, key: None, priority: 2, stream: false, later: false });
    }
    world.make(&Move::Trim { share: 255, forced: false });
    assert_eq!(world.coordinator.state.topics.values().map(|topic| topic.events).sum::<u64>(), 3);
    world.make(&Move::Trim { share: 255, forced: true });
    let topic = world.coordinator.state.topics.values().next().expect("declared");
    assert_eq!((topic.events, topic.first), (0, None));
    let lost = world.coordinator.state.subscription(&World::id()).expect("declared").expired;
    assert!(lost.is_some_and(|lost| lost.to >= topic.last.expect("three were published")));
    world.make(&Move::Feed);
    world.make(&Move::Pull(3));
    assert!(world.pulled.is_empty(), "what has gone is not delivered");
    world.make(&Move::Publish { id: 9, key: None, priority: 2, stream: false, later: false });
    world.drain();
    let subscription = world.coordinator.state.subscription(&World::id()).expect("declared");
    assert_eq!((subscription.acked, subscription.expired), (1, None), "who went on has seen the gap");
}

#[test]
fn what_is_in_a_workers_hands_when_its_retention_ends_is_still_settled() {
    let mut world = World::new();
    world.make(&Move::Publish { id: 1, key: None, priority: 2, stream: false, later: false });
    world.make(&Move::Feed);
    world.make(&Move::Pull(1));
    let leased = world.pulled[0].delivery.position;
    world.make(&Move::Feed);
    world.make(&Move::Trim { share: 255, forced: true });
    assert!(world.coordinator.state.pinned(leased, leased).contains(&leased));
    world.make(&Move::Ack(0));
    assert_eq!(world.coordinator.state.subscription(&World::id()).expect("declared").acked, 1);
    assert!(world.coordinator.state.pinned(leased, leased).is_empty());
}

#[test]
fn an_erased_event_is_taken_from_its_worker_and_what_the_worker_says_of_it_is_not_kept() {
    let mut world = World::new();
    world.make(&Move::Publish { id: 1, key: None, priority: 2, stream: false, later: false });
    world.make(&Move::Feed);
    world.make(&Move::Pull(1));
    let held = world.pulled[0].clone();
    world.make(&Move::Erase(0));
    assert_eq!(world.coordinator.state.subscription(&World::id()).expect("declared").leased(), 0);
    world.pulled.push(held);
    world.make(&Move::Nack(0, true));
    let late = world.log.iter().rev().find_map(|recorded| match &recorded.fact {
        Fact::DeliveryAnsweredLate(fact) => Some(fact.clone()),
        _ => None,
    });
    let late = late.expect("a late answer is a fact");
    assert_eq!((&*late.said, late.events), ("nack", None));
    world.drain();
    assert_eq!(world.coordinator.state.subscription(&World::id()).expect("declared").acked, 0);
}

#[test]
fn the_dead_letter_of_an_erased_event_says_nothing_any_more_and_goes_nowhere() {
    let mut world = world_with_a_dead_letter();
    world.make(&Move::Erase(0));
    let dead = world.coordinator.state.dead_letters.values().next().expect("it is there").clone();
    assert_eq!((&*dead.message, &*dead.note, dead.status), ("erased", "", Status::Archived));
    world.make(&Move::Restore);
    world.make(&Move::Replay);
    let dead = world.coordinator.state.dead_letters.values().next().expect("it is there");
    assert_eq!((dead.status, dead.replays.len()), (Status::Archived, 0));
}
