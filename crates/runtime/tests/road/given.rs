//! What the tests stand on: a runtime over a memory that survives restarts, and short ways to say things.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cantus_core::agent::{Agent, AgentName, Origin};
use cantus_core::command::{Answer, Command, Install, Outcome, Settle, Settled};
use cantus_core::coordinator::Limits;
use cantus_core::event::{Data, Event, Form, Payload};
use cantus_core::subscription::retry::{Class, Failure, Policy};
use cantus_core::subscription::{Action, AfterDeadLetter, Order, Place, Subscription, SubscriptionId};
use cantus_core::topic::{Pattern, Topic, TopicName};
use cantus_core::{Refusal, Span, Text, hash};
use cantus_engine::local::Options;
use cantus_engine::{Checkpoint, Engine, Memory, MemoryCheckpoint};
use cantus_runtime::housekeeping::Settings;
use cantus_runtime::{
    Answering, Config, Draft, Failed, Handle, MachineTime, Parts, Publishing, PulledEvent, Runtime,
    TimeSource, Wire,
};

use crate::crowded::Crowded;

/// A wire format of one's own: the runtime knows none.
pub(crate) struct Plain;

impl Wire for Plain {
    fn render(&self, event: &Event) -> Vec<u8> {
        event.event_type.as_bytes().to_vec()
    }

    fn attributes(&self, event: &Event) -> Vec<(String, String)> {
        vec![("id".to_owned(), event.id.to_string())]
    }

    fn read_answer(&self, _json: &[u8], answering: &Answering<'_>) -> Result<Draft, Refusal> {
        Ok(answer("Answered", answering.event))
    }

    fn compose(&self, parts: Parts, answering: &Answering<'_>) -> Result<Draft, Refusal> {
        Ok(answer(&parts.event_type, answering.event))
    }
}

/// An event that answers another.
pub(crate) fn answer(event_type: &str, to: &Event) -> Draft {
    let mut event = Event::clone(&event(&format!("{}-{event_type}", to.id)));
    event.event_type = Text::from(event_type);
    event.correlation_id = to.correlation_id.clone();
    event.causation_id = Some(to.id.clone());
    event.hops = to.hops + 1;
    Draft { event: Arc::new(event), content: 7 }
}

/// An event of topic `tasks`.
pub(crate) fn event(id: &str) -> Arc<Event> {
    let (source, event_type) = (Text::from("/tests"), Text::from("TaskCreated"));
    let (topic, time) = (TopicName::parse("tasks").expect("legal"), Text::from("2026-01-01T00:00:00Z"));
    Arc::new(Event {
        data: Some(Data { form: Form::Json, bytes: Payload(Bytes::from_static(b"{\"n\":1}")) }),
        ..Event::new(Text::from(id), source, event_type, topic, time)
    })
}

/// An event with so many bytes of payload.
pub(crate) fn large(id: &str, bytes: usize) -> Arc<Event> {
    let text = format!("\"{}\"", "x".repeat(bytes));
    let data = Some(Data { form: Form::Json, bytes: Payload(Bytes::from(text)) });
    Arc::new(Event { data, ..Event::clone(&event(id)) })
}

/// An event with a key.
pub(crate) fn keyed(id: &str, key: &str) -> Arc<Event> {
    Arc::new(Event { partition_key: Some(Text::from(key)), ..Event::clone(&event(id)) })
}

/// An inbox on topic `tasks`, from the start.
pub(crate) fn inbox() -> Subscription {
    Subscription {
        topics: vec![Pattern::parse("tasks").expect("legal")],
        filter: None,
        action: Action::Inbox,
        retry: Policy { initial_delay: Span(1), max_delay: Span(1), ..Policy::default() },
        concurrency: 256,
        max_in_flight: 1_000,
        order: Order::Key,
        after_dead_letter: AfterDeadLetter::Continue,
        lease: Span::minutes(5),
        from: Place::Start,
        renamed_from: None,
        origin: Origin::File,
        breaker: Some(cantus_core::subscription::breaker::Policy::OFF),
        rate: None,
        max_lifetime: None,
        on_start: None,
        on_failure: None,
    }
}

