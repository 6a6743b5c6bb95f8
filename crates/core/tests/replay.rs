//! Recovery runs `apply` alone: whatever happened, the facts rebuild the same state, also on top of a checkpoint that
//! was taken in small steps while it went on happening.

#[path = "replay/actions.rs"]
mod actions;
#[path = "replay/definitions.rs"]
mod definitions;
#[path = "replay/flow.rs"]
mod flow;

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
use cantus_core::event::{Event, Kind, Priority};
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

#[derive(Clone, Debug)]
enum Move {
    Publish { id: u8, key: Option<u8>, priority: u8, stream: bool, later: bool },
    Feed,
    Pull(u8),
    Ack(u8),
    Nack(u8, bool),
    Pass(u32),
    Pause(bool),
    Seek(u8),
    Replay,
    Archive,
    Restore,
    Redeclare(u8),
    Apply(u8, bool),
    Trim { share: u8, forced: bool },
    Erase(u8),
    Bulk(bulk_operation::Action, u8),
    Abort,
    Flow(u8),
    Push(bool),
    Release,
    Reset,
    Checkpoint,
}

fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        6 => (any::<u8>(), proptest::option::of(0u8..3), 0u8..4, any::<bool>(), proptest::bool::weighted(0.1))
            .prop_map(|(id, key, priority, stream, later)| Move::Publish { id, key, priority, stream, later }),
        5 => Just(Move::Feed),
        5 => (1u8..4).prop_map(Move::Pull),
        4 => any::<u8>().prop_map(Move::Ack),
        4 => (any::<u8>(), any::<bool>()).prop_map(|(which, final_)| Move::Nack(which, final_)),
        3 => (0u32..400_000).prop_map(Move::Pass),
        1 => any::<bool>().prop_map(Move::Pause),
        1 => any::<u8>().prop_map(Move::Seek),
        2 => Just(Move::Replay),
        1 => Just(Move::Archive),
        1 => Just(Move::Restore),
        1 => (0u8..3).prop_map(Move::Redeclare),
        1 => (0u8..3, any::<bool>()).prop_map(|(order, dry_run)| Move::Apply(order, dry_run)),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(share, forced)| Move::Trim { share, forced }),
        1 => any::<u8>().prop_map(Move::Erase),
        3 => (bulk_action(), 1u8..4).prop_map(|(action, batch)| Move::Bulk(action, batch)),
        1 => Just(Move::Abort),
        1 => (0u8..8).prop_map(Move::Flow),
        1 => any::<bool>().prop_map(Move::Push),
        1 => Just(Move::Release),
        1 => Just(Move::Reset),
        2 => Just(Move::Checkpoint),
    ]
}

fn bulk_action() -> impl Strategy<Value = bulk_operation::Action> {
    use bulk_operation::Action;
    prop_oneof![
        Just(Action::Replay),
        Just(Action::Archive),
        Just(Action::Restore),
        Just(Action::Retry),
        Just(Action::GiveUp),
    ]
}

fn definition(order: u8) -> Subscription {
    Subscription {
        topics: vec![Pattern::parse("tasks").expect("legal")],
        filter: None,
        action: Action::Inbox,
        retry: Policy { max_retries: 1, ..Policy::default() },
        concurrency: 4,
        max_in_flight: 6,
        order: [Order::Key, Order::None, Order::Topic][usize::from(order)],
        after_dead_letter: AfterDeadLetter::Continue,
        lease: Span::minutes(5),
        from: Place::Start,
        renamed_from: None,
        origin: Origin::File,
        breaker: Some(breaker::Policy {
            failure_threshold: 3,
            initial_pause: Span::seconds(1),
            max_pause: Span::seconds(4),
        }),
        rate: None,
        max_lifetime: None,
        on_start: None,
        on_failure: None,
    }
}

/// Definitions that differ in what lets deliveries flow: a bit each for held keys, a rate, and no breaker.
fn flowing(bits: u8) -> Subscription {
    let mut definition = definition(0);
    if bits & 1 > 0 {
        definition.after_dead_letter = AfterDeadLetter::HoldKey;
    }
    if bits & 2 > 0 {
        definition.rate = Some(Rate { count: 2, per: Span::seconds(1) });
    }
    if bits & 4 > 0 {
        definition.breaker = Some(breaker::Policy::OFF);
    }
    definition
}

