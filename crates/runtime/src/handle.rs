//! What surfaces may ask of the runtime.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cantus_core::agent::AgentName;
use cantus_core::command::{Answer, Audited, Command, Idempotency, Now, Publish, Pull, Pulled, Settle};
use cantus_core::event::Event;
use cantus_core::fact::{Fact, Receipt};
use cantus_core::subscription::SubscriptionId;
use cantus_core::{Coordinator, Position, Refusal, Text, Timestamp};
use cantus_engine::{Housekeeping, Reader};
use tokio::sync::{oneshot, watch};

use crate::admission::{Admission, Draft};
use crate::clock::Clock;
use crate::housekeeping::{Bell, Mask, Report, Status};
use crate::mailbox::{Full, Item, Mailbox};
use crate::seat::{Asking, Seat};
use crate::turn::Turn;

/// Why something asked was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// It can not be.
    #[error("{0}")]
    Refused(Refusal),
    /// Too much waits; it may go later.
    #[error("the server has too much to do")]
    Overloaded,
    /// The disk is nearly full: nothing is published until there is space.
    #[error("the disk is nearly full")]
    StorageFull,
    /// The log failed; whether it was done is in doubt until the next start.
    #[error("the log failed; whether this was done is in doubt until the server has started again")]
    Storage,
    /// The server stops.
    #[error("the server is stopping")]
    Stopping,
    /// What was stored can not be read.
    #[error("{0}")]
    Unreadable(String),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Failed::Refused(refusal)
    }
}

impl From<Full> for Failed {
    fn from(full: Full) -> Self {
        match full {
            Full::Overloaded => Failed::Overloaded,
            Full::Closing => Failed::Stopping,
        }
    }
}

/// Events to publish.
#[derive(Clone, Debug)]
pub struct Publishing {
    /// Which, all or none.
    pub drafts: Vec<Draft>,
    /// The revision their stream must have.
    pub expected_revision: Option<u64>,
    /// Who asks.
    pub actor: Text,
    /// The agent that publishes, when it is one.
    pub agent: Option<AgentName>,
    /// Set when the request has an idempotency key.
    pub idempotency: Option<Idempotency>,
}

/// A delivery in a worker's hands, with its event.
#[derive(Clone, Debug)]
pub struct PulledEvent {
    /// The delivery.
    pub pulled: Pulled,
    /// Its event.
    pub event: Arc<Event>,
}

/// What surfaces may ask of the runtime. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
    /// Whose call it serves, when that is one that operates or defines.
    pub(crate) call: Option<Arc<AuditedCall>>,
}

/// A call that operates or defines: what the audit says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditedCall {
    /// Who.
    pub actor: Text,
    /// From where.
    pub from: Text,
    /// What, such as `subscriptions.pause`.
    pub action: Text,
    /// To what: the ids in the path of the call.
    pub target: Text,
}

pub(crate) struct Shared {
    pub(crate) mailbox: Mailbox,
    pub(crate) seat: Seat,
    pub(crate) admission: Admission,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) durable: watch::Receiver<Position>,
    pub(crate) clock: Clock,
    pub(crate) auto_create: bool,
    pub(crate) waiters: Mutex<HashMap<u64, oneshot::Sender<Vec<Pulled>>>>,
    pub(crate) waiter_next: AtomicU64,
    pub(crate) space_low: AtomicBool,
    pub(crate) room: Arc<cantus_engine::Room>,
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) exec: Option<crate::delivery::exec::Exec>,
    /// What nobody may see.
    pub(crate) mask: Arc<Mask>,
    /// Wakes the housekeeper.
    pub(crate) bell: Bell,
    /// What the housekeeper has done and found.
    pub(crate) housekeeping: Status,
    /// What is done to sealed data.
    pub(crate) log: Arc<dyn Housekeeping>,
    pub(crate) confine: Option<crate::delivery::confine::Confine>,
    pub(crate) webhooks: Option<crate::delivery::webhook::Webhooks>,
}

/// How often an answer that was checked against definitions which changed meanwhile is checked again.
const STALE_TRIES_MAX: usize = 16;

impl Handle {
    /// Returns a handle whose commands are audited as those of this call.
    #[must_use]
    pub fn for_call(&self, call: AuditedCall) -> Handle {
        Handle { shared: self.shared.clone(), call: Some(Arc::new(call)) }
    }

    /// Wraps a command of an audited call, so that its entry is in the same slice.
    fn audited(&self, command: Command) -> Command {
        match &self.call {
            None => command,
            Some(call) => {
                let AuditedCall { actor, from, action, target } = call.as_ref().clone();
                Command::Audited(Box::new(Audited { actor, from, action, target, command }))
            }
        }
    }

