//! Recovery runs `apply` alone: whatever happened, the facts rebuild the same state, also on top of a checkpoint that
//! was taken in small steps while it went on happening.

#[path = "replay/actions.rs"]
mod actions;
#[path = "replay/bulk.rs"]
mod bulk;
#[path = "replay/definitions.rs"]
mod definitions;
#[path = "replay/flow.rs"]
mod flow;
#[path = "replay/retention.rs"]
mod retention;
#[path = "replay/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use cantus_core::agent::{Agent, AgentName, Origin};
use cantus_core::audit::follows;
use cantus_core::bulk_operation::{self, Items, Pace};
use cantus_core::command::{
    Admitted, Answer, Apply, Audited, Command, EraseEvents, Install, Now, Outcome, Publish, Pull, Pulled,
    ReplayDeadLetter, Settle, Start, StartBulk, Trim,
};
use cantus_core::coordinator::{Limits, Offer, Offers, Stepped, Stop};
use cantus_core::dead_letter::Status;
use cantus_core::effect::Effect;
use cantus_core::event::{Event, Priority};
use cantus_core::fact::{ErasedEvent, Fact, Recorded};
use cantus_core::ids::DeliveryId;
use cantus_core::retention::Hidden;
use cantus_core::row::{Key, Loaded};
use cantus_core::subscription::lanes::{WAITERS_MAX, WAITING_MAX};
use cantus_core::subscription::retry::{Class, Failure, Policy};
use cantus_core::subscription::{
    Action, AfterDeadLetter, Order, PauseAction, Place, Rate, Subscription, SubscriptionId, Until, breaker,
};
use cantus_core::topic::{Pattern, Topic, TopicName};
use cantus_core::{Coordinator, Position, Span, State, Text, Timestamp, hash};
use proptest::prelude::*;
use world::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_facts_rebuild_the_state(what in proptest::collection::vec(moves(), 1..120)) {
        let mut world = World::new();
        for one in &what {
            world.make(one);
        }
        let mut replayed = fresh();
        for recorded in &world.log {
            replayed.apply(recorded).expect("a fact that was written can be applied");
        }
        let (reached, at, checkpoint) = std::mem::take(&mut world.checkpoint);
        let mut restored = fresh();
        for (key, row) in &checkpoint {
            restored.restore(key.clone(), row).expect("a row that was written can be read");
        }
        restored.finish_restore(reached, at);
        for recorded in world.log.iter().filter(|recorded| recorded.position > reached) {
            restored.apply(recorded).expect("a fact behind the checkpoint can be applied");
        }
        let mut entry = None;
        for recorded in &world.log {
            if let Fact::CallAudited(next) = &recorded.fact {
                prop_assert_eq!(follows(entry, next), Ok(()));
                entry = Some(next);
            }
        }
        prop_assert_eq!(&replayed.audit, &restored.audit);
        prop_assert_eq!(&replayed.timers, &restored.timers);
        let live: Vec<_> = world.coordinator.state.timers.iter().collect();
        for timer in live {
            prop_assert!(replayed.timers.contains(timer), "{:?} is not rebuilt", timer);
        }
        let replayed = rows(&mut replayed, BTreeMap::new());
        prop_assert_eq!(&replayed, &rows(&mut restored, checkpoint));
    }

    #[test]
    fn a_delivery_is_in_one_workers_hands_and_a_key_in_one_delivery(what in proptest::collection::vec(moves(), 1..120)) {
        let mut world = World::new();
        for one in &what {
            world.make(one);
            let subscription = world.coordinator.state.subscription(&World::id()).expect("declared");
            let held = subscription.open.values().filter(|open| open.lease().is_some());
            let mut keys: Vec<u64> = held.filter_map(|open| open.key).collect();
            prop_assert!(subscription.leased() <= 4, "more are leased than may");
            keys.sort_unstable();
            let all = keys.len();
            keys.dedup();
            let reordered = subscription.versions.len() > 1
                || what.iter().any(|one| {
                    matches!(
                        one,
                        Move::Redeclare(_) | Move::Apply(..) | Move::Flow(_) | Move::Push(_) | Move::Seek(_)
                    )
                });
            prop_assert!(reordered || keys.len() == all, "a key is held twice: {:?}", one);
        }
    }
}

/// Moves that neither set a subscription back nor bring anything again.
fn forward_moves() -> impl Strategy<Value = (Move, bool)> {
    let forward = moves().prop_filter("forward only", |one| {
        !matches!(
            one,
            Move::Bulk(bulk_operation::Action::Replay, _)
                | Move::Push(_)
                | Move::Seek(_)
                | Move::Replay
                | Move::Archive
                | Move::Restore
                | Move::Erase(_)
                | Move::Trim { forced: true, .. }
        )
    });
    (forward, proptest::bool::weighted(0.05))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_event_is_settled_exactly_once_whatever_restarts_and_orders(
        what in proptest::collection::vec(forward_moves(), 1..120)
    ) {
        let mut world = World::new();
        for (one, restart) in &what {
            world.make(one);
            if *restart {
                world.restart();
            }
        }
        world.drain();
        let mut settled: BTreeMap<Position, u32> = BTreeMap::new();
        for recorded in &world.log {
            match &recorded.fact {
                Fact::EventPublished(_) => {
                    settled.insert(recorded.position, 0);
                }
                Fact::DeliveryAcked(fact) => *settled.entry(fact.delivery.position).or_default() += 1,
                Fact::DeadLetterOpened(fact) => *settled.entry(fact.delivery.position).or_default() += 1,
                _ => {}
            }
        }
        prop_assert!(settled.values().all(|times| *times == 1), "{:?}", settled);
    }
}

