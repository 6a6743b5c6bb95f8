//! How a runtime starts and stops.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use cantus_core::agent::AgentName;
use cantus_core::command::{Command, DeclareGap, Start};
use cantus_core::coordinator::Limits;
use cantus_core::effect::{Deliver, Effect};
use cantus_core::event::Event;
use cantus_core::fact::Recorded;
use cantus_core::topic::TopicName;
use cantus_core::{Coordinator, Position, Refusal, Text, Timestamp};
use cantus_engine::{AppendError, Checkpoint, Engine};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::admission::{Admission, Draft};
use crate::clock::{Clock, TimeSource};
use crate::delivery::Workers;
use crate::delivery::exec::{Exec, Keep};
use crate::delivery::webhook::{WebhookSettings, Webhooks};
use crate::feeder::{self, Feeder};
use crate::handle::{Handle, Shared};
use crate::housekeeping::{self, Bell, Keeper, Mask, Masked, Status};
use crate::mailbox::Mailbox;
use crate::observe::Observer;
use crate::recovery::{self, Recovered, RecoveryError};
use crate::seat::Seat;
use crate::telemetry;
use crate::turn::{Surroundings, Turn};
use crate::writer::{Outlet, Patience, Writer};

/// The exit code of a process whose log or state can not go on (`EX_SOFTWARE` of sysexits).
pub const EXIT_BROKEN: i32 = 70;

/// How long the files of attempts are kept once their outcome is in the log, and how many bytes of them.
const ATTEMPTS_KEPT: Keep = Keep { max_age: Duration::from_secs(7 * 24 * 3600), max_bytes: 1 << 30 };
/// How often old files of attempts are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How events look outside. The runtime runs programs and reads their answers, but knows no wire format.
pub trait Wire: Send + Sync {
    /// Writes an event as one CloudEvents JSON object.
    fn render(&self, event: &Event) -> Vec<u8>;

    /// Returns an event's attributes as CloudEvents names and texts.
    fn attributes(&self, event: &Event) -> Vec<(String, String)>;