/// Publishes events, and tells which of them were there already.
pub(crate) async fn publish(handle: &Handle, events: &[Arc<Event>]) -> Result<Vec<bool>, Failed> {
    let drafts = events.iter().map(|event| Draft { event: event.clone(), content: hash::of(&event.id) });
    let publishing = Publishing {
        drafts: drafts.collect(),
        expected_revision: None,
        actor: Text::from("test"),
        agent: None,
        idempotency: None,
    };
    let (receipts, _) = handle.publish(publishing).await?;
    Ok(receipts.iter().map(|receipt| receipt.duplicate).collect())
}

/// What outlives a restart.
#[derive(Clone)]
pub(crate) enum Disk {
    /// Nothing is written anywhere.
    Memory(Memory, MemoryCheckpoint),
    /// The local engine in a folder.
    Folder(Arc<tempfile::TempDir>),
    /// The same, on a disk that takes nothing more while it is told not to.
    Crowded(Arc<tempfile::TempDir>, Arc<Crowded>),
}

impl Default for Disk {
    fn default() -> Self {
        let memory = Memory::new();
        let checkpoint = MemoryCheckpoint::of(&memory);
        Disk::Memory(memory, checkpoint)
    }
}

impl Disk {
    pub(crate) fn folder() -> Self {
        Disk::Folder(Arc::new(tempfile::tempdir().expect("a temporary folder")))
    }

    pub(crate) fn crowded() -> (Self, Arc<Crowded>) {
        let crowded = Arc::new(Crowded::default());
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        (Disk::Crowded(folder, crowded.clone()), crowded)
    }

    fn open(&self) -> (Box<dyn Engine>, Box<dyn Checkpoint>) {
        let mut options = Options {
            segment_bytes_first: 64 * 1024,
            segment_bytes_max: 256 * 1024,
            reserve_bytes: 0,
            ..Options::default()
        };
        let folder = match self {
            Disk::Memory(memory, checkpoint) => {
                return (Box::new(memory.clone()), Box::new(checkpoint.clone()));
            }
            Disk::Folder(folder) => folder,
            Disk::Crowded(folder, crowded) => {
                options.disk = crowded.clone();
                folder
            }
        };
        let opened = cantus_engine::open(folder.path(), options).expect("the log opens");
        (opened.engine, opened.checkpoint)
    }
}

/// A runtime with agent `/worker` and its inbox `worker/tasks`.
pub(crate) struct Given {
    pub(crate) disk: Disk,
    pub(crate) runtime: Runtime,
    pub(crate) handle: Handle,
    time: Arc<dyn TimeSource>,
}

impl Given {
    pub(crate) async fn with(subscription: Subscription) -> Self {
        Self::with_disk(Disk::default(), subscription).await
    }

    pub(crate) async fn with_disk(disk: Disk, subscription: Subscription) -> Self {
        let given = Self::start(disk).await;
        given.install(vec![("worker/tasks", subscription)]).await;
        given
    }

    pub(crate) async fn start(disk: Disk) -> Self {
        Self::start_at(disk, Arc::new(MachineTime)).await
    }

    pub(crate) async fn start_at(disk: Disk, time: Arc<dyn TimeSource>) -> Self {
        let (engine, checkpoint) = disk.open();
        let settings = Settings {
            // Nothing happens but when it is asked for.
            every: Duration::from_secs(24 * 3600),
            hold_age: Span::hours(24),
            share: 100,
            ..Settings::default()
        };
        let config = Config {
            version: "test".to_owned(),
            auto_create: false,
            limits: Limits::default(),
            wire: Arc::new(Plain),
            exec: None,
            observer: cantus_runtime::observe::Unobserved::shared(),
            housekeeping: Some(settings),
            time: time.clone(),
            webhooks: None,
            on_broken: Box::new(|reason| panic!("the log failed: {reason}")),
        };
        let runtime = Runtime::start(engine, checkpoint, config).await.expect("a runtime starts");
        Self { handle: runtime.handle(), runtime, disk, time }
    }

