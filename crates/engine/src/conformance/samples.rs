//! One fact of every kind with every field set, and those that may say less once more with as little as they may.
//!
//! These are also what the fixture of facts holds; a new kind or field is added here, and what is here is not changed.

use std::sync::Arc;

use cantus_core::agent::{Agent, AgentName, AgentPattern, Origin};
use cantus_core::audit::Digest;
use cantus_core::bulk_operation::{self, Items, Pace};
use cantus_core::event::{Data, Event, Extension, Form, Kind, Payload, Priority};
use cantus_core::fact::*;
use cantus_core::ids::{BulkId, DeadLetterId, DeliveryId, Token};
use cantus_core::subscription::retry::{Backoff, Class, Failure, Policy, Reason};
use cantus_core::subscription::{
    Action, AfterDeadLetter, Attempt, AttemptOutcome, ExecAction, Feed, OnSuccess, Order, PauseAction, Place,
    Produced, PublishAction, Sandbox, Subscription, SubscriptionId, Until,
};
use cantus_core::topic::{Pattern, Schema, Topic, TopicName, Validation};
use cantus_core::{Position, Span, Text, Timestamp};

fn text(text: &str) -> Text {
    Text::from(text)
}

fn some(text: &str) -> Option<Text> {
    Some(Text::from(text))
}

fn agent(name: &str) -> AgentName {
    AgentName::parse(name).expect("the samples' names are legal")
}

fn agents(pattern: &str) -> AgentPattern {
    AgentPattern::parse(pattern).expect("the samples' names are legal")
}

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).expect("the samples' names are legal")
}

fn topics(pattern: &str) -> Pattern {
    Pattern::parse(pattern).expect("the samples' names are legal")
}

const NOON: Timestamp = Timestamp(1_795_000_000_123);

fn later(ms: i64) -> Timestamp {
    Timestamp(NOON.0 + ms)
}

fn json(body: &str) -> Option<Data> {
    Some(Data { form: Form::Json, bytes: Payload(body.as_bytes().to_vec().into()) })
}

/// Returns an event that says no more than it must: it starts its own story, and has no data.
pub fn plain_event(id: &str, topic_name: &str, event_type: &str) -> Event {
    let time = text("2026-11-18T11:06:40.123Z");
    Event::new(text(id), text("/product-owner"), text(event_type), topic(topic_name), time)
}

/// Returns an event with every field set.
pub fn full_event(id: &str) -> Event {
    Event {
        id: text(id),
        source: text("https://github.com/cantus-events/cantus"),
        event_type: text("BackendImplementationCompleted"),
        topic: topic("project.tasks"),
        correlation_id: text("project-xyz-123"),
        causation_id: some("evt_01JQ7ZK4M6"),
        hops: 63,
        subject: some("task/42 – Übergabe 漢字 🎼"),
        time: text("2026-11-18T13:06:40.123456789+02:00"),
        kind: Kind::Command,
        version: some("2.1"),
        to: Some(agent("/test-engineer")),
        partition_key: some("project-xyz"),
        priority: Priority::Critical,
        stream: some("task/42"),
        expires_at: Some(later(86_400_000)),
        deliver_at: Some(later(60_000)),
        data_schema: some("https://example.com/schemas/task.json#/v2"),
        content_type: some("application/vnd.example+json; charset=utf-8"),
        trace_parent: some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        trace_state: some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        extensions: vec![
            Extension { name: text("severity"), json: text("\"high\"") },
            Extension { name: text("retries"), json: text("3") },
            Extension { name: text("event.x-unknown"), json: text("{\"kept\": [1, 2.50, null]}") },
        ],
        data: json("{\"task_id\":\"T1\", \"cost\":1e400, \"twice\":1,\"twice\":2}"),
    }
}

fn delivery(subscription: u32, position: u64, generation: u16) -> DeliveryId {
    DeliveryId { subscription, position: Position(position), generation }
}

fn dead_letter(position: u64) -> DeadLetterId {
    DeadLetterId(Position(position))
}

const TOKEN: Token = Token { epoch: 7, secret: 0xfedc_ba98_7654_3210 };
const STORY: u64 = 0x0123_4567_89ab_cdef;

fn failure() -> Failure {
    Failure {
        class: Class::InvalidPayload,
        message: text("`estimated_rows` must be a number"),
        exit_code: Some(65),
        status: Some(422),
        output_tail: some("line 1\nline 2\n"),
        delay: Some(Span::seconds(90)),
        refusal: some("SCHEMA_VIOLATION"),
    }
}