    /// Asks the core for something; returns once everything the answer rests on is durable.
    ///
    /// Who asks alone takes the turn within its first poll: a limit of time around it counts from there on only.
    ///
    /// # Errors
    /// When it is refused, the server has too much to do or stops, or the log fails.
    pub async fn submit(&self, command: Command) -> Result<Answer, Failed> {
        let asking = self.shared.seat.ask();
        self.send_as(command, Some(&asking))?.await.unwrap_or(Err(Failed::Stopping))
    }

    /// Puts a command into the mailbox. Its answer comes once everything it rests on is durable.
    #[cfg(feature = "simulation")]
    pub(crate) fn send(&self, command: Command) -> Result<oneshot::Receiver<Result<Answer, Failed>>, Failed> {
        self.send_as(command, None)
    }

    /// As [`Handle::send`]; who asks alone takes the turn.
    fn send_as(
        &self,
        command: Command,
        asking: Option<&Asking<'_>>,
    ) -> Result<oneshot::Receiver<Result<Answer, Failed>>, Failed> {
        if self.shared.space_low.load(Ordering::Relaxed) && matches!(command, Command::Publish(_)) {
            return Err(Failed::StorageFull);
        }
        let weight = weight(&command);
        let (reply, answer) = oneshot::channel();
        let urgent = matches!(
            command,
            Command::Settle(_)
                | Command::Extend { .. }
                | Command::StopWaiting { .. }
                | Command::EndPause { .. }
        );
        let item = Item::Command(Box::new(self.audited(command)), Some(reply));
        let mailbox = &self.shared.mailbox;
        match asking.and_then(|asking| self.shared.seat.free(asking)) {
            None if urgent => mailbox.outcome(item)?,
            None => mailbox.request(item, weight)?,
            Some(seat) => {
                match urgent {
                    true => mailbox.add_outcome(item)?,
                    false => mailbox.add_request(item, weight)?,
                };
                tokio::task::block_in_place(move || self.take_turn(seat));
            }
        }
        Ok(answer)
    }

    /// Takes the turn where whoever asks stands, and sees to it that its thread wakes when there is more to do.
    fn take_turn(&self, mut seat: MutexGuard<'_, Option<Turn>>) {
        let Some(turn) = seat.as_mut() else { return };
        let patience = turn.take_for_one();
        drop(seat);
        let mailbox = &self.shared.mailbox;
        mailbox.wake_within(if mailbox.is_empty() { patience } else { Duration::ZERO });
    }

    /// Hands in several answers of workers at once: one message, one sync, and an answer to each in their order.
    ///
    /// # Errors
    /// When the server has too much to do or stops: then none was looked at.
    pub async fn settle_all(&self, settles: Vec<Settle>) -> Result<Vec<Result<Answer, Failed>>, Failed> {
        let (replies, answers) = oneshot::channel();
        let settles =
            settles.into_iter().map(|settle| self.audited(Command::Settle(Box::new(settle)))).collect();
        self.shared.mailbox.outcome(Item::Settles(settles, replies))?;
        answers.await.map_err(|_| Failed::Stopping)
    }

    /// Publishes events. They are checked at the door, and again when the definitions changed meanwhile.
    ///
    /// # Errors
    /// As [`Handle::submit`], and when an event breaks its schema.
    pub async fn publish(&self, publishing: Publishing) -> Result<(Vec<Receipt>, bool), Failed> {
        for _ in 0..STALE_TRIES_MAX {
            let publish = self.admit(&publishing)?;
            match self.submit(Command::Publish(Box::new(publish))).await {
                Err(Failed::Refused(Refusal::Stale)) => {}
                Ok(Answer::Published { receipts, replayed }) => return Ok((receipts, replayed)),
                Ok(other) => {
                    return Err(Failed::Unreadable(format!("a publish was answered with {other:?}")));
                }
                Err(failed) => return Err(failed),
            }
        }
        Err(Failed::Overloaded)
    }

    /// Checks events at the door.
    ///
    /// # Errors
    /// When an event breaks its schema.
    pub fn admit(&self, publishing: &Publishing) -> Result<Publish, Refusal> {
        let definitions = self.shared.admission.current();
        let events = publishing.drafts.iter().enumerate();
        let events =
            events.map(|(index, draft)| definitions.admit(draft, index)).collect::<Result<_, _>>()?;
        Ok(Publish {
            events,
            expected_revision: publishing.expected_revision,
            auto_create: self.shared.auto_create,
            actor: publishing.actor.clone(),
            agent: publishing.agent.clone(),
            idempotency: publishing.idempotency,
        })
    }

    /// Tells what the schema of an event's type says of it; None when all is well.
    pub fn schema_check(&self, event: &Event) -> Option<Refusal> {
        self.shared.admission.current().check_schema(event, 0).err()
    }

