//! Bulk operations: every item once, whatever comes between.

use super::*;

/// A world with so many dead letters, none of which stands in another's way.
fn world_with_dead_letters(count: u8) -> World {
    let mut world = World::new();
    for id in 0..count {
        world.make(&Move::Publish { id, key: None, priority: 2, stream: false, later: false });
        world.make(&Move::Feed);
        world.make(&Move::Pull(1));
        world.make(&Move::Nack(0, true));
    }
    assert_eq!(world.coordinator.state.dead_letters.len(), usize::from(count));
    world
}

fn replays(world: &World) -> usize {
    world.log.iter().filter(|recorded| matches!(recorded.fact, Fact::DeadLetterReplayed(_))).count()
}

#[test]
fn a_bulk_replay_goes_on_after_a_restart_and_takes_every_item_once() {
    let mut world = world_with_dead_letters(5);
    world.make(&Move::Bulk(bulk_operation::Action::Replay, 1));
    world.make(&Move::Pass(700));
    assert_eq!(replays(&world), 2, "the first at once, the second after the rest");
    world.restart();
    assert_eq!(replays(&world), 2);
    for _ in 0..10 {
        world.make(&Move::Pass(700));
    }
    assert_eq!(replays(&world), 5);
    let operation = world.coordinator.state.bulk_operations.values().next().expect("it is remembered");
    assert_eq!(operation.status, bulk_operation::Status::Completed);
    assert_eq!((operation.done, operation.skipped, operation.failed), (5, 0, 0));
}

#[test]
fn an_item_is_never_in_two_running_operations() {
    let mut world = world_with_dead_letters(3);
    world.make(&Move::Bulk(bulk_operation::Action::Archive, 1));
    let items = world.bulk_items(bulk_operation::Action::Replay);
    let Items::DeadLetters(ids) = &items else { panic!("they are dead letters") };
    let (first, rest) = (ids[0], ids[1..].to_vec());
    let pace = Pace { batch: 1, rest: Span(700) };
    let answer = world.start_bulk(bulk_operation::Action::Replay, items, pace);
    let Some(Answer::BulkStarted { id, busy }) = answer else { panic!("it is answered") };
    let busy: Vec<_> = busy.into_iter().map(|(item, _)| item).collect();
    assert_eq!(busy, rest.into_iter().map(bulk_operation::Item::DeadLetter).collect::<Vec<_>>());
    let id = id.expect("the one that had its turn is free again");
    let taken = world.coordinator.state.bulk_operations[&id].total;
    assert_eq!(taken, 1, "{first:?} alone");
}

#[test]
fn items_that_moved_meanwhile_are_skipped_and_told() {
    let mut world = world_with_dead_letters(3);
    let items = world.bulk_items(bulk_operation::Action::Replay);
    world.start_bulk(bulk_operation::Action::Replay, items.clone(), Pace { batch: 1, rest: Span(700) });
    let Items::DeadLetters(ids) = items else { panic!("they are dead letters") };
    let (id, note, actor) = (ids[1], Text::from("seen"), Text::from("somebody"));
    world.command(Command::ArchiveDeadLetter { id, note, actor });
    for _ in 0..5 {
        world.make(&Move::Pass(700));
    }
    let operation = world.coordinator.state.bulk_operations.values().next().expect("it is remembered");
    assert_eq!((operation.done, operation.skipped, operation.failed), (2, 1, 0));
    assert_eq!(&*operation.problems[0].why, "a dead letter that is archived can not be replayed");
}

#[test]
fn an_aborted_operation_leaves_the_rest_as_it_is() {
    let mut world = world_with_dead_letters(4);
    world.make(&Move::Bulk(bulk_operation::Action::Archive, 1));
    world.make(&Move::Abort);
    for _ in 0..5 {
        world.make(&Move::Pass(700));
    }
    let archived = world.coordinator.state.dead_letters.values().filter(|it| it.status == Status::Archived);
    assert_eq!(archived.count(), 1, "what was done stays done");
    let operation = world.coordinator.state.bulk_operations.values().next().expect("it is remembered");
    assert_eq!((operation.status, operation.next), (bulk_operation::Status::Aborted, 1));
}

#[test]
fn a_delivery_that_is_given_up_lets_the_next_one_of_its_key_go() {
    let mut world = World::new();
    for id in 0..3 {
        world.make(&Move::Publish { id, key: Some(1), priority: 2, stream: false, later: false });
    }
    world.make(&Move::Feed);
    let subscription = world.coordinator.state.subscription_numbers[&World::id()];
    let waiting = |world: &World, nth: usize| {
        let published = world.log.iter().filter(|it| matches!(it.fact, Fact::EventPublished(_)));
        let position = published.map(|it| it.position).nth(nth).expect("it was published");
        DeliveryId { subscription, position, generation: 0 }
    };
    let items = Items::Deliveries(vec![waiting(&world, 0), waiting(&world, 1)]);
    world.start_bulk(bulk_operation::Action::GiveUp, items, Pace { batch: 2, rest: Span(700) });
    world.turn();
    world.make(&Move::Pull(3));
    let pulled: Vec<_> = world.pulled.iter().map(|pulled| pulled.delivery).collect();
    assert_eq!(pulled, [waiting(&world, 2)]);
    assert_eq!(world.coordinator.state.dead_letters.len(), 2);
}

#[test]
fn a_delivery_that_is_hastened_is_tried_before_its_retry_was_due() {
    let mut world = World::new();
    world.make(&Move::Publish { id: 1, key: None, priority: 2, stream: false, later: false });
    world.make(&Move::Feed);
    world.make(&Move::Pull(1));
    world.make(&Move::Nack(0, false));
    world.make(&Move::Pull(1));
    assert!(world.pulled.is_empty(), "it waits for its retry");
    world.make(&Move::Bulk(bulk_operation::Action::Retry, 1));
    world.make(&Move::Pull(1));
    assert_eq!(world.pulled.len(), 1);
}