fn attempt(number: u32, outcome: AttemptOutcome, class: Option<Class>) -> Attempt {
    Attempt {
        number,
        at: later(i64::from(number) * 1_000),
        ended: later(i64::from(number) * 1_000 + 250),
        outcome,
        failure: class.map(|class| Failure {
            class,
            message: text("it did not work"),
            exit_code: None,
            status: None,
            output_tail: None,
            delay: None,
            refusal: None,
        }),
        next_at: None,
    }
}

/// One attempt of every class, and one of every outcome.
fn attempts() -> Vec<Attempt> {
    let mut attempts: Vec<Attempt> = (1..)
        .zip(Class::ALL)
        .map(|(number, class)| attempt(number, AttemptOutcome::Failed, Some(class)))
        .collect();
    attempts.push(attempt(9, AttemptOutcome::LeaseEnded, Some(Class::Timeout)));
    attempts.push(attempt(10, AttemptOutcome::Late, None));
    attempts.push(attempt(11, AttemptOutcome::Acked, None));
    attempts.push(Attempt {
        failure: Some(failure()),
        next_at: Some(later(30_000)),
        ..attempt(12, AttemptOutcome::Failed, None)
    });
    attempts
}

fn exec() -> Subscription {
    Subscription {
        topics: vec![topics("project.tasks"), topics("audit.*")],
        filter: some("{\"type\":\"UserStoryApproved\"}"),
        action: Action::Exec(Box::new(ExecAction {
            argv: vec![text("./agents/backend-architect.sh"), text("--strict")],
            cwd: some("/srv/agents"),
            env: vec![(text("LANG"), text("C.UTF-8"))],
            pass_env: vec![text("ANTHROPIC_API_KEY")],
            stdin: Feed::Prompt,
            prompt: some("Review {{data.diff_url}}"),
            timeout: Span::minutes(30),
            on_success: Some(OnSuccess {
                event_type: text("ReviewCompleted"),
                topic: Some(topic("project.reviews")),
                data: Produced::StdoutJson,
            }),
            sandbox: Sandbox::Strict,
            confinement: None,
        })),
        retry: Policy {
            max_retries: 5,
            backoff: Backoff::Linear,
            initial_delay: Span(1_500),
            max_delay: Span::seconds(45),
            retry_on: vec![text("timeout"), text("exit:75")],
            no_retry_on: vec![text("http:503")],
            multiplier_thousandths: 2_500,
            jitter_thousandths: 100,
        },
        concurrency: 4,
        max_in_flight: 64,
        order: Order::Topic,
        after_dead_letter: AfterDeadLetter::HoldKey,
        lease: Span::minutes(5),
        from: Place::Time(NOON),
        renamed_from: some("old-name"),
        origin: Origin::File,
        breaker: None,
        rate: None,
        max_lifetime: None,
        on_start: None,
        on_failure: None,
    }
}

fn subscription(action: Action, order: Order, from: Place) -> Subscription {
    Subscription {
        topics: vec![topics("*")],
        filter: None,
        action,
        retry: Policy::default(),
        concurrency: 256,
        max_in_flight: 1_000,
        order,
        after_dead_letter: AfterDeadLetter::Continue,
        lease: Span::seconds(30),
        from,
        renamed_from: None,
        origin: Origin::Api,
        breaker: None,
        rate: None,
        max_lifetime: None,
        on_start: None,
        on_failure: None,
    }
}

fn declared(number: u32, name: &str, definition: Subscription) -> Fact {
    let id = SubscriptionId::new("/backend-architect", name).expect("the samples' names are legal");
    SubscriptionDeclared {
        number,
        id,
        definition,
        after: Position(u64::from(number)),
        actor: text("file:cantus.yaml"),
    }
    .into()
}

/// Returns the samples: those that version 1 began with in the order of their numbers, then those that came later.
pub fn facts() -> Vec<Fact> {
    [
        first_facts(),
        retention(),
        bulk(),
        audit(),
        super::flow_samples::facts(),
        super::webhook_samples::facts(),
    ]
    .concat()
}

/// Returns the samples of the facts, and the fields, that version 1 began with.
pub fn first_facts() -> Vec<Fact> {
    [events(), definitions(), pauses(), deliveries(), dead_letters(), node()].concat()
}

