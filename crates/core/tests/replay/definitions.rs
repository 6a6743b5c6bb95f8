//! Definitions that change under what runs.

use super::*;

const MANY: u32 = 10_000;

/// A world with 10,000 deliveries in workers' hands.
fn busy() -> World {
    let mut world = World::new();
    world.install_with(Subscription {
        concurrency: MANY,
        max_in_flight: 2 * MANY,
        order: Order::None,
        ..definition(0)
    });
    while world.pulled.len() < MANY as usize {
        for number in 0..1_000 {
            let id = world.pulled.len() + number;
            world.publish(|event| event.id = Text::from(format!("m{id}")));
        }
        world.feed();
        world.make(&Move::Pull(250));
        while !world.coordinator_has_nothing() {
            world.make(&Move::Pull(250));
        }
    }
    world
}

impl World {
    fn coordinator_has_nothing(&mut self) -> bool {
        let before = self.pulled.len();
        self.make(&Move::Pull(250));
        self.pulled.len() == before
    }

    fn acked(&self) -> usize {
        self.log.iter().filter(|it| matches!(it.fact, Fact::DeliveryAcked(_))).count()
    }
}

#[test]
fn a_definition_that_changes_while_ten_thousand_deliveries_run_loses_and_repeats_none() {
    let mut world = busy();
    for order in [0, 2, 1] {
        world.install_with(Subscription { concurrency: 7, max_in_flight: 9, ..definition(order) });
        assert_eq!(
            world.command(Command::Pull(Pull { subscription: World::id(), max: 9, waiter: None })),
            Some(Answer::Pulled(Vec::new()))
        );
    }
    while !world.pulled.is_empty() {
        world.answer(0, None);
    }
    world.turn();
    assert_eq!(world.acked(), MANY as usize);
    let subscription = world.coordinator.state.subscription(&World::id()).expect("declared");
    assert_eq!((subscription.open.len(), subscription.acked), (0, u64::from(MANY)));
    world.restart();
    world.feed();
    world.make(&Move::Pull(9));
    assert!(world.pulled.is_empty(), "nothing comes again");
}

#[test]
fn a_subscription_that_is_taken_away_and_declared_again_is_another_one() {
    let mut world = busy();
    let before = world.coordinator.state.subscription_numbers[&World::id()];
    world.command(Command::Install(Box::new(Install {
        hash: Text::from("none"),
        source: Text::from("test"),
        actor: Text::from("test"),
        topics: Vec::new(),
        agents: Vec::new(),
        subscriptions: Vec::new(),
    })));
    world.install_with(Subscription { from: Place::End, ..definition(0) });
    let after = world.coordinator.state.subscription_numbers[&World::id()];
    assert_ne!(before, after);
    let answers = world.pulled.len();
    while !world.pulled.is_empty() {
        world.answer(0, None);
    }
    assert_eq!(world.acked(), 0, "answers to the old one are not the new one's");
    let late = world.log.iter().filter(|it| matches!(it.fact, Fact::DeliveryAnsweredLate(_))).count();
    assert_eq!(late, answers, "but none is lost");
    world.restart();
    assert!(world.coordinator.state.subscriptions[&before].open.is_empty());
    world.rounds = [0; 4];
    world.after = [world.coordinator.state.position; 4];
    world.publish(|event| event.id = Text::from("new"));
    world.feed();
    world.make(&Move::Pull(9));
    assert_eq!(world.pulled.len(), 1);
    world.answer(0, None);
    assert_eq!(world.acked(), 1);
}
