//! One attempt: from an event to a request, from an answer to what it means.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use cantus_core::event::Event;
use cantus_core::subscription::retry::{Class, Failure};
use cantus_core::subscription::{Rate, WebhookAction};
use cantus_core::{Refusal, Text, Timestamp};
use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::Full;
use rand::RngCore as _;

use super::answer;
use super::client::{Answer, Clients};
use super::handshake::{self, Permissions};
use super::secrets::Secrets;
use super::{Message, WebhookSettings};
use crate::admission::Draft;
use crate::delivery::outcome::{Said, failure};
use crate::start::Answering;

/// Sends webhooks. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks(Arc<Inner>);

struct Inner {
    settings: WebhookSettings,
    clients: Clients,
    permissions: Permissions,
}

/// What is sent.
pub(in crate::delivery) struct Sending<'a> {
    /// The subscription's number.
    pub(in crate::delivery) number: u32,
    /// How many attempts a minute its definition allows, if it says so.
    pub(in crate::delivery) per_minute: Option<u64>,
    /// Its id.
    pub(in crate::delivery) subscription: &'a str,
    /// The delivery's id: the same for all its attempts.
    pub(in crate::delivery) delivery: &'a str,
    /// Which attempt it is, counting from one.
    pub(in crate::delivery) attempt: u32,
    /// Whether the receiver may have seen it before.
    pub(in crate::delivery) redelivered: bool,
    /// When the delivery was first handed out; None for a probe.
    pub(in crate::delivery) first_at: Option<Timestamp>,
    /// The event.
    pub(in crate::delivery) event: &'a Event,
    /// The trace context of this attempt, or of the event when nobody traces here.
    pub(in crate::delivery) trace_parent: Option<&'a str>,
}

/// What came of a test.
#[derive(Clone, Debug)]
pub struct Probe {
    /// The status that was answered, when one was.
    pub status: Option<u16>,
    /// How long it took.
    pub duration: Duration,
    /// Why it failed; None when it would have been acknowledged.
    pub failure: Option<Failure>,
    /// The end of the answer.
    pub answer: Option<Text>,
    /// How many events the answer holds. None of them is published.
    pub events: usize,
    /// Why the answer would have been refused.
    pub refusal: Option<Refusal>,
}

impl Webhooks {
    pub(crate) fn new(settings: WebhookSettings) -> Webhooks {
        let clients = Clients::new(settings.clone());
        Webhooks(Arc::new(Inner { settings, clients, permissions: Permissions::default() }))
    }

    /// Carries an attempt out. None when it was given up before anything was sent, because the server stops or the lease is gone: `may_go`
    /// tells, after waiting for a turn.
    pub(in crate::delivery) async fn deliver(
        &self,
        sending: &Sending<'_>,
        action: &WebhookAction,
        answering: &Answering<'_>,
        wait: impl AsyncFnOnce(Duration) -> bool,
    ) -> Option<Said> {
        let secrets = match self.secrets(action).await {
            Ok(secrets) => secrets,
            Err(failure) => return Some(Said::Failed(failure)),
        };
        if action.handshake {
            match self.turn(sending, action, &secrets).await {
                Ok(pause) if pause.is_zero() => {}
                Ok(pause) => {
                    if !wait(pause).await {
                        return None;
                    }
                }
                Err(failure) => return Some(Said::Failed(failure)),
            }
        }
        Some(match self.send(sending, action, &secrets).await {
            Err(failure) => Said::Failed(failure),
            Ok(answer) => Said::Done(self.published(&answer, answering)),
        })
    }

    /// Sends an event outside of any delivery, and tells what came of it. Nothing is published or counted.
    pub async fn probe(
        &self,
        (number, rate): (u32, Option<Rate>),
        subscription: &str,
        action: &WebhookAction,
        event: &Event,
        answering: &Answering<'_>,
    ) -> Probe {
        let begun = Instant::now();
        let sending = Sending {
            number,
            per_minute: rate.map(Rate::per_minute),
            subscription,
            delivery: &event.id,
            attempt: 1,
            redelivered: false,
            first_at: None,
            event,
            trace_parent: None,
        };
        let exchanged = async {
            let secrets = self.secrets(action).await?;
            if action.handshake {
                self.turn(&sending, action, &secrets).await?;
            }
            let answer = self.send(&sending, action, &secrets).await?;
            Ok((answer::tail(&answer, &secrets), answer))
        };
        let exchanged: Result<(Option<Text>, Answer), Failure> = exchanged.await;
        let duration = begun.elapsed();
        match exchanged {
            Err(failure) => Probe {
                status: failure.status,
                duration,
                answer: failure.output_tail.clone(),
                failure: Some(failure),
                events: 0,
                refusal: None,
            },
            Ok((tail, answer)) => {
                let published = self.published(&answer, answering);
                Probe {
                    status: Some(answer.status.as_u16()),
                    duration,
                    failure: None,
                    answer: tail,
                    events: published.as_ref().map_or(0, Vec::len),
                    refusal: published.err(),
                }
            }
        }
    }