fn event(id: u8, key: Option<u8>, priority: u8, stream: bool, deliver_at: Option<Timestamp>) -> Arc<Event> {
    let id = Text::from(format!("e{id}"));
    Arc::new(Event {
        id: id.clone(),
        source: Text::from("/publisher"),
        event_type: Text::from("Happened"),
        topic: TopicName::parse("tasks").expect("legal"),
        correlation_id: id,
        causation_id: None,
        hops: 0,
        subject: None,
        time: Text::from("2026-01-01T00:00:00Z"),
        kind: Kind::Event,
        version: None,
        to: None,
        partition_key: key.map(|key| Text::from(format!("k{key}"))),
        priority: Priority::ALL[usize::from(priority)],
        stream: stream.then(|| Text::from("s")),
        expires_at: None,
        deliver_at,
        data_schema: None,
        content_type: None,
        trace_parent: None,
        trace_state: None,
        extensions: Vec::new(),
        data: None,
    })
}

/// A state of which every stream is in memory.
fn fresh() -> State {
    let mut state = State::default();
    state.streams_complete = true;
    state
}

/// A coordinator with a log, a feeder and a checkpoint, all as plain as can be.
struct World {
    coordinator: Coordinator,
    log: Vec<Recorded>,
    at: Timestamp,
    rounds: [u32; 4],
    after: [Position; 4],
    live: bool,
    pulled: Vec<Pulled>,
    /// The last complete checkpoint: rows as of a position.
    checkpoint: (Position, Timestamp, BTreeMap<Key, Vec<u8>>),
}

impl World {
    fn new() -> Self {
        let mut world = World {
            coordinator: Coordinator::new(fresh(), Limits::default()),
            log: Vec::new(),
            at: Timestamp(1_000),
            rounds: [0; 4],
            after: [Position(0); 4],
            live: true,
            pulled: Vec::new(),
            checkpoint: (Position(0), Timestamp(0), BTreeMap::new()),
        };
        world.command(Command::Start(Start { version: Text::from("test"), wall: Timestamp(0) }));
        world.install(0);
        world
    }

    fn now(&self) -> Now {
        Now { at: self.at, chance: self.log.len() as u64 }
    }

    fn id() -> SubscriptionId {
        SubscriptionId::parse("worker/tasks").expect("legal")
    }

    fn install(&mut self, order: u8) {
        self.install_with(definition(order));
    }

    fn install_with(&mut self, definition: Subscription) {
        self.command(Command::Install(Box::new(Install {
            hash: Text::from(format!("{definition:?}")),
            source: Text::from("test"),
            actor: Text::from("test"),
            topics: vec![(
                TopicName::parse("tasks").expect("legal"),
                Topic { declared: true, ..Topic::default() },
            )],
            agents: vec![(AgentName::parse("worker").expect("legal"), Agent::default())],
            subscriptions: vec![(Self::id(), definition, None)],
        })));
    }

    /// Applies the set with another order and a further topic.
    fn apply(&mut self, order: u8, dry_run: bool) {
        let topic = |name| TopicName::parse(name).expect("legal");
        let declared = || Topic { declared: true, ..Topic::default() };
        let install = Install {
            hash: Text::from(format!("applied {order}")),
            source: Text::from("api"),
            actor: Text::from("ops"),
            topics: vec![(topic("tasks"), declared()), (topic("applied"), declared())],
            agents: vec![(AgentName::parse("worker").expect("legal"), Agent::default())],
            subscriptions: vec![(Self::id(), definition(order), None)],
        };
        let apply = Apply { install, prune: true, expected: None, dry_run };
        self.command(Command::Apply(Box::new(apply)));
    }

    /// What people do is audited.
    fn audited(command: Command) -> Command {
        let by_people = matches!(
            command,
            Command::Apply(_)
                | Command::PauseSubscription { .. }
                | Command::ResumeSubscription { .. }
                | Command::Seek { .. }
                | Command::ReplayDeadLetter(_)
                | Command::ArchiveDeadLetter { .. }
                | Command::RestoreDeadLetter { .. }
                | Command::StartBulk(_)
                | Command::AbortBulk { .. }
        );
        if !by_people {
            return command;
        }
        let (actor, from) = (Text::from("token:ops"), Text::from("127.0.0.1"));
        let (action, target) = (Text::from("tests.do"), Text::default());
        Command::Audited(Box::new(Audited { actor, from, action, target, command }))
    }