/// Returns the facts of retention, erasure and gaps.
pub fn retention() -> Vec<Fact> {
    let topic = TopicName::parse("project.tasks").expect("a legal name");
    let erased = ErasedEvent {
        position: Position(7),
        id: u64::MAX,
        story: 12,
        topic: topic.clone(),
        bytes: 512,
        deferred: true,
    };
    let later = ErasedEvent { position: Position(9), deferred: false, ..erased.clone() };
    vec![
        EventsExpired { number: 3, from: Position(10), to: Position(20), topic: topic.clone() }.into(),
        TopicTrimmed {
            topic,
            through: Some(Position(20)),
            compacted: Some(Position(18)),
            events: 11,
            bytes: 4_096,
            first: Some(Position(21)),
        }
        .into(),
        EventsErased { items: vec![erased, later], reason: text("asked for"), actor: text("operator") }
            .into(),
        ErasureAdvanced { erasure: Position(30), stage: ErasureStage::Based }.into(),
        GapDeclared {
            from: Position(40),
            to: Position(49),
            reason: text("bytes changed"),
            orphans: 2,
            actor: text("/cantus/recovery"),
        }
        .into(),
    ]
}

fn events() -> Vec<Fact> {
    let binary = Event {
        kind: Kind::Query,
        priority: Priority::High,
        data: Some(Data { form: Form::Binary, bytes: Payload(vec![0, 255, 128, 10].into()) }),
        ..plain_event("evt_binary", "raw", "Measured")
    };
    let words = Event {
        kind: Kind::Notification,
        priority: Priority::Low,
        data: Some(Data { form: Form::Text, bytes: Payload("plain text\n".as_bytes().to_vec().into()) }),
        // Longer than what a frame's dictionary takes.
        partition_key: some(&"k".repeat(300)),
        ..plain_event("evt_text", "raw", "Said")
    };
    let published = |event: Event| EventPublished {
        event: Arc::new(event),
        actor: text("anonymous@127.0.0.1"),
        content: u64::MAX,
        revision: None,
        only: None,
        answers: None,
        deferred_at: None,
    };
    vec![
        published(plain_event("evt_plain", "project.tasks", "UserStoryApproved")).into(),
        published(binary).into(),
        published(words).into(),
        EventPublished {
            revision: Some(42),
            only: Some(3),
            answers: Some(delivery(3, 1_000, 1)),
            deferred_at: Some(Position(999)),
            ..published(full_event("evt_full"))
        }
        .into(),
        EventDeferred {
            event: Arc::new(full_event("evt_deferred")),
            actor: text("token:ci"),
            content: 1,
            answers: Some(delivery(3, 1_001, 0)),
        }
        .into(),
        RequestAnswered {
            key_high: u64::MAX,
            key_low: 2,
            fingerprint: 3,
            receipts: vec![
                Receipt {
                    id: text("evt_full"),
                    source: text("/product-owner"),
                    topic: text("project.tasks"),
                    position: Position(4),
                    correlation_id: text("project-xyz-123"),
                    duplicate: true,
                    revision: Some(42),
                    warnings: vec![text("/cost must be a number")],
                },
                Receipt {
                    id: text("evt_plain"),
                    source: text(""),
                    topic: text("project.tasks"),
                    position: Position(1),
                    correlation_id: text("evt_plain"),
                    duplicate: false,
                    revision: None,
                    warnings: Vec::new(),
                },
            ],
        }
        .into(),
        EventLost { deferred_at: Position(5), event_id: text("evt_deferred"), topic: text("project.tasks") }
            .into(),
    ]
}