    pub(crate) async fn install(&self, subscriptions: Vec<(&str, Subscription)>) {
        self.install_with(Topic::default(), subscriptions).await;
    }

    pub(crate) async fn install_with(&self, topic: Topic, subscriptions: Vec<(&str, Subscription)>) {
        let install = Install {
            hash: Text::from("test"),
            source: Text::from("test"),
            actor: Text::from("test"),
            topics: vec![(TopicName::parse("tasks").expect("legal"), Topic { declared: true, ..topic })],
            agents: vec![(AgentName::parse("worker").expect("legal"), Agent::default())],
            subscriptions: subscriptions
                .into_iter()
                .map(|(id, subscription)| (SubscriptionId::parse(id).expect("legal"), subscription, None))
                .collect(),
        };
        self.handle.submit(Command::Install(Box::new(install))).await.expect("definitions are installed");
    }

    pub(crate) async fn publish(&self, events: &[Arc<Event>]) -> Vec<bool> {
        self.try_publish(events).await.expect("events are accepted")
    }

    pub(crate) async fn try_publish(&self, events: &[Arc<Event>]) -> Result<Vec<bool>, Failed> {
        publish(&self.handle, events).await
    }

    /// Waits for exactly so many deliveries.
    pub(crate) async fn pull(&self, count: usize) -> Vec<PulledEvent> {
        let mut pulled = Vec::new();
        while pulled.len() < count {
            let id = SubscriptionId::parse("worker/tasks").expect("legal");
            let more = self.handle.pull(id, count - pulled.len(), Duration::from_secs(30)).await;
            let more = more.expect("a pull is answered");
            assert!(!more.is_empty(), "{} of {count} deliveries came", pulled.len());
            pulled.extend(more);
        }
        pulled
    }

    /// Tells what can be had without waiting, once the feeder has read everything.
    pub(crate) async fn nothing_to_pull(&self) {
        let id = SubscriptionId::parse("worker/tasks").expect("legal");
        let pulled = self.handle.pull(id, 10, Duration::ZERO).await.expect("a pull is answered");
        assert!(pulled.is_empty(), "{pulled:?}");
    }

    pub(crate) async fn settle(&self, pulled: &PulledEvent, outcome: Outcome) -> Settled {
        let settle = Settle {
            delivery: pulled.pulled.delivery,
            token: pulled.pulled.token,
            outcome,
            event: Some(pulled.event.clone()),
            on_failure: None,
            refusal_fails: false,
            actor: Text::from("/worker"),
        };
        match self.handle.submit(Command::Settle(Box::new(settle))).await {
            Ok(Answer::Settled(settled)) => settled,
            other => panic!("an answer of a worker was answered with {other:?}"),
        }
    }

    pub(crate) async fn ack(&self, pulled: &PulledEvent) -> Settled {
        self.ack_with(pulled, Vec::new()).await
    }

    pub(crate) async fn ack_with(&self, pulled: &PulledEvent, drafts: Vec<Draft>) -> Settled {
        let publishing = Publishing {
            drafts,
            expected_revision: None,
            actor: Text::from("/worker"),
            agent: None,
            idempotency: None,
        };
        let publish = self.handle.admit(&publishing).map(Box::new);
        self.settle(pulled, Outcome::Ack(publish)).await
    }

    pub(crate) async fn nack(&self, pulled: &PulledEvent, class: Class) -> Settled {
        let failure = Failure {
            class,
            message: Text::from("it failed"),
            exit_code: None,
            status: None,
            output_tail: None,
            delay: None,
            refusal: None,
        };
        self.settle(pulled, Outcome::Nack(failure)).await
    }

    /// Stops and starts again, on what was durable.
    pub(crate) async fn restarted(self) -> Self {
        let (disk, time) = (self.disk.clone(), self.time.clone());
        self.runtime.stop(Duration::from_secs(5)).await;
        if let Disk::Memory(memory, _) = &disk {
            memory.crash();
        }
        Self::start_at(disk, time).await
    }
}

pub(crate) fn ids(pulled: &[PulledEvent]) -> Vec<&str> {
    pulled.iter().map(|pulled| &*pulled.event.id).collect()
}
