//! What becomes of open leases when a subscription's action changes.

use cantus_core::state::Timer;

use super::*;

/// A subscription whose attempts are carried out for it.
pub(super) fn pushed() -> Subscription {
    let action = Action::Pause(PauseAction { agents: Vec::new(), until: Until::After(Span::minutes(1)) });
    Subscription { action, ..definition(0) }
}

fn timers(state: &State) -> Vec<(Timestamp, Timer)> {
    state.timers.iter().copied().collect()
}

/// The state of a checkpoint of now.
fn from_rows(world: &mut World) -> State {
    let (position, at) = (world.coordinator.state.position, world.coordinator.state.at);
    let kept = rows(&mut world.coordinator.state, std::mem::take(&mut world.checkpoint.2));
    let mut state = fresh();
    for (key, row) in &kept {
        state.restore(key.clone(), row).expect("a row that was written can be read");
    }
    state.finish_restore(position, at);
    world.checkpoint = (position, at, kept);
    state
}

fn with_one_attempt_on_its_way() -> World {
    let mut world = World::new();
    world.install_with(pushed());
    world.make(&Move::Publish { id: 1, key: None, priority: 2, stream: false, later: false });
    world.make(&Move::Feed);
    assert_eq!(world.coordinator.state.subscription(&World::id()).expect("declared").leased(), 1);
    world
}

#[test]
fn the_timers_of_leases_are_those_of_a_checkpoint_whatever_becomes_of_the_action() {
    let mut world = with_one_attempt_on_its_way();
    for definition in [definition(0), pushed(), definition(0), pushed()] {
        world.install_with(definition);
        let restored = from_rows(&mut world);
        assert_eq!(timers(&world.coordinator.state), timers(&restored));
    }
}

#[test]
fn an_attempt_that_an_inbox_gave_up_ends_although_the_subscription_pushes_again() {
    let mut world = with_one_attempt_on_its_way();
    // Whoever was to carry it out finds an inbox, and does nothing.
    world.install_with(definition(0));
    world.install_with(pushed());
    let due = world.coordinator.state.next_due().expect("nobody else would end it");
    world.at = due;
    world.turn();
    let failed = world.log.iter().any(|it| matches!(&it.fact, Fact::DeliveryFailed(_)));
    assert!(failed, "its lease has ended");
}