    /// Looks at what is true; the result is handed on once all it rests on is durable.
    ///
    /// # Errors
    /// When the server has too much to do or stops.
    pub async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Coordinator, Now) -> T + Send + 'static,
    ) -> Result<T, Failed> {
        let (send, receive) = oneshot::channel();
        let read = Box::new(move |coordinator: &Coordinator, now: Now| {
            let result = look(coordinator, now);
            let hand_on = Box::new(move || {
                // Whoever asked may have gone.
                let _ = send.send(result);
            });
            hand_on as Box<dyn FnOnce() + Send>
        });
        self.shared.mailbox.outcome(Item::Read(read))?;
        receive.await.map_err(|_| Failed::Stopping)
    }

    /// Leases deliveries of an inbox for a worker, waiting up to `wait` for the first.
    ///
    /// # Errors
    /// As [`Handle::submit`].
    pub async fn pull(
        &self,
        subscription: SubscriptionId,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<PulledEvent>, Failed> {
        if wait.is_zero() {
            let pull = Pull { subscription, max, waiter: None };
            return match self.submit(Command::Pull(pull)).await? {
                Answer::Pulled(pulled) => self.with_events(pulled).await,
                _ => Ok(Vec::new()),
            };
        }
        let (waiter, mut receive) = self.new_waiter();
        let guard = Waiting { handle: self.clone(), waiter, subscription: subscription.clone() };
        let mut stopping = self.shared.stopping.subscribe();
        let pull = Pull { subscription, max, waiter: Some(waiter) };
        let pulled = match self.submit(Command::Pull(pull)).await? {
            Answer::Pulled(pulled) => pulled,
            _ => tokio::select! {
                pulled = &mut receive => pulled.unwrap_or_default(),
                _ = tokio::time::sleep(wait) => self.give_up(&guard, &mut receive).await,
                () = stops(&mut stopping) => self.give_up(&guard, &mut receive).await,
            },
        };
        drop(guard);
        self.with_events(pulled).await
    }

    /// Makes a place for the deliveries of a worker that waits.
    pub(crate) fn new_waiter(&self) -> (u64, oneshot::Receiver<Vec<Pulled>>) {
        let waiter = self.shared.waiter_next.fetch_add(1, Ordering::Relaxed);
        let (send, receive) = oneshot::channel();
        self.lock_waiters().insert(waiter, send);
        (waiter, receive)
    }

    /// Stops waiting; what was leased just before is still taken.
    async fn give_up(&self, guard: &Waiting, receive: &mut oneshot::Receiver<Vec<Pulled>>) -> Vec<Pulled> {
        let stop = Command::StopWaiting { subscription: guard.subscription.clone(), waiter: guard.waiter };
        if self.submit(stop).await.is_err() {
            return Vec::new();
        }
        receive.try_recv().unwrap_or_default()
    }

    async fn with_events(&self, pulled: Vec<Pulled>) -> Result<Vec<PulledEvent>, Failed> {
        let mut deliveries = Vec::with_capacity(pulled.len());
        for pulled in pulled {
            let event = match &pulled.event {
                Some(event) => event.clone(),
                None => self.event_at(pulled.delivery.position).await?.ok_or_else(|| {
                    Failed::Unreadable(format!("the event at {} can not be read", pulled.delivery.position))
                })?,
            };
            deliveries.push(PulledEvent { pulled, event });
        }
        Ok(deliveries)
    }

    /// Reads the event at a position of the log: published, deferred or edited. None when it is none or lost.
    ///
    /// # Errors
    /// When the log can not be read.
    pub async fn event_at(&self, position: Position) -> Result<Option<Arc<Event>>, Failed> {
        Ok(self
            .read_log(move |reader| reader.get(position))
            .await?
            .and_then(|recorded| event_of(recorded.fact)))
    }

    /// Reads the log where waiting for the disk harms nobody.
    ///
    /// # Errors
    /// When the log can not be read.
    pub async fn read_log<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Reader) -> Result<T, cantus_engine::ReadError> + Send + 'static,
    ) -> Result<T, Failed> {
        let reader = self.shared.reader.clone();
        let result = tokio::task::spawn_blocking(move || read(reader.as_ref())).await;
        let result = result.map_err(|_| Failed::Stopping)?;
        result.map_err(|error| Failed::Unreadable(crate::telemetry::chain(&error)))
    }

    /// Returns what reads the log.
    pub fn reader(&self) -> &Arc<dyn Reader> {
        &self.shared.reader
    }

    /// Returns how far the log is durable; it changes as that moves.
    pub fn durable(&self) -> watch::Receiver<Position> {
        self.shared.durable.clone()
    }

    /// Returns a watch that becomes true when the server stops: long waits should end.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.shared.stopping.subscribe()
    }

    /// Returns the log time.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Returns what is free on the log's disk, as of the last look, and what has to stay free.
    pub fn space(&self) -> cantus_engine::Space {
        cantus_engine::Space { is_low: self.is_space_low(), ..self.shared.room.space() }
    }

    /// Tells whether publishes are refused for want of space.
    pub fn is_space_low(&self) -> bool {
        self.shared.space_low.load(Ordering::Relaxed)
    }

    /// Returns what runs programs, for reading their output.
    pub fn exec(&self) -> Option<&crate::delivery::exec::Exec> {
        self.shared.exec.as_ref()
    }

    /// Returns what housekeeping has done and found.
    pub fn housekeeping(&self) -> Report {
        self.shared.housekeeping.report()
    }

    /// Asks for a pass of housekeeping now, and waits for its end, or for that of the server.
    pub async fn keep_house(&self) -> Report {
        let mut stopping = self.shared.stopping.subscribe();
        let over = self.shared.housekeeping.next_pass();
        self.shared.bell.ring();
        if self.shared.housekeeping.is_kept() {
            tokio::select! {
                () = over => {}
                () = stops(&mut stopping) => {}
            }
        }
        self.housekeeping()
    }

    /// Returns what is hidden: erased, or past its topic's retention.
    pub fn hidden(&self) -> Arc<cantus_core::retention::Hidden> {
        self.shared.mask.hidden()
    }

    /// Returns what is done to sealed data.
    pub fn log(&self) -> Arc<dyn Housekeeping> {
        self.shared.log.clone()
    }

    /// Looks at the scripts and paths that strict sandboxes name: from now on they must stay what they are. The files with secrets that
    /// webhooks name are hidden from those programs from now on.
    ///
    /// To be called when definitions were installed. Tells whether any of them was accepted as another than it was before.
    ///
    /// # Errors
    /// When the server stops.
    pub async fn look_at_programs(&self) -> Result<bool, Failed> {
        let Some(confine) = self.confine().cloned() else { return Ok(false) };
        let actions = self
            .read(|coordinator, _| {
                let all = coordinator.state.subscriptions.values().filter(|one| !one.removed);
                all.map(|one| one.definition().action.clone()).collect::<Vec<_>>()
            })
            .await?;
        tokio::task::spawn_blocking(move || confine.look(&actions)).await.map_err(|_| Failed::Stopping)
    }

    pub(crate) fn confine(&self) -> Option<&crate::delivery::confine::Confine> {
        self.shared.confine.as_ref()
    }

    /// Returns what sends webhooks.
    pub fn webhooks(&self) -> Option<&crate::delivery::webhook::Webhooks> {
        self.shared.webhooks.as_ref()
    }

    pub(crate) fn answer_pull(&self, waiter: u64, deliveries: Vec<Pulled>) {
        if let Some(send) = self.lock_waiters().remove(&waiter) {
            // A worker that has gone loses its lease by its end.
            let _ = send.send(deliveries);
        }
    }

    fn lock_waiters(&self) -> std::sync::MutexGuard<'_, HashMap<u64, oneshot::Sender<Vec<Pulled>>>> {
        self.shared.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves when the server stops.
