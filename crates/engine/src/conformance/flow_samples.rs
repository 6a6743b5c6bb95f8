//! Samples of what came with breakers, rates and held keys: facts 26 to 29, and fields that earlier facts have since.

use std::sync::Arc;

use cantus_core::agent::Origin;
use cantus_core::event::Priority;
use cantus_core::fact::*;
use cantus_core::ids::{DeadLetterId, DeliveryId, Token};
use cantus_core::subscription::retry::{Class, Failure, Policy, Reason};
use cantus_core::subscription::{
    Action, AfterDeadLetter, Announce, Attempt, AttemptOutcome, Order, Place, Rate, Subscription,
    SubscriptionId, breaker,
};
use cantus_core::topic::{Pattern, TopicName};
use cantus_core::{Position, Span, Text, Timestamp};

use super::samples::plain_event;

const NOON: Timestamp = Timestamp(1_795_000_000_123);

fn some(text: &str) -> Option<Text> {
    Some(Text::from(text))
}

/// Returns the samples, in the order of the facts' numbers.
pub fn facts() -> Vec<Fact> {
    let actor = Text::from("token:ops");
    let delivery = DeliveryId { subscription: 1, position: Position(4), generation: 0 };
    let id = DeadLetterId(Position(50));
    let (pause, probe_at) = (Span::seconds(2), Timestamp(NOON.0 + 2_000));
    let (class, message) = (Class::Unavailable, Text::from("connection refused"));
    vec![
        SubscriptionDeclared {
            number: 3,
            id: SubscriptionId::new("/mailer", "orders").expect("the samples' names are legal"),
            definition: subscription(),
            after: Position(3),
            actor: actor.clone(),
        }
        .into(),
        AgentsPaused {
            cause: None,
            agents: Vec::new(),
            until: None,
            until_event: None,
            topics: Vec::new(),
            by: Text::from("/guard"),
            reason: some("the database moves"),
        }
        .into(),
        BreakerOpened {
            number: 1,
            delivery,
            failures: 5,
            class,
            message: message.clone(),
            pause: Span::seconds(1),
            probe_at: Timestamp(NOON.0 + 1_000),
        }
        .into(),
        BreakerProbed { number: 1, delivery, class, message, pause, probe_at }.into(),
        BreakerClosed { number: 1, delivery: Some(delivery), actor: None }.into(),
        BreakerClosed { number: 1, delivery: None, actor: Some(actor.clone()) }.into(),
        KeyReleased { id, key: 7, actor: actor.clone(), note: some("the order is void") }.into(),
        DeliveryLeased {
            delivery,
            token: Token { epoch: 3, secret: 99 },
            deadline: Timestamp(NOON.0 + 30_000),
            attempt: 1,
            priority: Priority::Normal,
            key: Some(0),
            story: 17,
            recorded_at: NOON,
            own_key: Some(7),
            expires_at: Some(Timestamp(NOON.0 + 60_000)),
            probe: Some(true),
        }
        .into(),
        DeliveryFailed { delivery, story: 17, attempt: attempt(), actor: None, unspent: Some(true) }.into(),
        DeliveryParked {
            delivery,
            priority: Priority::Normal,
            key: None,
            story: 17,
            recorded_at: NOON,
            own_key: Some(7),
            expires_at: Some(Timestamp(NOON.0 + 60_000)),
        }
        .into(),
        DeadLetterOpened {
            delivery,
            event: Arc::new(plain_event("evt_held", "orders", "OrderPlaced")),
            reason: Reason::AttemptsSpent,
            attempts: vec![attempt()],
            fingerprint: Text::from("unavailable|mailer/orders"),
            reopens: None,
            holds: Some(7),
        }
        .into(),
        DeadLetterReplayed {
            id,
            delivery: Some(DeliveryId { generation: 1, ..delivery }),
            event_id: None,
            priority: Priority::Normal,
            key: None,
            story: 17,
            recorded_at: NOON,
            actor: actor.clone(),
            note: None,
            own_key: Some(7),
        }
        .into(),
        DeadLetterRestored { id, actor, note: some("it was not harmless") }.into(),
    ]
}

fn subscription() -> Subscription {
    let announce = |event_type: &str, topic: Option<&str>, data| Announce {
        event_type: Text::from(event_type),
        topic: topic.map(|topic| TopicName::parse(topic).expect("the samples' names are legal")),
        data,
    };
    Subscription {
        topics: vec![Pattern::parse("orders").expect("the samples' names are legal")],
        filter: None,
        action: Action::Inbox,
        retry: Policy::default(),
        concurrency: 1,
        max_in_flight: 2,
        order: Order::Key,
        after_dead_letter: AfterDeadLetter::HoldKey,
        lease: Span::seconds(30),
        from: Place::Start,
        renamed_from: None,
        origin: Origin::Api,
        breaker: Some(breaker::Policy {
            failure_threshold: 3,
            initial_pause: Span(250),
            max_pause: Span::minutes(1),
        }),
        rate: Some(Rate { count: 20, per: Span::seconds(1) }),
        max_lifetime: Some(Span::hours(2)),
        on_start: Some(announce("OrderStarted", Some("progress"), some("{\"order\": data.id}"))),
        on_failure: Some(announce("OrderFailed", None, None)),
    }
}

fn attempt() -> Attempt {
    Attempt {
        number: 1,
        at: NOON,
        ended: Timestamp(NOON.0 + 10),
        outcome: AttemptOutcome::Failed,
        failure: Some(Failure {
            class: Class::Unavailable,
            message: Text::from("connection refused"),
            exit_code: None,
            status: None,
            output_tail: None,
            delay: None,
            refusal: None,
        }),
        next_at: Some(Timestamp(NOON.0 + 1_010)),
    }
}
