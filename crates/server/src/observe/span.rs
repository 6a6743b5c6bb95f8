//! What a span says: names and attributes of OpenTelemetry's conventions for messaging.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cantus_core::event::Event;
use cantus_core::fact::Receipt;
use cantus_core::ids::DeliveryId;
use cantus_core::subscription::SubscriptionId;
use cantus_core::{Text, Timestamp};
use opentelemetry::trace::{Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::{Sending, Sent};

/// Where a span stands: its trace, itself, and whether it is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) sampled: bool,
}

impl Context {
    /// Reads a W3C `traceparent` that was checked for its form.
    pub(crate) fn parse(text: &str) -> Option<Context> {
        let mut parts = text.split('-').skip(1);
        let trace = TraceId::from_hex(parts.next()?).ok()?;
        let span = SpanId::from_hex(parts.next()?).ok()?;
        let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
        let known = trace != TraceId::INVALID && span != SpanId::INVALID;
        known.then_some(Context { trace, span, sampled: flags & 1 == 1 })
    }

    /// Returns the trace and span of an attempt: always the same ones, so that a program that outlives the server still belongs
    /// to the span that is told of after the next start.
    pub(crate) fn of_attempt(
        about: &About,
        subscription: &SubscriptionId,
        delivery: DeliveryId,
        attempt: u32,
    ) -> Context {
        let name = format!("{}\n{}\n{subscription}\n{}", about.source, about.id, delivery.generation);
        let trace = TraceId::from(xxh3_128(name.as_bytes()).max(1));
        let span = SpanId::from(xxh3_64(format!("{name}\n{attempt}").as_bytes()).max(1));
        Context { trace, span, sampled: true }
    }

    fn to_otel(self, remote: bool) -> SpanContext {
        let flags = if self.sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        SpanContext::new(self.trace, self.span, flags, remote, TraceState::default())
    }
}

impl fmt::Display for Context {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

/// What spans say of an event.
#[derive(Clone, Debug)]
pub(crate) struct About {
    pub(crate) id: Text,
    pub(crate) source: Text,
    event_type: Text,
    topic: Text,
    subject: Option<Text>,
    correlation_id: Text,
    body_bytes: usize,
    /// The context it was created in.
    created: Option<Context>,
}

impl About {
    pub(crate) fn of(event: &Event) -> About {
        About {
            id: event.id.clone(),
            source: event.source.clone(),
            event_type: event.event_type.clone(),
            topic: event.topic.text().clone(),
            subject: event.subject.clone(),
            correlation_id: event.correlation_id.clone(),
            body_bytes: event.data.as_ref().map_or(0, |data| data.bytes.0.len()),
            created: event.trace_parent.as_deref().and_then(Context::parse),
        }
    }

    fn attributes(&self, into: &mut Vec<KeyValue>) {
        let text = |text: &Text| text.as_str().to_owned();
        into.push(KeyValue::new("messaging.message.id", text(&self.id)));
        into.push(KeyValue::new("messaging.message.conversation_id", text(&self.correlation_id)));
        into.push(KeyValue::new("messaging.message.body.size", self.body_bytes as i64));
        into.push(KeyValue::new("cloudevents.event_id", text(&self.id)));
        into.push(KeyValue::new("cloudevents.event_source", text(&self.source)));
        into.push(KeyValue::new("cloudevents.event_spec_version", "1.0"));
        into.push(KeyValue::new("cloudevents.event_type", text(&self.event_type)));
        into.extend(
            self.subject.as_ref().map(|subject| KeyValue::new("cloudevents.event_subject", text(subject))),
        );
    }
}

/// How an attempt ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) delivery: DeliveryId,
    pub(crate) attempt: u32,
    pub(crate) began: Timestamp,
    pub(crate) ended: Timestamp,
    /// The class of the failure and its message, when it failed.
    pub(crate) failure: Option<(&'static str, Text)>,
}

/// Returns the span of an attempt. It stands in a trace of its own and links to where its event was created.
pub(crate) fn of_attempt(
    about: &About,
    subscription: &SubscriptionId,
    ended: &Ended,
    sampled: bool,
) -> SpanData {
    let context = Context::of_attempt(about, subscription, ended.delivery, ended.attempt);
    let mut attributes = common("process", &about.topic);
    about.attributes(&mut attributes);
    let name = subscription.to_string();
    attributes.push(KeyValue::new("messaging.destination.subscription.name", name.clone()));
    attributes.push(KeyValue::new("messaging.consumer.group.name", name));
    attributes.push(KeyValue::new("cantus.delivery.id", ended.delivery.display(ended.began)));
    attributes.push(KeyValue::new("cantus.delivery.attempt", i64::from(ended.attempt)));
    let status = match &ended.failure {
        None => Status::Ok,
        Some((class, message)) => {
            attributes.push(KeyValue::new("error.type", *class));
            Status::error(message.as_str().to_owned())
        }
    };
    let mut links = SpanLinks::default();
    if let Some(created) = about.created {
        links.links.push(Link::new(created.to_otel(true), Vec::new(), 0));
    }
    SpanData {
        span_context: Context { sampled, ..context }.to_otel(false),
        parent_span_id: SpanId::INVALID,
        parent_span_is_remote: false,
        span_kind: SpanKind::Consumer,
        name: format!("process {}", about.topic).into(),
        start_time: time(ended.began),
        end_time: time(ended.ended),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links,
        status,
        instrumentation_scope: scope(),
    }
}

/// Returns the span of a publish.
pub(crate) fn of_send(sending: Sending, sent: &Sent, ended: Result<&[Receipt], &str>) -> SpanData {
    let mut attributes = common("send", &sent.topic);
    match &sent.one {
        Some(about) => about.attributes(&mut attributes),
        None => attributes.push(KeyValue::new("messaging.batch.message_count", sent.count as i64)),
    }
    let status = match ended {
        Ok(receipts) => {
            if let Some(receipt) = receipts.first() {
                attributes.push(KeyValue::new("cantus.position", receipt.position.to_string()));
            }
            Status::Unset
        }
        Err(code) => {
            attributes.push(KeyValue::new("error.type", code.to_owned()));
            Status::error(code.to_owned())
        }
    };
    SpanData {
        span_context: sending.context.to_otel(false),
        parent_span_id: sending.parent.map_or(SpanId::INVALID, |parent| parent.span),
        parent_span_is_remote: sending.parent.is_some(),
        span_kind: SpanKind::Producer,
        name: format!("send {}", sent.topic).into(),
        start_time: sending.began,
        end_time: SystemTime::now(),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status,
        instrumentation_scope: scope(),
    }
}

fn common(operation: &'static str, topic: &Text) -> Vec<KeyValue> {
    vec![
        KeyValue::new("messaging.system", "cantus"),
        KeyValue::new("messaging.operation.name", operation),
        KeyValue::new("messaging.operation.type", operation),
        KeyValue::new("messaging.destination.name", topic.as_str().to_owned()),
        KeyValue::new("messaging.destination.partition.id", "0"),
    ]
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("cantus").with_version(env!("CARGO_PKG_VERSION")).build()
}

fn time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
}