async fn stops(stopping: &mut watch::Receiver<bool>) {
    // A sender that is gone has stopped too.
    let _ = stopping.wait_for(|stopping| *stopping).await.map(|_| ());
}

/// A worker's place in the queue; given up when it goes away.
struct Waiting {
    handle: Handle,
    waiter: u64,
    subscription: SubscriptionId,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let waited = self.handle.lock_waiters().remove(&self.waiter).is_some();
        if waited {
            let command =
                Command::StopWaiting { subscription: self.subscription.clone(), waiter: self.waiter };
            // When the mailbox is closed nobody waits any more.
            let _ = self.handle.shared.mailbox.outcome(Item::Command(Box::new(command), None));
        }
    }
}

/// Returns the event a fact holds.
pub fn event_of(fact: Fact) -> Option<Arc<Event>> {
    match fact {
        Fact::EventPublished(published) => Some(published.event),
        Fact::EventDeferred(deferred) => Some(deferred.event),
        Fact::DeadLetterOpened(opened) => Some(opened.event),
        Fact::DeadLetterEdited(edited) => Some(edited.event),
        _ => None,
    }
}

/// About how many bytes a command takes.
fn weight(command: &Command) -> usize {
    match command {
        Command::Publish(publish) => publish.events.iter().map(|admitted| admitted.event.weight()).sum(),
        Command::ReplayDeadLetter(replay) => replay.event.weight() * 2,
        Command::EditDeadLetter(edit) => edit.event.weight() * 2,
        Command::Audited(audited) => weight(&audited.command),
        _ => 256,
    }
}