    /// Reads an event of an agent's answer: what it leaves out comes from the event it answers.
    ///
    /// # Errors
    /// When it is no event, or not a legal one.
    fn read_answer(&self, json: &[u8], answering: &Answering<'_>) -> Result<Draft, Refusal>;

    /// Makes an event of its parts: what is left out comes from the event it answers.
    ///
    /// # Errors
    /// When the event would not be legal.
    fn compose(&self, parts: Parts, answering: &Answering<'_>) -> Result<Draft, Refusal>;
}

/// What an answer is an answer to.
#[derive(Clone, Copy, Debug)]
pub struct Answering<'a> {
    /// The event that was delivered.
    pub event: &'a Event,
    /// The agent that answers.
    pub agent: &'a AgentName,
    /// The log time.
    pub now: Timestamp,
}

/// The parts of an event to be made.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Its id; a new one when absent.
    pub id: Option<Text>,
    /// Its type.
    pub event_type: Text,
    /// Its topic; that of the event it answers when absent.
    pub topic: Option<TopicName>,
    /// Its payload and media type; None for no payload.
    pub data: Option<(Bytes, &'static str)>,
}

/// What running programs needs.
#[derive(Clone, Debug)]
pub struct ExecSettings {
    /// Where attempts keep their files.
    pub data_dir: PathBuf,
    /// What the guardian is started with: the program and the arguments before the folder.
    pub guardian: Option<(PathBuf, Vec<String>)>,
    /// Where programs reach the server.
    pub url: String,
    /// What they show there.
    pub token: Option<String>,
    /// Where programs run that say nothing else.
    pub cwd: PathBuf,
    /// Secrets of the server; no confined program sees them, nor the data directory.
    pub hidden: Vec<PathBuf>,
}

/// How a runtime is set up.
pub struct Config {
    /// The version that starts.
    pub version: String,
    /// Whether publishing to a topic that is not declared makes it.
    pub auto_create: bool,
    /// The core's limits.
    pub limits: Limits,
    /// How events look outside.
    pub wire: Arc<dyn Wire>,
    /// Set when programs may be run.
    pub exec: Option<ExecSettings>,
    /// Who watches.
    pub observer: Arc<dyn Observer>,
    /// What is done to sealed data, and how; None leaves everything as it is.
    pub housekeeping: Option<housekeeping::Settings>,
    /// What clocks look at.
    pub time: Arc<dyn TimeSource>,
    /// Set when webhooks may be sent.
    pub webhooks: Option<WebhookSettings>,
    /// Called when the log has failed: the process must end. The default ends it with exit code 70.
    pub on_broken: Box<dyn Fn(&str) + Send + Sync>,
}

/// Why a runtime did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The state could not be rebuilt.
    #[error("the state could not be rebuilt from the log")]
    Recovery(#[from] RecoveryError),
    /// Attempts of programs could not be kept.
    #[error("the folder for attempts could not be opened")]
    Attempts(#[source] std::io::Error),
    /// A thread could not be started.
    #[error("a thread could not be started")]
    Thread(#[source] std::io::Error),
    /// The start could not be written down.
    #[error("the start could not be written to the log: {0}")]
    Start(String),
}

/// A running coordinator.
pub struct Runtime {
    handle: Handle,
    writer: Arc<Writer>,
    threads: Vec<(&'static str, JoinHandle<()>)>,
    feeder: Arc<feeder::Inbox>,
    tasks: TaskTracker,
}

/// What a start is made of before anything runs.
pub(crate) struct Made {
    pub(crate) handle: Handle,
    pub(crate) coordinator: Coordinator,
    pub(crate) subjects: feeder::Subjects,
    /// What is owed to the outside.
    pub(crate) owed: Vec<Effect>,
    pub(crate) durable: watch::Sender<Position>,
    pub(crate) engine: Box<dyn Engine>,
}

impl Made {
    pub(crate) fn of(
        engine: Box<dyn Engine>,
        recovered: Recovered,
        config: &Config,
        exec: Option<Exec>,
        time: Arc<dyn TimeSource>,
    ) -> Self {
        let coordinator = recovered.coordinator;
        let (durable, durable_seen) = watch::channel(coordinator.state.position);
        let (stopping, _) = watch::channel(false);
        let mask = Arc::new(Mask::of(&coordinator.state));
        let shared = Arc::new(Shared {
            mailbox: Mailbox::new(),
            seat: Seat::default(),
            admission: Admission::new(&coordinator.state),
            reader: Arc::new(Masked::new(engine.reader(), mask.clone())),
            durable: durable_seen,
            clock: Clock::over(time, coordinator.state.at),
            auto_create: config.auto_create,
            waiters: Mutex::new(HashMap::new()),
            waiter_next: AtomicU64::new(1),
            space_low: AtomicBool::new(engine.is_space_low()),
            room: engine.room(),
            stopping,
            exec,
            confine: config.exec.as_ref().map(crate::delivery::confine::Confine::new),
            mask,
            bell: Bell::default(),
            housekeeping: Status::of(config.housekeeping.is_some()),
            log: engine.housekeeping(),
            webhooks: config.webhooks.clone().map(Webhooks::new),
        });
        let (subjects, owed) = (feeder::Subjects::of(&coordinator.state), coordinator.owed());
        Self { handle: Handle { shared, call: None }, coordinator, subjects, owed, durable, engine }
    }
}

/// What the writer hands on.
struct Outside {
    workers: Workers,
    feeder: Arc<feeder::Inbox>,
    observer: Arc<dyn Observer>,
    on_broken: Box<dyn Fn(&str) + Send + Sync>,
}

impl Outlet for Outside {
    fn effects(&self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Feed { subscription, lane, round, after } => {
                    self.feeder.feed(subscription, lane, round, after);
                }
                effect => self.workers.start(effect),
            }
        }
    }

    fn durable(&self, facts: Vec<Recorded>) {
        self.observer.durable(&facts);
        self.feeder.durable(facts);
    }

    fn broken(&self, error: &AppendError) {
        let reason = telemetry::chain(error);
        tracing::error!(
            error = reason,
            "the log has failed; the process ends so that the next start finds the truth"
        );
        (self.on_broken)(&reason);
    }
}

impl Runtime {
    /// Rebuilds the state, adopts what still runs, and starts.
    ///
    /// # Errors
    /// When the state can not be rebuilt or the machine refuses threads or files.
    pub async fn start(
        engine: Box<dyn Engine>,
        mut checkpoint: Box<dyn Checkpoint>,
        config: Config,
    ) -> Result<Runtime, StartError> {
        let reader = engine.reader();
        let housekeeping = engine.housekeeping();
        let recovered = recovery::recover_with_bases(
            reader.as_ref(),
            checkpoint.as_mut(),
            housekeeping.as_ref(),
            config.limits.clone(),
        )?;
        let exec = match &config.exec {
            Some(settings) => Some(open_exec(settings).map_err(StartError::Attempts)?),
            None => None,
        };
        let (gaps, orphans) = (recovered.gaps.clone(), recovered.orphans);
        let made = Made::of(engine, recovered, &config, exec, config.time.clone());
        let Made { handle, coordinator, subjects, owed, durable, engine } = made;
        let (shared, tasks) = (handle.shared.clone(), TaskTracker::new());
        let feeder_inbox = Arc::new(feeder::Inbox::new());
        let observer = config.observer;
        let workers = Workers::new(handle.clone(), config.wire, config.exec, observer.clone(), tasks.clone());
        let outside =
            Outside { workers, feeder: feeder_inbox.clone(), observer, on_broken: config.on_broken };
        let outside = Arc::new(outside);
        let writer = Arc::new(Writer::new(engine, outside.clone(), durable, Patience::Waits));
        let mut runtime = Runtime {
            handle,
            writer: writer.clone(),
            threads: Vec::new(),
            feeder: feeder_inbox.clone(),
            tasks,
        };
        runtime.spawn("cantus-writer", {
            let writer = writer.clone();
            move || writer.run()
        })?;
        let attempts: Vec<Deliver> = owed
            .iter()
            .filter_map(|effect| match effect {
                Effect::Deliver(deliver) => Some(deliver.clone()),
                _ => None,
            })
            .collect();
        // Before the first turn, which may start attempts of its own: those are in the log and not in what was owed.
        outside.workers.end_unknown(&attempts).await;
        let turn = Turn::new(coordinator, shared.clone(), writer, checkpoint, Surroundings::default());
        shared.seat.set(turn);
        runtime.spawn("cantus-turn", {
            let shared = shared.clone();
            move || Turn::run(&shared)
        })?;
        let start = Start { version: Text::from(config.version), wall: shared.clock.wall() };
        let started = runtime.handle.submit(Command::Start(start)).await;
        started.map_err(|failed| StartError::Start(failed.to_string()))?;
        declare_gaps(&runtime.handle, gaps, orphans).await?;
        let feeder = Feeder::new(subjects, feeder_inbox, shared.reader.clone(), shared.clone());
        runtime.spawn("cantus-feeder", move || feeder.run())?;
        outside.effects(owed);
        if let Some(settings) = config.housekeeping {
            let keeper = Keeper::new(shared, reader, settings);
            runtime.spawn("cantus-keeper", move || keeper.run())?;
        }
        if let Some(exec) = runtime.handle.exec() {
            tokio::spawn(sweep(exec.clone(), runtime.handle.stopping()));
        }
        Ok(runtime)
    }

    fn spawn(&mut self, name: &'static str, run: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
        let thread =
            std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(StartError::Thread)?;
        self.threads.push((name, thread));
        Ok(())
    }

    /// Returns what surfaces ask through.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Stops: takes nothing new, waits up to `drain` for attempts that run, writes all down. Programs that still run
    /// then go on under their guardians and are adopted by the next start.
    pub async fn stop(self, drain: Duration) {
        let shared = self.handle.shared.clone();
        shared.stopping.send_replace(true);
        shared.mailbox.drain();
        self.tasks.close();
        if tokio::time::timeout(drain, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                "attempts still run; they go on under their guardians and are adopted by the next start"
            );
        }
        shared.bell.stop();
        shared.mailbox.close();
        self.writer.give_up();
        self.feeder.close();
        let writer = self.writer.clone();
        let joined = tokio::task::spawn_blocking(move || {
            // The turn ends first: the writer has then got all it will ever get.
            for (name, thread) in self.threads.into_iter().rev() {
                if name == "cantus-writer" {
                    writer.close();
                }
                if thread.join().is_err() {
                    tracing::error!(thread = name, "a thread ended by a panic");
                }
            }
        });
        if joined.await.is_err() {
            tracing::error!("stopping was interrupted");
        }
    }
}

/// Writes down what was found lost. It is said once, whoever starts again.
async fn declare_gaps(
    handle: &Handle,
    gaps: Vec<(Position, Position, String)>,
    orphans: u64,
) -> Result<(), StartError> {
    for (from, to, reason) in gaps {
        let (reason, actor) = (Text::from(reason), Text::from("/cantus/recovery"));
        let declare = DeclareGap { from, to, reason, orphans, actor };
        let declared = handle.submit(Command::DeclareGap(declare)).await;
        declared.map_err(|failed| StartError::Start(failed.to_string()))?;
    }
    Ok(())
}

/// Removes old files of attempts, until the server stops.
async fn sweep(exec: Exec, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = tokio::time::sleep(SWEEP_EVERY) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
        let exec = exec.clone();
        match tokio::task::spawn_blocking(move || exec.sweep(ATTEMPTS_KEPT)).await {
            Ok(Ok(swept)) if swept.removed > 0 => {
                tracing::debug!(removed = swept.removed, "old attempts removed")
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "old files of attempts could not be removed"),
            Err(_) => return,
        }
    }
}

fn open_exec(settings: &ExecSettings) -> std::io::Result<Exec> {
    let exec = Exec::open(&settings.data_dir)?;
    Ok(match &settings.guardian {
        Some((program, arguments)) => exec.with_guardian(program.clone(), arguments.clone()),
        None => exec,
    })
}
