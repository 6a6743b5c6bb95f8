//! What lets deliveries flow and what holds them back: breakers, rates, held keys, lifetimes, expiry.

use cantus_core::ids::DeliveryId;
use cantus_core::state::Timer;
use cantus_core::subscription::Stage;
use cantus_core::subscription::why::{Cause, Verdict};

use super::*;

/// An order subscription whose attempts never run out by themselves.
fn patient() -> Subscription {
    Subscription {
        retry: Policy { max_retries: 100, ..Policy::default() },
        concurrency: 100,
        max_in_flight: 1_000,
        ..definition(0)
    }
}

fn held() -> Subscription {
    Subscription { after_dead_letter: AfterDeadLetter::HoldKey, ..patient() }
}

fn given(definition: Subscription) -> World {
    let mut world = World::new();
    world.install_with(definition);
    world
}

impl World {
    /// Publishes events of these keys and lets the lanes have them.
    fn published(&mut self, keys: impl IntoIterator<Item = Option<u8>>) {
        for key in keys {
            let id = self.log.len() as u32;
            self.publish(|event| {
                event.id = Text::from(format!("n{id}"));
                event.partition_key = key.map(|key| Text::from(format!("k{key}")));
            });
        }
        self.feed();
    }

    pub(super) fn publish(&mut self, change: impl FnOnce(&mut Event)) {
        let mut event = Event::clone(&event(0, None, 2, false, None));
        change(&mut event);
        event.correlation_id = event.id.clone();
        let event = Arc::new(event);
        let admitted = Admitted {
            content: 1,
            identity: hash::identity(&event.source, &event.id),
            warnings: Vec::new(),
            takers: Vec::new(),
            definitions: self.coordinator.state.meta.definitions,
            event,
        };
        self.command(Command::Publish(Box::new(Publish {
            events: vec![admitted],
            expected_revision: None,
            auto_create: false,
            actor: Text::from("test"),
            agent: None,
            idempotency: None,
        })));
    }

    /// Pulls all there is, without answering. Returns the positions.
    fn pulls(&mut self) -> Vec<u64> {
        let before = self.pulled.len();
        self.make(&Move::Pull(200));
        self.pulled[before..].iter().map(|pulled| pulled.delivery.position.0).collect()
    }

    pub(super) fn fails(&mut self, class: Class) {
        self.answer(0, Some(class));
        self.turn();
    }

    pub(super) fn succeeds(&mut self) {
        self.answer(0, None);
        self.turn();
    }

    fn later(&mut self, span: Span) {
        self.at = self.at.after(span);
        self.turn();
    }

    fn subscription(&self) -> &cantus_core::subscription::State {
        self.coordinator.state.subscription(&Self::id()).expect("declared")
    }

    fn is_broken(&self) -> bool {
        self.subscription().is_broken()
    }

    fn facts(&self, name: &str) -> usize {
        self.log.iter().filter(|recorded| recorded.fact.name() == name).count()
    }

    fn last_event(&self) -> u64 {
        let last = self.log.iter().rev().find(|it| matches!(it.fact, Fact::EventPublished(_)));
        last.expect("there are events").position.0
    }

    fn causes(&self, position: u64) -> Vec<Cause> {
        let published = self.log.iter().find_map(|recorded| match &recorded.fact {
            Fact::EventPublished(fact) if recorded.position.0 == position => Some(fact.event.clone()),
            _ => None,
        });
        let event = published.expect("there is an event");
        let whys = self.coordinator.why(&event, Position(position), Some(&Self::id()));
        match whys.into_iter().next().map(|why| why.verdict) {
            Some(Verdict::Waiting(causes)) => causes,
            other => panic!("it does not wait: {other:?}"),
        }
    }