    /// Steps a command, loading what it needs; None when it is refused.
    fn command(&mut self, command: Command) -> Option<Answer> {
        let command = Self::audited(command);
        let now = self.now();
        for _ in 0..4 {
            match self.coordinator.step(&command, now) {
                Ok(stepped) => {
                    let answer = stepped.answer.clone();
                    self.take(stepped);
                    return answer;
                }
                Err(Stop::Refused(_)) => return None,
                Err(Stop::Need(keys)) => self.load(keys),
                Err(stop) => panic!("{command:?} led to {stop:?}"),
            }
        }
        panic!("{command:?} asks for ever more")
    }

    fn load(&mut self, keys: Vec<Key>) {
        for key in keys {
            let Key::Event(position) = key else { panic!("{key:?} is in memory") };
            let found = self.log.iter().find(|recorded| recorded.position == position);
            let event = found.and_then(|recorded| match &recorded.fact {
                Fact::EventPublished(fact) => Some(fact.event.clone()),
                Fact::EventDeferred(fact) => Some(fact.event.clone()),
                Fact::DeadLetterOpened(fact) => Some(fact.event.clone()),
                Fact::DeadLetterEdited(fact) => Some(fact.event.clone()),
                _ => None,
            });
            self.coordinator.load(key, Loaded::Event(event));
        }
    }

    fn take(&mut self, stepped: Stepped) {
        self.log.extend(stepped.facts);
        if let Some(Answer::Pulled(pulled)) = stepped.answer {
            self.pulled.extend(pulled);
        }
        for effect in stepped.effects {
            match effect {
                Effect::Feed { lane, round, after, .. } => {
                    self.rounds[lane] = round;
                    if let Some(after) = after {
                        self.after[lane] = after;
                    }
                }
                Effect::AnswerPull { deliveries, .. } => self.pulled.extend(deliveries),
                Effect::Deliver(_) | Effect::Cancel { .. } => {}
            }
        }
    }

    fn feed(&mut self) {
        let definition =
            self.coordinator.state.subscription(&Self::id()).expect("declared").definition().clone();
        let number = self.coordinator.state.subscription_numbers[&Self::id()];
        let mut offers = Offers::default();
        let hidden = Hidden::of(&self.coordinator.state);
        for recorded in &self.log {
            let Fact::EventPublished(fact) = &recorded.fact else { continue };
            let lane = cantus_core::subscription::lanes::lane_of(&definition, fact.event.priority);
            let hidden = hidden.is_erased(recorded) || hidden.is_trimmed(&fact.event, recorded.position);
            if recorded.position > self.after[lane] && fact.only.is_none() && !hidden {
                offers.offers.push(Offer {
                    subscription: number,
                    round: self.rounds[lane],
                    position: recorded.position,
                    recorded_at: recorded.at,
                    event: fact.event.clone(),
                });
            }
        }
        let end = self.log.last().map_or(Position(0), |recorded| recorded.position);
        for lane in 0..4 {
            offers.fed.push((number, lane, self.rounds[lane], end));
            self.after[lane] = end;
        }
        let mut effects = Vec::new();
        self.coordinator.offer(offers, &mut effects);
        self.take(Stepped { effects, ..Stepped::default() });
    }

    /// Starts again from the log alone. What workers hold stays in their hands.
    fn restart(&mut self) {
        let mut state = fresh();
        for recorded in &self.log {
            state.apply(recorded).expect("a fact that was written can be applied");
        }
        self.coordinator = Coordinator::new(state, Limits::default());
        let effects = self.coordinator.owed();
        self.take(Stepped { effects, ..Stepped::default() });
    }

    /// Goes on until nothing more comes: everything that is pulled is acknowledged.
    fn drain(&mut self) {
        self.make(&Move::Pause(false));
        self.make(&Move::Release);
        for _ in 0..1_000 {
            self.make(&Move::Feed);
            self.make(&Move::Pull(3));
            if self.pulled.is_empty() {
                let Some(due) = self.coordinator.state.next_due() else { return };
                self.at = self.at.max(due);
                self.make(&Move::Feed);
            }
            self.make(&Move::Ack(0));
        }
        panic!("deliveries never end");
    }

    fn turn(&mut self) {
        let now = self.now();
        let mut stepped = Stepped::default();
        loop {
            match self.coordinator.fire(now, 1_000, &mut stepped) {
                Ok(_) => break,
                Err(Stop::Need(keys)) => {
                    self.log.append(&mut stepped.facts);
                    self.load(keys);
                }
                Err(stop) => panic!("a timer led to {stop:?}"),
            }
        }
        self.coordinator.dispatch(now, 100, &mut stepped).expect("leases can be given");
        self.take(stepped);
    }