fn definitions() -> Vec<Fact> {
    let full_topic = Topic {
        description: some("All task events"),
        schemas: vec![Schema { event_type: text("TaskCompleted"), json: text("{\"type\":\"object\"}") }],
        validation: Validation::Warn,
        publishers: vec![agents("/team-*")],
        subscribers: vec![agents("/*")],
        retain_age: Some(Span::hours(720)),
        retain_bytes: Some(1 << 40),
        compact: true,
        dedupe_ids: Some(10_000_000),
        dedupe_age: Some(Span::hours(48)),
        declared: true,
        origin: None,
    };
    let full_agent = Agent {
        description: some("Designs interfaces"),
        publishes: vec![text("APIDesignStarted"), text("APIDesignCompleted")],
        handles: vec![text("DesignAPI")],
        prompt: some("You are an architect.\n"),
        origin: Origin::Api,
    };
    let route = Action::Publish(PublishAction {
        event_type: some("'Routed'"),
        topic: some("'project.reviews'"),
        data: some("data.task"),
    });
    let pause = |until| Action::Pause(PauseAction { agents: vec![agents("/*")], until });
    let actor = text("token:ci");
    vec![
        TopicDeclared { name: topic("project.tasks"), definition: full_topic, actor: actor.clone() }.into(),
        TopicDeclared { name: topic("raw"), definition: Topic::default(), actor: actor.clone() }.into(),
        TopicRemoved { name: topic("raw"), actor: actor.clone() }.into(),
        AgentDeclared { name: agent("/backend-architect"), definition: full_agent, actor: actor.clone() }
            .into(),
        AgentDeclared { name: agent("/plain"), definition: Agent::default(), actor: actor.clone() }.into(),
        AgentRemoved { name: agent("/plain"), actor: actor.clone() }.into(),
        AgentSeen { name: agent("/backend-architect") }.into(),
        declared(1, "tasks", exec()),
        declared(2, "inbox", subscription(Action::Inbox, Order::Key, Place::End)),
        declared(3, "route", subscription(route, Order::None, Place::Start)),
        declared(
            4,
            "pause",
            subscription(pause(Until::After(Span::minutes(10))), Order::Key, Place::After(Position(9))),
        ),
        declared(
            5,
            "hold",
            subscription(pause(Until::Event(text("{\"type\":\"AlertResolved\"}"))), Order::Key, Place::End),
        ),
        SubscriptionRemoved { number: 5, actor: actor.clone() }.into(),
        DefinitionsInstalled {
            hash: text("b3a1c2d4"),
            source: text("cantus.yaml"),
            actor,
            changes: (3, 2, 1),
        }
        .into(),
    ]
}

fn pauses() -> Vec<Fact> {
    let actor = text("token:ops");
    vec![
        SubscriptionPaused {
            number: 1,
            reason: some("the model is down"),
            until: Some(later(600_000)),
            actor: actor.clone(),
        }
        .into(),
        SubscriptionPaused { number: 2, reason: None, until: None, actor: actor.clone() }.into(),
        SubscriptionResumed { number: 1, actor: actor.clone() }.into(),
        SubscriptionSought { number: 2, after: Position(0), actor: actor.clone() }.into(),
        AgentsPaused {
            cause: Some(delivery(4, 20, 0)),
            agents: vec![agents("/*"), agents("/team-*")],
            until: Some(later(600_000)),
            until_event: some("{\"type\":\"AlertResolved\"}"),
            topics: vec![topics("project.alerts")],
            by: text("/guard"),
            reason: None,
        }
        .into(),
        AgentsPaused {
            cause: None,
            agents: vec![agents("/plain")],
            until: None,
            until_event: None,
            topics: Vec::new(),
            by: text(""),
            reason: None,
        }
        .into(),
        AgentsResumed { pause: Position(33), actor }.into(),
    ]
}

fn deliveries() -> Vec<Fact> {
    let id = delivery(70_000, 9_876_543_210, 3);
    let actor = some("/backend-architect");
    vec![
        DeliveryLeased {
            delivery: id,
            token: TOKEN,
            deadline: Timestamp::NEVER,
            attempt: 2,
            priority: Priority::Low,
            key: Some(u64::MAX),
            story: STORY,
            recorded_at: NOON,
            own_key: None,
            expires_at: None,
            probe: None,
        }
        .into(),
        DeliveryExtended { delivery: id, deadline: later(30_000) }.into(),
        DeliveryAcked { delivery: id, story: STORY, attempt: 2, began: NOON, actor: actor.clone() }.into(),
        DeliveryFailed {
            delivery: id,
            story: STORY,
            attempt: attempts()[11].clone(),
            actor: None,
            unspent: None,
        }
        .into(),
        DeliveryAnsweredLate {
            delivery: id,
            story: STORY,
            token: TOKEN,
            said: text("ack"),
            events: some("{\"type\":\"TooLate\"}\n"),
            actor,
        }
        .into(),
        DeliveryExpired { delivery: id, priority: Priority::High, story: STORY }.into(),
        DeliveryParked {
            delivery: id,
            priority: Priority::Critical,
            key: None,
            story: STORY,
            recorded_at: Timestamp(-1),
            own_key: None,
            expires_at: None,
        }
        .into(),
        CursorMoved { number: 2, floors: [Position(0), Position(1), Position(2), Position(u64::MAX)] }.into(),
    ]
}