    /// Starts again from a checkpoint of now.
    fn restart_from_rows(&mut self) {
        let kept = rows(&mut self.coordinator.state, std::mem::take(&mut self.checkpoint.2));
        let mut state = fresh();
        for (key, row) in &kept {
            state.restore(key.clone(), row).expect("a row that was written can be read");
        }
        state.finish_restore(self.coordinator.state.position, self.coordinator.state.at);
        self.checkpoint = (state.position, state.at, kept);
        self.coordinator = Coordinator::new(state, Limits::default());
        let effects = self.coordinator.owed();
        self.take(Stepped { effects, ..Stepped::default() });
    }
}

/// A world in which three deliveries of keys 1, 2, 3 have failed in a row; those of keys 4, 5, 6 wait.
fn broken() -> World {
    let mut world = given(Subscription { concurrency: 3, ..patient() });
    world.published((1..=6).map(Some));
    assert_eq!(world.pulls().len(), 3);
    for _ in 0..3 {
        assert!(!world.is_broken());
        world.fails(Class::Unavailable);
    }
    assert!(world.is_broken());
    world
}

#[test]
fn failures_in_a_row_of_distinct_deliveries_open_the_breaker_and_nothing_is_leased_but_probes() {
    let mut world = broken();
    assert_eq!(world.facts("BreakerOpened"), 1);
    assert_eq!(world.pulls(), [] as [u64; 0]);
    let waiting = world.last_event();
    assert!(matches!(world.causes(waiting)[0], Cause::Breaker { probe_at: Some(_), .. }), "why tells");
    world.later(Span::seconds(1));
    assert_eq!(world.pulls().len(), 1, "one probe");
    assert_eq!(world.pulls(), [] as [u64; 0], "at a time");
    world.succeeds();
    assert!(!world.is_broken());
    assert_eq!(world.facts("BreakerClosed"), 1);
    world.later(Span::seconds(2));
    assert!(world.pulls().len() >= 2, "all go on");
}

#[test]
fn every_probe_takes_another_key_and_waits_longer() {
    let mut world = broken();
    let mut keys = Vec::new();
    for pause in [1, 2, 4, 4] {
        world.later(Span(pause * 1_000 - 1));
        assert_eq!(world.pulls(), [] as [u64; 0], "before {pause} s");
        world.later(Span(1));
        assert_eq!(world.pulls().len(), 1, "after {pause} s");
        let id = world.pulled[0].delivery;
        keys.push(world.coordinator.state.open(id).expect("it is open").key);
        world.fails(Class::Timeout);
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 4);
    assert_eq!(world.facts("BreakerProbed"), 4);
}

#[test]
fn the_only_key_that_is_left_is_probed_again_though_another_of_it_seems_ready() {
    let mut world = given(Subscription {
        concurrency: 1,
        breaker: Some(breaker::Policy { failure_threshold: 1, ..breaker::Policy::default() }),
        ..patient()
    });
    for (id, priority) in [("first", Priority::High), ("second", Priority::Low)] {
        world.publish(|event| {
            event.id = Text::from(id);
            event.priority = priority;
            event.partition_key = Some(Text::from("one key"));
        });
    }
    world.feed();
    for attempt in 1..4 {
        assert_eq!(world.pulls().len(), 1, "attempt {attempt}");
        world.fails(Class::Unavailable);
        world.later(Span::minutes(10));
    }
    assert_eq!(world.facts("BreakerProbed"), 2);
}

#[test]
fn what_ran_when_the_breaker_opened_spends_no_attempt() {
    let mut world = given(Subscription {
        retry: Policy { max_retries: 0, ..Policy::default() },
        breaker: Some(breaker::Policy { failure_threshold: 1, ..breaker::Policy::default() }),
        ..patient()
    });
    world.published([Some(1), Some(2)]);
    world.pulls();
    world.fails(Class::Timeout);
    assert_eq!(world.facts("DeadLetterOpened"), 1, "that which opened it has spent its only one");
    world.fails(Class::Timeout);
    assert_eq!(world.facts("DeadLetterOpened"), 1, "that which ran beside it has not");
    world.later(Span::seconds(1));
    assert_eq!(world.pulls().len(), 1);
    world.fails(Class::Timeout);
    assert_eq!(world.facts("DeadLetterOpened"), 2, "a probe spends");
}

