//! Events and definitions, made of few parts.

use bytes::Bytes;
use cantus_core::agent::{AgentName, Origin};
use cantus_core::event::{Data, Event, Form, Kind, Payload, Priority};
use cantus_core::subscription::{
    Action, AfterDeadLetter, ExecAction, Feed, Mode, Place, PublishAction, Sandbox, Subscription,
    SubscriptionId, WebhookAction, breaker,
};
use cantus_core::topic::{Pattern, Topic, TopicName};
use cantus_core::{Span, Text};

use crate::chance::Chance;
use crate::settings::{Settings, policy};

/// The types of events.
pub(crate) const TYPES: [&str; 3] = ["A", "B", "C"];

/// Returns the name of a topic.
pub(crate) fn topic(number: u64) -> TopicName {
    TopicName::parse(&format!("t{number}")).expect("a legal name")
}

/// Returns the name of an agent.
pub(crate) fn agent(number: u64) -> AgentName {
    AgentName::parse(&format!("/a{number}")).expect("a legal name")
}

/// Returns the id of a subscription: each has an agent of its own.
pub(crate) fn subscription_id(number: u64) -> SubscriptionId {
    SubscriptionId { agent: agent(number), name: Text::from("s") }
}

/// Makes an event with an id nobody has used.
pub(crate) fn event(chance: &mut Chance, settings: &Settings, number: u64, now: i64) -> Event {
    let traffic = &settings.traffic;
    let key = (traffic.keys > 0 && chance.permille(850)).then(|| format!("k{}", chance.below(traffic.keys)));
    let stream = (traffic.streams && chance.flip()).then(|| format!("s/{}", chance.below(3)));
    let later = |chance: &mut Chance, share: u64| {
        chance.permille(share).then(|| cantus_core::Timestamp(now + chance.below(8_000) as i64 - 200))
    };
    let bytes = chance.below(traffic.payload_max + 1) as usize;
    let payload = format!("{{\"n\":{number},\"x\":\"{}\"}}", "x".repeat(bytes));
    let priority = if traffic.priorities { chance.of(&Priority::ALL) } else { Priority::Normal };
    Event {
        id: Text::from(format!("e{number}")),
        source: Text::from(format!("/p{}", chance.below(3))),
        event_type: Text::from(chance.of(&TYPES)),
        topic: topic(chance.below(traffic.topics)),
        correlation_id: Text::from(format!("c{}", chance.below(8))),
        causation_id: None,
        hops: 0,
        subject: None,
        time: Text::from("2026-01-01T00:00:00Z"),
        kind: Kind::Event,
        version: None,
        to: (traffic.addressed && chance.permille(200)).then(|| agent(chance.below(settings.subscriptions))),
        partition_key: key.map(Text::from),
        priority,
        stream: stream.map(Text::from),
        expires_at: if traffic.expiring { later(chance, 250) } else { None },
        deliver_at: if traffic.deferred { later(chance, 250) } else { None },
        data_schema: None,
        content_type: None,
        trace_parent: None,
        trace_state: None,
        extensions: Vec::new(),
        data: Some(Data { form: Form::Json, bytes: Payload(Bytes::from(payload)) }),
    }
}

/// Draws what is declared of a topic.
pub(crate) fn topic_definition(settings: &Settings) -> Topic {
    let retention = settings.retention.as_ref();
    Topic {
        declared: true,
        dedupe_age: Some(settings.traffic.dedupe_age),
        retain_age: retention.and_then(|it| it.age),
        retain_bytes: retention.and_then(|it| it.bytes),
        compact: retention.is_some_and(|it| it.compact),
        ..Topic::default()
    }
}

/// Draws what is declared of a subscription.
pub(crate) fn subscription(chance: &mut Chance, settings: &Settings, fresh: bool) -> Subscription {
    let topics = if chance.permille(300) {
        vec![Pattern::parse("t*").expect("a legal pattern")]
    } else {
        let name = topic(chance.below(settings.traffic.topics));
        vec![Pattern::parse(name.as_str()).expect("a legal pattern")]
    };
    let wanted = chance.permille(300).then(|| filter(chance.of(&TYPES)));
    let action = match chance.permille(settings.pushed) {
        false => Action::Inbox,
        true if chance.permille(300) => Action::Publish(PublishAction {
            event_type: Some(Text::from("'Routed'")),
            topic: None,
            data: None,
        }),
        true if chance.permille(400) => Action::Webhook(Box::new(WebhookAction {
            url: Text::from("https://agents.example.com/hook"),
            secrets: Vec::new(),
            mode: Mode::Binary,
            headers: Vec::new(),
            timeout: settings.lease,
            allow_private: false,
            handshake: false,
            ca_file: None,
        })),
        true => Action::Exec(Box::new(ExecAction {
            argv: vec![Text::from("agent")],
            cwd: None,
            env: Vec::new(),
            pass_env: Vec::new(),
            stdin: Feed::Event,
            prompt: None,
            timeout: settings.lease,
            on_success: None,
            sandbox: Sandbox::None,
            confinement: None,
        })),
    };
    // A route that hears itself multiplies: most hear one type, which is not the one they publish.
    let routes = matches!(action, Action::Publish(_));
    let wanted = if routes && chance.permille(900) { Some(filter(TYPES[0])) } else { wanted };
    let flow = &settings.flow;
    let from = if fresh && chance.permille(700) { Place::Start } else { Place::End };
    Subscription {
        topics,
        filter: wanted,
        action,
        retry: if chance.permille(700) { settings.retry.clone() } else { policy(chance) },
        concurrency: chance.between(1, settings.concurrency_max) as u32,
        max_in_flight: chance.between(1, 20) as u32,
        order: chance.of(&settings.orders),
        after_dead_letter: match chance.permille(flow.hold_key) {
            true => AfterDeadLetter::HoldKey,
            false => AfterDeadLetter::Continue,
        },
        lease: settings.lease,
        from,
        renamed_from: None,
        origin: Origin::Api,
        breaker: Some(flow.breaker.filter(|_| chance.permille(700)).unwrap_or(breaker::Policy::OFF)),
        rate: flow.rate.filter(|_| chance.permille(600)),
        max_lifetime: flow.max_lifetime.filter(|_| chance.permille(700)),
        on_start: None,
        on_failure: None,
    }
}

/// Writes the filter that wants one type.
pub(crate) fn filter(event_type: &str) -> Text {
    Text::from(format!("{{\"type\":\"{event_type}\"}}"))
}

/// Returns an event that answers another, the `number`-th of its answer.
pub(crate) fn answer(to: &Event, agent: &AgentName, attempt: u32, number: u64) -> Event {
    let mut event = to.clone();
    event.id = Text::from(format!("{}-{}-{attempt}-{number}", to.id, agent.bare()));
    event.source = agent.text().clone();
    event.event_type = Text::from("Answered");
    event.causation_id = Some(to.id.clone());
    event.hops = to.hops + 1;
    (event.to, event.deliver_at, event.expires_at, event.stream) = (None, None, None, None);
    event
}

/// Tells how long a lease of a subscription lasts.
pub(crate) fn lease_of(definition: &Subscription) -> Span {
    match &definition.action {
        Action::Exec(exec) => exec.timeout,
        Action::Webhook(webhook) => webhook.timeout,
        Action::Inbox => definition.lease.min(definition.lease_max()),
        _ => definition.lease,
    }
}
