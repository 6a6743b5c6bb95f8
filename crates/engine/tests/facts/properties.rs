//! Whatever an event says, it says the same after it was written, synced, and read by the next start.

use std::sync::Arc;

use cantus_core::agent::AgentName;
use cantus_core::event::{Data, Event, Extension, Form, Kind, Payload, Priority};
use cantus_core::fact::{DeadLetterOpened, EventDeferred, EventPublished, Fact, UnreadableFact};
use cantus_core::ids::DeliveryId;
use cantus_core::subscription::retry::Reason;
use cantus_core::topic::TopicName;
use cantus_core::{Position, Text, Timestamp};
use cantus_engine::conformance::samples;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{open, read_all, recorded};

// Boxed, because a strategy of so many fields is a type too large for the stack of a test.

/// Text of any characters. Some repeat, so that they become words of the frame; some are too long for that.
fn any_text() -> BoxedStrategy<Text> {
    prop_oneof![
        4 => "\\PC{0,20}".prop_map(Text::from),
        3 => prop_oneof![Just("project.tasks"), Just("/backend-architect"), Just("")].prop_map(Text::from),
        1 => (250usize..400).prop_map(|length| Text::from("é".repeat(length))),
        1 => any::<String>().prop_map(Text::from),
    ]
    .boxed()
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), 0..2_000_000_000_000i64].prop_map(Timestamp)
}

fn any_data() -> impl Strategy<Value = Data> {
    let form = prop_oneof![Just(Form::Json), Just(Form::Text), Just(Form::Binary)];
    (form, vec(any::<u8>(), 0..300)).prop_map(|(form, bytes)| Data { form, bytes: Payload(bytes.into()) })
}

prop_compose! {
    fn any_address()(name in "/[A-Za-z0-9_-]{1,128}") -> AgentName {
        AgentName::parse(&name).expect("the pattern gives legal names")
    }
}

prop_compose! {
    fn any_topic()(name in "[A-Za-z0-9_-]{1,200}") -> TopicName {
        TopicName::parse(&name).expect("the pattern gives legal names")
    }
}

prop_compose! {
    fn any_extension()(name in any_text(), json in any_text()) -> Extension {
        Extension { name, json }
    }
}

prop_compose! {
    fn any_identity()(
        id in any_text(),
        source in any_text(),
        event_type in any_text(),
        topic in any_topic(),
        correlation_id in option::of(any_text()),
        causation_id in option::of(any_text()),
        hops in prop_oneof![Just(0), any::<u32>()],
        subject in option::of(any_text()),
        time in any_text(),
    ) -> Event {
        // One in two starts its own story.
        let correlation_id = correlation_id.unwrap_or_else(|| id.clone());
        let plain = samples::plain_event("id", "topic", "Type");
        Event { id, source, event_type, topic, correlation_id, causation_id, hops, subject, time, ..plain }
    }
}

prop_compose! {
    fn any_routing()(
        kind in prop_oneof![
            Just(Kind::Event),
            Just(Kind::Command),
            Just(Kind::Query),
            Just(Kind::Notification),
        ],
        priority in prop_oneof![
            Just(Priority::Critical),
            Just(Priority::High),
            Just(Priority::Normal),
            Just(Priority::Low),
        ],
        to in option::of(any_address()),
        partition_key in option::of(any_text()),
        stream in option::of(any_text()),
        expires_at in option::of(any_time()),
        deliver_at in option::of(any_time()),
    ) -> Event {
        let plain = samples::plain_event("id", "topic", "Type");
        Event { kind, priority, to, partition_key, stream, expires_at, deliver_at, ..plain }
    }
}

prop_compose! {
    fn any_event()(
        identity in any_identity().boxed(),
        routing in any_routing().boxed(),
        version in option::of(any_text()),
        data_schema in option::of(any_text()),
        content_type in option::of(any_text()),
        trace_parent in option::of(any_text()),
        trace_state in option::of(any_text()),
        extensions in vec(any_extension(), 0..4),
        data in option::of(any_data()),
    ) -> Event {
        Event {
            kind: routing.kind,
            priority: routing.priority,
            to: routing.to,
            partition_key: routing.partition_key,
            stream: routing.stream,
            expires_at: routing.expires_at,
            deliver_at: routing.deliver_at,
            version,
            data_schema,
            content_type,
            trace_parent,
            trace_state,
            extensions,
            data,
            ..identity
        }
    }
}

prop_compose! {
    fn any_delivery()(subscription: u32, position: u64, generation: u16) -> DeliveryId {
        DeliveryId { subscription, position: Position(position), generation }
    }
}

prop_compose! {
    fn any_published()(
        event in any_event().boxed(),
        actor in any_text(),
        content: u64,
        revision in option::of(any::<u64>()),
        only in option::of(any::<u32>()),
        answers in option::of(any_delivery()),
        deferred_at in option::of(any::<u64>().prop_map(Position)),
    ) -> EventPublished {
        EventPublished { event: Arc::new(event), actor, content, revision, only, answers, deferred_at }
    }
}

/// Events in every fact that holds one, and the samples of all others.
fn any_fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        6 => any_published().prop_map(Fact::from).boxed(),
        1 => any_published().prop_map(|it| {
            EventDeferred { event: it.event, actor: it.actor, content: it.content, answers: it.answers }.into()
        }).boxed(),
        1 => (any_event().boxed(), any_delivery()).prop_map(|(event, delivery)| {
            DeadLetterOpened {
                delivery,
                event: Arc::new(event),
                reason: Reason::NotRetried,
                attempts: Vec::new(),
                fingerprint: Text::default(),
                reopens: None,
                holds: None,
            }
            .into()
        }).boxed(),
        2 => proptest::sample::select(samples::facts()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_facts_are_the_same_after_frame_and_restart(facts in vec(any_fact(), 1..12)) {
        let facts = recorded(facts);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut engine = open(dir.path());
        engine.append(facts[0].at, &facts).expect("the facts fit into a frame");
        engine.sync().expect("the disk syncs");
        prop_assert_eq!(&read_all(&*engine.reader()), &facts);
        drop(engine);
        prop_assert_eq!(&read_all(&*open(dir.path()).reader()), &facts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn any_fact_is_the_same_after_its_layout(fact in any_fact()) {
        let mut bytes = Vec::new();
        fact.encode(&mut bytes);
        prop_assert_eq!(Fact::decode(fact.number(), &bytes).expect("it follows its layout"), fact);
    }

    #[test]
    fn damaged_bytes_are_an_error_and_never_a_panic(
        fact in any_fact(),
        at in any::<proptest::sample::Index>(),
        bits in 1u8..,
        number in proptest::sample::select(Fact::NUMBERS.to_vec()),
    ) {
        let mut bytes = Vec::new();
        fact.encode(&mut bytes);
        let at = at.index(bytes.len());
        let cut = Fact::decode(fact.number(), &bytes[..at]);
        let is_damaged = matches!(cut, Err(UnreadableFact::Damaged { .. }));
        prop_assert!(is_damaged, "a fact that was cut short is not one");
        bytes[at] ^= bits;
        // It may still be a fact, another one; it must not be more than that.
        let _ = Fact::decode(number.0, &bytes);
    }
}