#[test]
fn an_open_breaker_survives_a_restart_and_so_does_its_probe() {
    let mut world = broken();
    world.restart();
    assert!(world.is_broken());
    world.feed();
    assert_eq!(world.pulls(), [] as [u64; 0]);
    world.later(Span::seconds(1));
    assert_eq!(world.pulls().len(), 1);
    world.restart_from_rows();
    world.feed();
    assert_eq!(world.pulls(), [] as [u64; 0], "the probe of before is still on its way");
    world.succeeds();
    assert!(!world.is_broken());
}

#[test]
fn a_person_closes_the_breaker_and_so_does_another_definition() {
    let mut world = broken();
    world.make(&Move::Reset);
    assert!(!world.is_broken());
    let mut world = broken();
    world.install_with(Subscription { lease: Span::minutes(6), ..patient() });
    assert!(!world.is_broken());
    assert!(!world.coordinator.state.timers.iter().any(|(_, timer)| matches!(timer, Timer::ProbeDue(_))));
}

#[test]
fn a_dead_letter_holds_its_key_until_its_replay_succeeds_which_goes_before_all_that_wait() {
    let mut world = given(held());
    world.published([Some(1), Some(1), Some(2), Some(1)]);
    let first = world.pulls();
    assert_eq!(first.len(), 2);
    world.fails(Class::Rejected);
    world.succeeds();
    assert_eq!(world.pulls(), [] as [u64; 0], "its key waits");
    let id = *world.coordinator.state.dead_letters.keys().next().expect("there is one");
    assert!(matches!(world.causes(first[0] + 1)[0], Cause::KeyHeld { id: holder, .. } if holder == id));
    world.make(&Move::Replay);
    assert_eq!(world.pulls(), [first[0]], "only the replay goes");
    world.fails(Class::Rejected);
    assert_eq!(world.pulls(), [] as [u64; 0], "which died again");
    world.restart();
    world.feed();
    assert_eq!(world.pulls(), [] as [u64; 0], "and a restart changes nothing");
    world.make(&Move::Replay);
    world.restart_from_rows();
    world.feed();
    assert_eq!(world.pulls(), [first[0]]);
    world.succeeds();
    assert_eq!(world.pulls(), [first[0] + 1], "what waits goes on in its order");
}

#[test]
fn a_held_key_goes_on_once_its_dead_letter_is_archived_or_a_person_releases_it() {
    for what in [Move::Archive, Move::Release, Move::Flow(0)] {
        let mut world = given(held());
        world.published([Some(1), Some(1)]);
        world.pulls();
        world.fails(Class::Rejected);
        assert_eq!(world.pulls(), [] as [u64; 0]);
        world.make(&what);
        assert_eq!(world.pulls().len(), 1, "{what:?}");
    }
}

#[test]
fn an_event_without_a_key_holds_nothing() {
    let mut world = given(held());
    world.published([None, None]);
    world.pulls();
    world.fails(Class::Rejected);
    world.succeeds();
    assert_eq!(world.subscription().held.len(), 0);
    let id = *world.coordinator.state.dead_letters.keys().next().expect("there is one");
    assert_eq!(world.command(Command::ReleaseKey { id, note: None, actor: Text::from("test") }), None);
}

#[test]
fn a_held_key_with_more_waiting_than_a_lane_takes_is_parked_and_goes_on_in_order() {
    let mut world = given(Subscription { concurrency: 1_000, max_in_flight: 60_000, ..held() });
    world.published([Some(1)]);
    world.pulls();
    world.fails(Class::Rejected);
    let many = WAITING_MAX as u64 + 100;
    world.published((0..many).map(|_| Some(1)));
    for _ in 0..16 {
        world.turn();
        world.feed();
    }
    assert!(world.facts("DeliveryParked") > 0);
    world.published([Some(2)]);
    let other = world.pulls();
    assert_eq!(other.len(), 1, "another key goes on");
    world.succeeds();
    world.restart();
    world.feed();
    world.make(&Move::Release);
    let mut delivered = Vec::new();
    for _ in 0..many {
        delivered.extend(world.pulls());
        world.succeeds();
        world.feed();
    }
    assert!(delivered.is_sorted(), "in their order");
    assert_eq!(delivered.len() as u64, many);
}