    async fn secrets(&self, action: &WebhookAction) -> Result<Secrets, Failure> {
        let found = Secrets::of(action, &self.0.settings.variables).await;
        // Nothing is wrong with the event: once the secret is there, it goes.
        found.map_err(|error| failure(Class::Unavailable, &format!("the webhook can not be signed: {error}")))
    }

    async fn turn(
        &self,
        sending: &Sending<'_>,
        action: &WebhookAction,
        secrets: &Secrets,
    ) -> Result<Duration, Failure> {
        let (inner, wished) = (&self.0, sending.per_minute);
        let ask =
            async || handshake::ask(&inner.clients, action, secrets, &inner.settings.origin, wished).await;
        let turn = inner.permissions.turn(sending.number, action, wished, ask);
        // Many may wait for one that asks.
        match tokio::time::timeout(Duration::from_millis(action.timeout.0), turn).await {
            Ok(turn) => turn,
            Err(_) => Err(failure(
                Class::Timeout,
                "the receiver was asked for its permission and did not answer in time",
            )),
        }
    }

    /// Sends a request; Ok is a success of the receiver.
    async fn send(
        &self,
        sending: &Sending<'_>,
        action: &WebhookAction,
        secrets: &Secrets,
    ) -> Result<Answer, Failure> {
        let request = self.request(sending, action, secrets)?;
        let timeout = Duration::from_millis(action.timeout.0);
        let exchanged = self.0.clients.exchange(action, request, timeout).await;
        let answer = exchanged.map_err(|error| answer::unanswered(&error))?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(answer::failed(&answer, secrets, SystemTime::now()))
    }

    fn request(
        &self,
        sending: &Sending<'_>,
        action: &WebhookAction,
        secrets: &Secrets,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let inner = &self.0;
        let Message { headers: of_event, body } = inner.settings.wire.message(sending.event, action.mode);
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let timestamp = i64::try_from(timestamp).unwrap_or(i64::MAX);
        let mut request = Request::builder().method(Method::POST).uri(action.url.as_str());
        let Some(headers) = request.headers_mut() else {
            return Err(failure(Class::Rejected, "the URL of the webhook can not be requested"));
        };
        let mut set =
            |name: &str, value: &str| match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                (Ok(name), Ok(value)) => {
                    headers.insert(name, value);
                    Ok(())
                }
                _ => Err(failure(
                    Class::InvalidPayload,
                    &format!("`{name}` of the event can not be sent as a header"),
                )),
            };
        for (name, value) in &of_event {
            set(name, value)?;
        }
        for (name, value) in &secrets.headers {
            if HeaderValue::try_from(value.as_str()).is_err() {
                let error = super::secrets::SecretError::Header(name.to_string());
                return Err(failure(Class::Unavailable, &format!("the webhook can not be sent: {error}")));
            }
            set(name, value)?;
        }
        set(header::USER_AGENT.as_str(), &inner.settings.user_agent)?;
        set(
            header::ACCEPT.as_str(),
            "application/cloudevents+json, application/cloudevents-batch+json, */*;q=0.1",
        )?;
        set(header::ACCEPT_ENCODING.as_str(), "identity")?;
        set("webhook-id", sending.delivery)?;
        set("webhook-timestamp", &timestamp.to_string())?;
        if !secrets.signing.is_empty() {
            let signed = inner.settings.wire.sign(&secrets.signing, sending.delivery, timestamp, &body);
            let signature = signed.map_err(|error| {
                failure(Class::Unavailable, &format!("the webhook can not be signed: {error}"))
            })?;
            set("webhook-signature", &signature)?;
        }
        set("cantus-subscription", sending.subscription)?;
        set("cantus-attempt", &sending.attempt.to_string())?;
        set("cantus-redelivered", if sending.redelivered { "true" } else { "false" })?;
        if let Some(first_at) = sending.first_at {
            set("cantus-first-delivered-at", &first_at.rfc3339())?;
        }
        if action.handshake {
            set(handshake::REQUEST_ORIGIN, &inner.settings.origin)?;
        }
        let of_event = sending.event.trace_parent.as_deref();
        let hop = match sending.trace_parent {
            Some(own) if Some(own) != of_event => Some(own.to_owned()),
            _ => of_event.and_then(hop),
        };
        if let Some(hop) = hop {
            set("traceparent", &hop)?;
            if let Some(state) = &sending.event.trace_state {
                set("tracestate", state)?;
            }
        }
        request.body(Full::new(body)).map_err(|error| {
            failure(Class::Rejected, &format!("the URL of the webhook can not be requested: {error}"))
        })
    }

    /// Reads the events of an answer; none when it holds none.
    fn published(&self, answer: &Answer, answering: &Answering<'_>) -> Result<Vec<Draft>, Refusal> {
        if !answer.holds_events() {
            return Ok(Vec::new());
        }
        self.0.settings.wire.read_response(&answer.headers, &answer.body, answering)
    }
}

/// Returns the trace context of this hop: the trace of the event, and a span of its own.
fn hop(trace_parent: &str) -> Option<String> {
    let mut parts = trace_parent.split('-');
    let (version, trace, _span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    if version != "00" || trace.len() != 32 || flags.len() != 2 {
        return None;
    }
    let span = rand::rng().next_u64().max(1);
    Some(format!("00-{trace}-{span:016x}-{flags}"))
}