    fn make(&mut self, what: &Move) {
        match what {
            Move::Publish { id, key, priority, stream, later } => {
                let due = later.then(|| self.at.after(Span::seconds(30)));
                let event = event(*id, *key, *priority, *stream, due);
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
            Move::Feed => self.feed(),
            Move::Pull(max) => {
                let pull = Pull { subscription: Self::id(), max: usize::from(*max), waiter: None };
                self.command(Command::Pull(pull));
            }
            Move::Ack(which) => self.answer(*which, None),
            Move::Nack(which, last) => {
                let class = if *last { Class::Rejected } else { Class::Timeout };
                self.answer(*which, Some(class));
            }
            Move::Pass(ms) => self.at = self.at.after(Span(u64::from(*ms))),
            Move::Pause(true) => {
                let until = Some(self.at.after(Span::minutes(1)));
                let (reason, actor) = (None, Text::from("test"));
                self.command(Command::PauseSubscription { id: Self::id(), reason, until, actor });
            }
            Move::Pause(false) => {
                self.command(Command::ResumeSubscription { id: Self::id(), actor: Text::from("test") });
            }
            Move::Seek(share) => {
                let after = Position(self.log.len() as u64 * u64::from(*share) / 255);
                let actor = Text::from("test");
                self.command(Command::Seek { id: Self::id(), after, dry_run: false, actor });
            }
            Move::Replay => {
                let Some(dead) = self.coordinator.state.dead_letters.values().next().cloned() else { return };
                let replay = ReplayDeadLetter {
                    id: dead.id,
                    seen_edit: None,
                    to: None,
                    publish: None,
                    to_topic: false,
                    event: event(0, None, 2, false, None),
                    recorded_at: dead.opened_at,
                    actor: Text::from("test"),
                    note: None,
                };
                self.command(Command::ReplayDeadLetter(Box::new(replay)));
            }
            Move::Archive => {
                let ids: Vec<_> = self.coordinator.state.dead_letters.keys().copied().collect();
                for id in ids {
                    let (note, actor) = (Text::from("away"), Text::from("test"));
                    self.command(Command::ArchiveDeadLetter { id, note, actor });
                }
            }
            Move::Restore => {
                let ids: Vec<_> = self.coordinator.state.dead_letters.keys().copied().collect();
                for id in ids {
                    self.command(Command::RestoreDeadLetter { id, note: None, actor: Text::from("test") });
                }
            }
            Move::Flow(bits) => self.install_with(flowing(*bits)),
            Move::Push(true) => self.install_with(actions::pushed()),
            Move::Push(false) => self.install(0),
            Move::Release => {
                let ids: Vec<_> = self.coordinator.state.dead_letters.keys().copied().collect();
                for id in ids {
                    self.command(Command::ReleaseKey { id, note: None, actor: Text::from("test") });
                }
            }
            Move::Reset => {
                self.command(Command::ResetBreaker { id: Self::id(), actor: Text::from("test") });
            }
            Move::Redeclare(order) => self.install(*order),
            Move::Apply(order, dry_run) => self.apply(*order, *dry_run),
            Move::Trim { share, forced } => self.trim(*share, *forced),
            Move::Erase(which) => self.erase(*which),
            Move::Bulk(action, batch) => {
                let (items, batch) = (self.bulk_items(*action), u32::from(*batch));
                self.start_bulk(*action, items, Pace { batch, rest: Span(700) });
            }
            Move::Abort => {
                let id = self.coordinator.state.bulk_items.keys().next().copied();
                if let Some(id) = id {
                    self.command(Command::AbortBulk { id, reason: None, actor: Text::from("test") });
                }
            }
            Move::Checkpoint => self.coordinator.state.begin_checkpoint(),
        }
        self.turn();
        // One row per turn: the checkpoint takes many turns, and rows change before their turn comes.
        if let Some((reached, at, rows)) = self.coordinator.state.step_checkpoint(1) {
            for (key, row) in rows {
                match row {
                    Some(row) => self.checkpoint.2.insert(key, row),
                    None => self.checkpoint.2.remove(&key),
                };
            }
            (self.checkpoint.0, self.checkpoint.1) = (reached, at);
        }
        self.live = true;
    }

    fn events(&self) -> Vec<(Position, Arc<Event>)> {
        let published = self.log.iter().filter_map(|recorded| match &recorded.fact {
            Fact::EventPublished(fact) => Some((recorded.position, fact.event.clone())),
            _ => None,
        });
        published.collect()
    }

    /// Lets the oldest share of the events go.
    fn trim(&mut self, share: u8, forced: bool) {
        let name = TopicName::parse("tasks").expect("legal");
        let before = self.coordinator.state.topics[&name].trimmed.unwrap_or_default();
        let through = Position(self.log.len() as u64 * u64::from(share) / 255);
        let state = &self.coordinator.state;
        let here = |position: &Position| *position > before && !state.erased.contains_key(position);
        let events = self.events();
        let going = events.iter().filter(|(position, _)| *position <= through && here(position)).count();
        let first = events.iter().map(|(position, _)| *position).find(|it| *it > through && here(it));
        self.command(Command::Trim(Trim {
            topic: name,
            through: Some(through),
            compacted: None,
            events: going as u64,
            bytes: 0,
            first,
            forced,
        }));
    }

    fn erase(&mut self, which: u8) {
        let events = self.events();
        if events.is_empty() {
            return;
        }
        let (position, event) = events[usize::from(which) % events.len()].clone();
        let item = ErasedEvent {
            position,
            id: hash::of(&event.id),
            story: hash::of(&event.correlation_id),
            topic: event.topic.clone(),
            bytes: 0,
            deferred: false,
        };
        let (reason, actor) = (Text::from("asked for"), Text::from("test"));
        self.command(Command::EraseEvents(Box::new(EraseEvents { items: vec![item], reason, actor })));
        self.pulled.retain(|pulled| pulled.delivery.position != position);
    }

    /// All dead letters, or all deliveries that there ever were: also such that have nothing to do with the action.
    fn bulk_items(&self, action: bulk_operation::Action) -> Items {
        if action.is_for_dead_letters() {
            return Items::DeadLetters(self.coordinator.state.dead_letters.keys().copied().collect());
        }
        let subscription = self.coordinator.state.subscription_numbers[&Self::id()];
        let published = self.log.iter().filter(|it| matches!(it.fact, Fact::EventPublished(_)));
        let id = |it: &Recorded| DeliveryId { subscription, position: it.position, generation: 0 };
        let open = self.coordinator.state.subscriptions[&subscription].open.keys();
        let open = open.map(|(position, generation)| {
            let (position, generation) = (*position, *generation);
            DeliveryId { subscription, position, generation }
        });
        Items::Deliveries(published.map(id).chain(open).collect())
    }

    fn start_bulk(&mut self, action: bulk_operation::Action, items: Items, pace: Pace) -> Option<Answer> {
        self.command(Command::StartBulk(Box::new(StartBulk {
            action,
            items,
            pace,
            filter: Text::from("{}"),
            as_of: self.at,
            hash: Text::default(),
            actor: Text::from("ops"),
            reason: Text::from("repair"),
        })))
    }

    fn answer(&mut self, which: u8, class: Option<Class>) {
        if self.pulled.is_empty() {
            return;
        }
        let pulled = self.pulled.remove(usize::from(which) % self.pulled.len());
        let outcome = match class {
            None => Outcome::Ack(Ok(Box::new(Publish {
                events: Vec::new(),
                expected_revision: None,
                auto_create: false,
                actor: Text::from("test"),
                agent: None,
                idempotency: None,
            }))),
            Some(class) => Outcome::Nack(Failure {
                class,
                message: Text::from("no"),
                exit_code: None,
                status: None,
                output_tail: None,
                delay: None,
                refusal: None,
            }),
        };
        self.command(Command::Settle(Box::new(Settle {
            delivery: pulled.delivery,
            token: pulled.token,
            outcome,
            event: None,
            on_failure: None,
            refusal_fails: false,
            actor: Text::from("/worker"),
        })));
    }
}

/// All rows of a state.
fn rows(state: &mut State, before: BTreeMap<Key, Vec<u8>>) -> BTreeMap<Key, Vec<u8>> {
    let mut rows = before;
    while state.step_checkpoint(usize::MAX).is_some() {}
    state.begin_checkpoint();
    let (.., changed) = state.step_checkpoint(usize::MAX).expect("it is complete");
    for (key, row) in changed {
        match row {
            Some(row) => rows.insert(key, row),
            None => rows.remove(&key),
        };
    }
    rows
}

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