fn dead_letters() -> Vec<Fact> {
    let opened = |reason, reopens| DeadLetterOpened {
        delivery: delivery(1, 4, 0),
        event: Arc::new(full_event("evt_full")),
        reason,
        attempts: attempts(),
        fingerprint: text("9f8e7d6c5b4a3210"),
        reopens,
        holds: None,
    };
    let actor = text("token:ops");
    vec![
        opened(Reason::NotRetried, None).into(),
        opened(Reason::AttemptsSpent, Some(dead_letter(50))).into(),
        opened(Reason::LoopDetected, None).into(),
        opened(Reason::Unreadable, None).into(),
        DeadLetterEdited {
            id: dead_letter(50),
            data: json("{\"estimated_rows\":5}"),
            attributes: vec![(text("subject"), some("\"task/43\"")), (text("severity"), None)],
            actor: actor.clone(),
            note: some("the number was missing"),
            event: Arc::new(full_event("evt_edited")),
        }
        .into(),
        DeadLetterReplayed {
            id: dead_letter(50),
            delivery: Some(delivery(1, 4, 1)),
            event_id: some("evt_edited"),
            priority: Priority::Critical,
            key: Some(1),
            story: STORY,
            recorded_at: NOON,
            actor: actor.clone(),
            note: some("again"),
            own_key: None,
        }
        .into(),
        DeadLetterResolved { id: dead_letter(50), delivery: Some(delivery(1, 4, 1)) }.into(),
        DeadLetterResolved { id: dead_letter(51), delivery: None }.into(),
        DeadLetterArchived { id: dead_letter(52), note: text("known, harmless"), actor: actor.clone() }
            .into(),
        DeadLetterRestored { id: dead_letter(52), actor, note: None }.into(),
    ]
}

/// Returns the facts of bulk operations.
pub fn bulk() -> Vec<Fact> {
    let (ops, pace) = (text("token:ops"), Pace { batch: 3, rest: Span(10) });
    let id = BulkId(Position(70));
    let started = |action, items| BulkStarted {
        action,
        items,
        pace,
        filter: text("{\"fingerprint\":\"timeout|coder/tasks\"}"),
        as_of: NOON,
        hash: text("0f1e2d3c4b5a69788796a5b4c3d2e1f0"),
        actor: ops.clone(),
        reason: text("the shop is back"),
    };
    let progressed = |outcome, why| BulkProgressed { id, item: 2, outcome, why, next_at: later(10) };
    let letters = || Items::DeadLetters(vec![dead_letter(50), dead_letter(51)]);
    let deliveries = || Items::Deliveries(vec![delivery(1, 4, 0), delivery(1, 9, 1)]);
    vec![
        started(bulk_operation::Action::Replay, letters()).into(),
        started(bulk_operation::Action::Archive, letters()).into(),
        started(bulk_operation::Action::Restore, letters()).into(),
        started(bulk_operation::Action::Retry, deliveries()).into(),
        started(bulk_operation::Action::GiveUp, deliveries()).into(),
        progressed(bulk_operation::Outcome::Done, None).into(),
        progressed(bulk_operation::Outcome::Skipped, some("it moved")).into(),
        progressed(bulk_operation::Outcome::Failed, some("it can not be")).into(),
        BulkEnded { id, by: None, reason: None }.into(),
        BulkEnded { id, by: Some(ops.clone()), reason: some("wrong group") }.into(),
        DeliveryHastened { delivery: delivery(1, 4, 0), story: STORY, actor: ops.clone() }.into(),
        DeliveryGivenUp {
            delivery: delivery(1, 9, 1),
            priority: Priority::High,
            key: Some(1),
            story: STORY,
            recorded_at: Some(NOON),
            actor: ops,
            note: text("too late by now"),
        }
        .into(),
    ]
}

fn node() -> Vec<Fact> {
    vec![
        NodeStarted { epoch: 8, version: text("0.1.0"), wall: NOON }.into(),
        ClockJumped { by_ms: -3_600_000, wall: NOON }.into(),
    ]
}

/// Returns the facts of the audit, and of definitions that were applied at run time.
pub fn audit() -> Vec<Fact> {
    let applied = Topic { declared: true, origin: Some(Origin::Applied), ..Topic::default() };
    vec![
        TopicDeclared { name: topic("project.tasks"), definition: applied, actor: text("token:ops") }.into(),
        CallAudited {
            number: 2,
            at: NOON,
            actor: text("token:ops"),
            from: text("10.0.0.9"),
            action: text("definitions.create"),
            target: text(""),
            before: text("{\"topic project.tasks\":null}"),
            after: text("{\"topic project.tasks\":{\"hash\":\"00\"}}"),
            facts: 1,
            previous: Some(Position(7)),
            previous_hash: Digest([1; 32]),
            hash: Digest([2; 32]),
        }
        .into(),
    ]
}
