//! Who puts spans together and sends them: one task behind a bounded queue. What does not fit is dropped and counted; nothing
//! waits for a collector.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use cantus_core::fact::{Fact, Recorded};
use cantus_core::ids::DeliveryId;
use cantus_core::subscription::{AttemptOutcome, SubscriptionId};
use cantus_core::{Position, Text};
use cantus_runtime::Handle;
use cantus_runtime::telemetry::chain;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::{mpsc, oneshot};

use super::settings::{Sampler, Settings};
use super::span::{self, About, Context, Ended};

/// Of how many events it is remembered what they are about; others are read again.
const EVENTS_MAX: usize = 16_384;
/// How many names of subscriptions are remembered.
const NAMES_MAX: usize = 65_536;
/// How long the last spans may take.
const FINISH_MAX: Duration = Duration::from_secs(5);
/// Failures are told of at most so often.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Why spans can not be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// The HTTP client could not be made.
    #[error("the HTTP client for traces could not be made")]
    Client(#[from] reqwest::Error),
    /// The exporter does not take its variables.
    #[error("traces can not be sent as the OTEL_ variables say")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// The way to the task that sends spans.
pub(super) struct Traces {
    queue: mpsc::Sender<Told>,
    dropped: Arc<AtomicU64>,
    sampler: Sampler,
    handle: Arc<OnceLock<Handle>>,
}

/// What the task is told.
enum Told {
    Event(Position, Box<About>),
    Ended(Box<Ended>),
    Span(Box<SpanData>),
    Finish(oneshot::Sender<()>),
}

impl Traces {
    /// Starts the task.
    pub(super) fn start(settings: Settings) -> Result<Traces, TracesError> {
        // A provider that was installed before is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        let mut exporter = SpanExporter::builder().with_http().with_http_client(client).build()?;
        let version = KeyValue::new("service.version", settings.version.clone());
        let resource = Resource::builder().with_attribute(version);
        let resource = match settings.service_name {
            Some(name) => resource.with_service_name(name),
            None => resource,
        };
        exporter.set_resource(&resource.build());
        let (queue, told) = mpsc::channel(settings.queue_max);
        let dropped = Arc::new(AtomicU64::new(0));
        let handle = Arc::new(OnceLock::new());
        let sender = Sender {
            exporter,
            dropped: dropped.clone(),
            handle: handle.clone(),
            sampler: settings.sampler,
            batch_max: settings.batch_max,
            events: Remembered::new(EVENTS_MAX),
            names: Remembered::new(NAMES_MAX),
            spans: Vec::new(),
            warned: None,
        };
        tokio::spawn(sender.run(told, settings.delay));
        Ok(Traces { queue, dropped, sampler: settings.sampler, handle })
    }

    pub(super) fn follow(&self, handle: Handle) {
        // It is set once, when the server starts.
        let _ = self.handle.set(handle);
    }

    /// Notes what facts tell of events and attempts.
    pub(super) fn note(&self, facts: &[Recorded]) {
        for recorded in facts {
            match &recorded.fact {
                Fact::EventPublished(published) => {
                    self.tell(Told::Event(recorded.position, Box::new(About::of(&published.event))));
                }
                Fact::DeliveryAcked(acked) => self.tell(Told::Ended(Box::new(Ended {
                    delivery: acked.delivery,
                    attempt: acked.attempt,
                    began: acked.began,
                    ended: recorded.at,
                    failure: None,
                }))),
                Fact::DeliveryFailed(failed) => {
                    let attempt = &failed.attempt;
                    let failure = match (&attempt.failure, attempt.outcome) {
                        (Some(failure), _) => Some((failure.class.as_str(), failure.message.clone())),
                        (None, AttemptOutcome::LeaseEnded) => {
                            Some(("lease_ended", Text::from("nobody answered in time")))
                        }
                        (None, _) => Some(("failed", Text::default())),
                    };
                    self.tell(Told::Ended(Box::new(Ended {
                        delivery: failed.delivery,
                        attempt: attempt.number,
                        began: attempt.at,
                        ended: attempt.ended,
                        failure,
                    })));
                }
                _ => {}
            }
        }
    }

    /// Sends a span.
    pub(super) fn send(&self, span: SpanData) {
        self.tell(Told::Span(Box::new(span)));
    }

    fn tell(&self, told: Told) {
        if self.queue.try_send(told).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends what is left, within a few seconds.
    pub(super) async fn finish(&self) {
        let (done, finished) = oneshot::channel();
        let finish = async {
            if self.queue.send(Told::Finish(done)).await.is_ok() {
                // When the task has gone there is nothing left to send.
                let _ = finished.await;
            }
        };
        if tokio::time::timeout(FINISH_MAX, finish).await.is_err() {
            tracing::warn!("the last spans could not be sent in time");
        }
    }

    /// Returns where a publish stands: in its caller's trace, else in one of its own.
    pub(super) fn context_of_send(&self, parent: Option<Context>) -> Context {
        let trace =
            parent.map_or_else(|| TraceId::from(rand::random::<u128>().max(1)), |parent| parent.trace);
        let span = SpanId::from(rand::random::<u64>().max(1));
        let sampled = self.sampler.samples(trace, parent.map(|parent| parent.sampled));
        Context { trace, span, sampled }
    }

    /// Returns where an attempt stands.
    pub(super) fn context_of_attempt(
        &self,
        about: &About,
        subscription: &SubscriptionId,
        delivery: DeliveryId,
        attempt: u32,
    ) -> Context {
        let context = Context::of_attempt(about, subscription, delivery, attempt);
        Context { sampled: self.sampler.samples(context.trace, None), ..context }
    }
}

/// A map that forgets what came first.
struct Remembered<K, V> {
    known: HashMap<K, V>,
    order: VecDeque<K>,
    max: usize,
}

impl<K: Copy + Eq + std::hash::Hash, V> Remembered<K, V> {
    fn new(max: usize) -> Self {
        Self { known: HashMap::new(), order: VecDeque::new(), max }
    }

    fn put(&mut self, key: K, value: V) {
        if self.known.insert(key, value).is_none() {
            self.order.push_back(key);
            if self.order.len() > self.max
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }
}

/// The task that sends spans.
struct Sender {
    exporter: SpanExporter,
    dropped: Arc<AtomicU64>,
    handle: Arc<OnceLock<Handle>>,
    sampler: Sampler,
    batch_max: usize,
    events: Remembered<Position, About>,
    names: Remembered<u32, SubscriptionId>,
    spans: Vec<SpanData>,
    warned: Option<Instant>,
}

impl Sender {
    async fn run(mut self, mut told: mpsc::Receiver<Told>, delay: Duration) {
        let mut due: Option<tokio::time::Instant> = None;
        loop {
            let next = match due {
                Some(due) => tokio::time::timeout_at(due, told.recv()).await,
                None => Ok(told.recv().await),
            };
            match next {
                Ok(Some(Told::Event(position, about))) => self.events.put(position, *about),
                Ok(Some(Told::Ended(ended))) => self.ended(&ended).await,
                Ok(Some(Told::Span(span))) => self.spans.push(*span),
                Ok(Some(Told::Finish(done))) => {
                    self.export().await;
                    // Whoever waited may have given up.
                    let _ = done.send(());
                }
                Ok(None) => return self.export().await,
                Err(_) => self.export().await,
            }
            if self.spans.len() >= self.batch_max {
                self.export().await;
            }
            due = match (self.spans.is_empty(), due) {
                (true, _) => None,
                (false, Some(due)) => Some(due),
                (false, None) => Some(tokio::time::Instant::now() + delay),
            };
        }
    }

    async fn ended(&mut self, ended: &Ended) {
        let (position, number) = (ended.delivery.position, ended.delivery.subscription);
        if !self.events.known.contains_key(&position)
            && let Some(handle) = self.handle.get()
            && let Ok(Some(event)) = handle.event_at(position).await
        {
            self.events.put(position, About::of(&event));
        }
        if !self.names.known.contains_key(&number)
            && let Some(handle) = self.handle.get()
            && let Ok(Some(id)) = handle
                .read(move |coordinator, _| {
                    coordinator.state.subscriptions.get(&number).map(|subscription| subscription.id.clone())
                })
                .await
        {
            self.names.put(number, id);
        }
        let found = (self.events.known.get(&position), self.names.known.get(&number));
        let (Some(about), Some(subscription)) = found else { return };
        let trace = Context::of_attempt(about, subscription, ended.delivery, ended.attempt).trace;
        if self.sampler.samples(trace, None) {
            self.spans.push(span::of_attempt(about, subscription, ended, true));
        }
    }

    async fn export(&mut self) {
        if self.spans.is_empty() {
            return;
        }
        let spans = std::mem::take(&mut self.spans);
        let count = spans.len();
        let exported = self.exporter.export(spans).await;
        let quiet = self.warned.is_some_and(|warned| warned.elapsed() < WARN_EVERY);
        if let Err(error) = exported
            && !quiet
        {
            self.warned = Some(Instant::now());
            tracing::warn!(error = chain(&error), count, "spans could not be sent");
        }
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > 0 && !quiet {
            self.dropped.fetch_sub(dropped, Ordering::Relaxed);
            self.warned = Some(Instant::now());
            tracing::warn!(dropped, "more spans came than could be sent; they are left out of traces");
        }
    }
}
