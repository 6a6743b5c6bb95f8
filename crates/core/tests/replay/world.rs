//! A world to try things in: a coordinator, its log, its checkpoint, a feeder and workers, and what may be done to it.

use super::*;

#[derive(Clone, Debug)]
pub(super) enum Move {
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

pub(super) fn moves() -> impl Strategy<Value = Move> {
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

pub(super) fn bulk_action() -> impl Strategy<Value = bulk_operation::Action> {
    use bulk_operation::Action;
    prop_oneof![
        Just(Action::Replay),
        Just(Action::Archive),
        Just(Action::Restore),
        Just(Action::Retry),
        Just(Action::GiveUp),
    ]
}

pub(super) fn definition(order: u8) -> Subscription {
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
pub(super) fn flowing(bits: u8) -> Subscription {
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

pub(super) fn event(
    id: u8,
    key: Option<u8>,
    priority: u8,
    stream: bool,
    deliver_at: Option<Timestamp>,
) -> Arc<Event> {
    let id = Text::from(format!("e{id}"));
    let (source, event_type) = (Text::from("/publisher"), Text::from("Happened"));
    let (topic, time) = (TopicName::parse("tasks").expect("legal"), Text::from("2026-01-01T00:00:00Z"));
    Arc::new(Event {
        partition_key: key.map(|key| Text::from(format!("k{key}"))),
        priority: Priority::ALL[usize::from(priority)],
        stream: stream.then(|| Text::from("s")),
        deliver_at,
        ..Event::new(id, source, event_type, topic, time)
    })
}

/// A state of which every stream is in memory.
pub(super) fn fresh() -> State {
    let mut state = State::default();
    state.streams_complete = true;
    state
}

/// A coordinator with a log, a feeder and a checkpoint, all as plain as can be.
pub(super) struct World {
    pub(super) coordinator: Coordinator,
    pub(super) log: Vec<Recorded>,
    pub(super) at: Timestamp,
    pub(super) rounds: [u32; 4],
    pub(super) after: [Position; 4],
    pub(super) live: bool,
    pub(super) pulled: Vec<Pulled>,
    /// The last complete checkpoint: rows as of a position.
    pub(super) checkpoint: (Position, Timestamp, BTreeMap<Key, Vec<u8>>),
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(super) fn with(limits: Limits) -> Self {
        let mut world = World {
            coordinator: Coordinator::new(fresh(), limits),
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

    pub(super) fn now(&self) -> Now {
        Now { at: self.at, chance: self.log.len() as u64 }
    }

    pub(super) fn id() -> SubscriptionId {
        SubscriptionId::parse("worker/tasks").expect("legal")
    }

    pub(super) fn install(&mut self, order: u8) {
        self.install_with(definition(order));
    }

    pub(super) fn install_with(&mut self, definition: Subscription) {
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
    pub(super) fn apply(&mut self, order: u8, dry_run: bool) {
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
    pub(super) fn audited(command: Command) -> Command {
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
    pub(super) fn command(&mut self, command: Command) -> Option<Answer> {
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

    pub(super) fn load(&mut self, keys: Vec<Key>) {
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

    pub(super) fn take(&mut self, stepped: Stepped) {
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

    pub(super) fn feed(&mut self) {
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
    pub(super) fn restart(&mut self) {
        let mut state = fresh();
        for recorded in &self.log {
            state.apply(recorded).expect("a fact that was written can be applied");
        }
        self.coordinator = Coordinator::new(state, self.coordinator.limits().clone());
        let effects = self.coordinator.owed();
        self.take(Stepped { effects, ..Stepped::default() });
    }

    /// Goes on until nothing more comes: everything that is pulled is acknowledged.
    pub(super) fn drain(&mut self) {
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

    pub(super) fn turn(&mut self) {
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

    pub(super) fn make(&mut self, what: &Move) {
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

    pub(super) fn events(&self) -> Vec<(Position, Arc<Event>)> {
        let published = self.log.iter().filter_map(|recorded| match &recorded.fact {
            Fact::EventPublished(fact) => Some((recorded.position, fact.event.clone())),
            _ => None,
        });
        published.collect()
    }

    /// Lets the oldest share of the events go.
    pub(super) fn trim(&mut self, share: u8, forced: bool) {
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

    pub(super) fn erase(&mut self, which: u8) {
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
    pub(super) fn bulk_items(&self, action: bulk_operation::Action) -> Items {
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

    pub(super) fn start_bulk(
        &mut self,
        action: bulk_operation::Action,
        items: Items,
        pace: Pace,
    ) -> Option<Answer> {
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

    pub(super) fn answer(&mut self, which: u8, class: Option<Class>) {
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
pub(super) fn rows(state: &mut State, before: BTreeMap<Key, Vec<u8>>) -> BTreeMap<Key, Vec<u8>> {
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