#[test]
fn what_waits_for_a_held_key_is_parked_up_to_a_limit_which_is_told_and_goes_on_once_the_key_is_free() {
    let mut world = World::with(Limits { parked_max: 600, ..Limits::default() });
    world.install_with(Subscription { concurrency: 1_000, max_in_flight: 60_000, ..held() });
    world.published([Some(1)]);
    world.pulls();
    world.fails(Class::Rejected);
    let many = WAITING_MAX as u64 + 2_000;
    world.published((0..many).map(|_| Some(1)));
    for _ in 0..16 {
        world.turn();
        world.feed();
    }
    assert_eq!((world.facts("DeliveryParked"), world.subscription().open.len()), (600, 600));
    world.published([Some(2)]);
    let other = world.last_event();
    assert_eq!(world.causes(other)[0], Cause::Crowded(600), "why tells");
    world.make(&Move::Release);
    let mut delivered = 0;
    for _ in 0..=many {
        delivered += world.pulls().len();
        world.succeeds();
        world.feed();
    }
    assert_eq!(delivered as u64, many + 1, "nothing was lost");
    assert!(world.subscription().open.is_empty());
}

#[test]
fn a_rate_is_kept_also_over_a_restart() {
    let mut world =
        given(Subscription { rate: Some(Rate { count: 10, per: Span::seconds(1) }), ..patient() });
    world.published((0..100).map(|_| None));
    let mut leased = world.pulls().len();
    assert_eq!(leased, 1);
    let waiting = world.last_event();
    assert!(matches!(world.causes(waiting).as_slice(), [Cause::Rate(..)]));
    for step in 0..20 {
        if step % 5 == 0 {
            world.restart_from_rows();
            world.feed();
        }
        assert_eq!(world.pulls(), [] as [u64; 0]);
        world.later(Span(100));
        leased += world.pulls().len();
    }
    assert_eq!(leased, 21, "ten a second, and the one at the start");
}

#[test]
fn no_more_are_leased_or_wait_for_a_retry_than_may_be_in_flight() {
    let mut world = given(Subscription { max_in_flight: 3, ..patient() });
    world.published((0..10).map(|_| None));
    assert_eq!(world.pulls().len(), 3);
    world.fails(Class::Timeout);
    world.fails(Class::InvalidPayload);
    assert_eq!(world.pulls().len(), 1, "one waits for its retry, one is dead");
}

#[test]
fn progress_extends_a_lease_up_to_its_longest_life_and_then_it_ends() {
    let definition =
        Subscription { lease: Span::minutes(5), max_lifetime: Some(Span::minutes(12)), ..patient() };
    let mut world = given(definition);
    world.published([None]);
    world.pulls();
    let began = world.at;
    let Pulled { delivery, token, .. } = world.pulled[0];
    let mut deadlines = Vec::new();
    for _ in 0..4 {
        world.later(Span::minutes(3));
        if let Some(Answer::Extended(deadline)) = world.command(Command::Extend { delivery, token }) {
            deadlines.push(deadline.since(began).0 / 60_000);
        }
    }
    assert_eq!(deadlines, [8, 11, 12]);
    assert_eq!(world.subscription().leased(), 0, "it has ended");
}

#[test]
fn a_delivery_tells_when_it_was_first_handed_out_and_that_it_was_before() {
    let mut world = given(patient());
    world.published([None]);
    let first = world.at;
    world.pulls();
    assert_eq!((world.pulled[0].redelivered, world.pulled[0].first_at), (false, first));
    world.fails(Class::Timeout);
    world.restart();
    world.later(Span::seconds(1));
    world.pulls();
    assert_eq!((world.pulled[0].redelivered, world.pulled[0].first_at), (true, first));
    world.fails(Class::Rejected);
    world.make(&Move::Replay);
    world.pulls();
    assert!(world.pulled[0].redelivered, "a replay brings what was handed out before");
}