/// What is there when a world begins, with one dead letter of the event at the front of the line.
fn world_with_a_dead_letter() -> World {
    let mut world = World::new();
    world.make(&Move::Publish { id: 1, key: None, priority: 2, stream: false, later: false });
    world.make(&Move::Feed);
    world.make(&Move::Pull(1));
    world.make(&Move::Nack(0, true));
    assert_eq!(world.coordinator.state.dead_letters.len(), 1);
    world
}

#[test]
fn a_replay_survives_a_seek_to_the_start() {
    let mut world = world_with_a_dead_letter();
    world.make(&Move::Replay);
    world.make(&Move::Seek(0));
    world.make(&Move::Pull(3));
    let replay = world.pulled.iter().position(|pulled| pulled.delivery.generation == 1);
    world.make(&Move::Ack(replay.expect("the replay is still on its way") as u8));
    let dead = world.coordinator.state.dead_letters.values().next().expect("it is there");
    assert_eq!(dead.status, Status::Resolved);
}

#[test]
fn a_dead_letter_whose_replays_subscription_is_removed_is_open_again() {
    let mut world = world_with_a_dead_letter();
    world.make(&Move::Replay);
    world.command(Command::Install(Box::new(Install {
        hash: Text::from("none"),
        source: Text::from("test"),
        actor: Text::from("test"),
        topics: Vec::new(),
        agents: Vec::new(),
        subscriptions: Vec::new(),
    })));
    let dead = world.coordinator.state.dead_letters.values().next().expect("it is there");
    assert_eq!(dead.status, Status::Open);
}

#[test]
fn other_keys_go_on_behind_a_key_that_waits_for_its_retry_however_many_it_has() {
    let mut world = World::new();
    let offer = |position: u64, key: u8| Offer {
        subscription: 0,
        round: 0,
        position: Position(position),
        recorded_at: Timestamp(1_000),
        event: event(0, Some(key), 2, false, None),
    };
    let number = world.coordinator.state.subscription_numbers[&World::id()];
    let last = 100 + WAITING_MAX as u64;
    let offers = (100..=last).map(|at| Offer { subscription: number, ..offer(at, 1) }).collect();
    let mut effects = Vec::new();
    world.coordinator.offer(Offers { offers, fed: Vec::new() }, &mut effects);
    world.make(&Move::Pull(1));
    world.make(&Move::Nack(0, false));
    let mut asked_to_go_on = false;
    for _ in 0..16 {
        let mut stepped = Stepped::default();
        let now = world.now();
        world.coordinator.dispatch(now, 100, &mut stepped).expect("leases can be given");
        let goes_on = |it: &Effect| matches!(it, Effect::Feed { lane: 2, after: Some(_), .. });
        asked_to_go_on |= stepped.effects.iter().any(goes_on);
    }
    assert!(asked_to_go_on, "the lane is full of one key");
}

#[test]
fn a_programs_lease_ends_by_itself_once_its_subscription_is_an_inbox() {
    let mut world = World::new();
    let pushed = Action::Pause(PauseAction { agents: Vec::new(), until: Until::After(Span::minutes(1)) });
    world.install_with(Subscription { action: pushed, ..definition(0) });
    world.make(&Move::Publish { id: 1, key: None, priority: 2, stream: false, later: false });
    world.make(&Move::Feed);
    assert_eq!(world.coordinator.state.subscription(&World::id()).expect("declared").leased(), 1);
    world.install(0);
    assert!(world.coordinator.state.next_due().is_some(), "nobody else would end it");
    world.drain();
    assert_eq!(world.coordinator.state.subscription(&World::id()).expect("declared").acked, 1);
}

#[test]
fn a_pull_that_is_refused_leaves_nothing_that_is_not_in_the_log() {
    let mut world = World::new();
    let pull = |waiter| Command::Pull(Pull { subscription: World::id(), max: 1, waiter: Some(waiter) });
    for waiter in 0..WAITERS_MAX as u64 {
        assert_eq!(world.command(pull(waiter)), Some(Answer::WillWait));
    }
    world.at = world.at.after(Span::hours(1));
    assert_eq!(world.command(pull(WAITERS_MAX as u64)), None);
    let logged = world.log.last().map(|recorded| recorded.position);
    assert_eq!(logged, Some(world.coordinator.state.position));
}

#[test]
fn cursors_are_not_written_down_because_cursors_were() {
    let mut world = World::new();
    world.make(&Move::Publish { id: 1, key: None, priority: 2, stream: false, later: false });
    for _ in 0..10 {
        world.make(&Move::Feed);
        let (now, mut stepped) = (world.now(), Stepped::default());
        world.coordinator.note_quiet_cursors(now, 1, &mut stepped).expect("cursors can be written");
        world.take(stepped);
    }
    let moved = world.log.iter().filter(|recorded| matches!(recorded.fact, Fact::CursorMoved(_)));
    assert!(moved.count() <= 2, "a quiet log grows for ever");
}