#[test]
fn what_is_retried_or_parked_still_expires_after_a_restart() {
    let mut world = given(Subscription { concurrency: 1, ..patient() });
    let expires = world.at.after(Span::seconds(30));
    world.publish(|event| {
        event.id = Text::from("retried");
        event.expires_at = Some(expires);
    });
    world.feed();
    world.pulls();
    world.fails(Class::Timeout);
    world.restart_from_rows();
    world.later(Span::minutes(1));
    assert_eq!(world.pulls(), [] as [u64; 0]);
    assert_eq!(world.facts("DeliveryExpired"), 1);

    let mut world = given(held());
    world.published([Some(1)]);
    world.pulls();
    world.fails(Class::Rejected);
    let expires = world.at.after(Span::seconds(30));
    for number in 0..=WAITING_MAX {
        world.publish(|event| {
            event.id = Text::from(format!("parked{number}"));
            event.partition_key = Some(Text::from("k1"));
            event.expires_at = Some(expires);
        });
    }
    world.feed();
    world.turn();
    let parked = world.facts("DeliveryParked");
    assert!(parked > 0);
    world.restart_from_rows();
    world.make(&Move::Release);
    world.later(Span::minutes(1));
    world.pulls();
    assert!(world.facts("DeliveryExpired") >= parked);
}

#[test]
fn an_ack_that_is_sent_again_after_a_restart_is_answered_alike() {
    let mut world = given(patient());
    world.published([None]);
    world.pulls();
    let pulled = world.pulled[0].clone();
    world.succeeds();
    world.restart_from_rows();
    world.pulled.push(pulled);
    let acked = world.facts("DeliveryAcked");
    world.succeeds();
    assert_eq!((world.facts("DeliveryAcked"), world.facts("DeliveryAnsweredLate")), (acked, 0));
}

#[test]
fn what_a_worker_pulled_is_not_run_beside_it_when_its_subscription_becomes_a_program() {
    let mut world = given(patient());
    world.published([None]);
    world.pulls();
    let pushed = Action::Pause(PauseAction { agents: Vec::new(), until: Until::After(Span::minutes(1)) });
    world.install_with(Subscription { action: pushed, ..patient() });
    for _ in 0..2 {
        let owed = world.coordinator.owed();
        assert!(!owed.iter().any(|effect| matches!(effect, Effect::Deliver(_))), "{owed:?}");
        world.restart_from_rows();
    }
    world.later(Span::minutes(6));
    let ended = world.facts("DeliveryFailed");
    assert_eq!(ended, 1, "its lease ends by its timer");
}

#[test]
fn an_order_that_is_declared_while_deliveries_are_leased_counts_them() {
    let mut world = given(Subscription { order: Order::None, ..patient() });
    world.published([Some(1), Some(2)]);
    assert_eq!(world.pulls().len(), 2);
    world.install_with(patient());
    world.published([Some(1), Some(3)]);
    assert_eq!(world.pulls().len(), 1, "the key of what is leased waits");
    world.restart();
    world.feed();
    assert_eq!(world.pulls(), [] as [u64; 0], "also after a restart");
    world.succeeds();
    assert_eq!(world.pulls().len(), 1);
    world.install_with(Subscription { order: Order::Topic, ..patient() });
    world.published([Some(9)]);
    assert_eq!(world.pulls(), [] as [u64; 0], "one at a time now");
    let open: Vec<DeliveryId> = world.pulled.iter().map(|pulled| pulled.delivery).collect();
    for _ in open {
        world.succeeds();
    }
    assert_eq!(world.pulls().len(), 1);
    assert!(world.subscription().open.values().all(|open| matches!(open.stage, Stage::Leased(_))));
}
