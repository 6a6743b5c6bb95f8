//! A node that is stepped from outside: the same turn, writer and feeder, and no thread.
//!
//! Whoever steps it decides what happens next: a turn, one part of a write (append, sync, let go), a part of the feeding.
//! Time and chance come from outside too, so a run depends on nothing else. Dropping a node between two steps is what a
//! killed process is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cantus_core::agent::AgentName;
use cantus_core::command::{Answer, Command, DeclareGap, Pull, Pulled, Start};
use cantus_core::coordinator::Limits;
use cantus_core::effect::{Deliver, Effect};
use cantus_core::event::Event;
use cantus_core::fact::Recorded;
use cantus_core::ids::DeliveryId;
use cantus_core::subscription::{PublishAction, SubscriptionId};
use cantus_core::{Coordinator, Position, Refusal, State, Text};
use cantus_engine::{AppendError, Checkpoint, Engine, Housekeeping, Reader};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

mod housekeeper;

pub use crate::delivery::Said;

use crate::delivery::{Attempt, settlement, transformed, webhook};
use crate::feeder::{self, Feeder};
use crate::handle::{Failed, Handle, Publishing, event_of};
use crate::housekeeping::{Keeper, Report};
use crate::mailbox::Item;
use crate::recovery::{self, RecoveryError};
use crate::start::{Answering, Config, Made, StartError};
use crate::telemetry;
use crate::turn::{Pace, Surroundings, Turn};
use crate::writer::{Outlet, Patience, Writer};

/// What a stepped node takes from outside.
pub struct Outside {
    /// Draws the numbers that decisions get.
    pub chance: Box<dyn FnMut() -> u64 + Send>,
    /// A checkpoint begins after so many facts.
    pub checkpoint_facts: u64,
    /// A checkpoint's rows encoded in one turn.
    pub checkpoint_step: usize,
    /// Cursors of quiet subscriptions are written down when they lag by this many positions.
    pub cursor_lag: u64,
}

/// An answer that may still be on its way.
#[derive(Debug)]
pub struct Waiting(oneshot::Receiver<Result<Answer, Failed>>);

/// A worker's place in the queue of an inbox.
#[derive(Debug)]
pub struct Place {
    /// Its number, to stop waiting.
    pub waiter: u64,
    receive: oneshot::Receiver<Vec<Pulled>>,
}

/// An attempt to carry out, or to end.
#[derive(Clone, Debug)]
pub enum Work {
    /// Carry this out.
    Deliver(Deliver),
    /// End this: its lease was fenced.
    Cancel(DeliveryId, u32),
}

/// A node without threads.
pub struct Node {
    config: Config,
    handle: Handle,
    turn: Turn,
    writer: Arc<Writer>,
    feeder: Feeder,
    inbox: Arc<feeder::Inbox>,
    out: Arc<Out>,
    starting: Option<(Waiting, Vec<Effect>)>,
    /// What was found lost, and how many facts behind it could not be followed.
    lost: (Vec<(Position, Position, String)>, u64),
    /// The log as it is on the disk.
    raw: Arc<dyn Reader>,
    housekeeper: Option<housekeeper::Housekeeper>,
}

struct Out {
    handle: Handle,
    inbox: Arc<feeder::Inbox>,
    work: Mutex<VecDeque<Work>>,
    broken: Mutex<Option<String>>,
}

impl Outlet for Out {
    fn effects(&self, effects: Vec<Effect>) {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        for effect in effects {
            match effect {
                Effect::Feed { subscription, lane, round, after } => {
                    self.inbox.feed(subscription, lane, round, after);
                }
                Effect::AnswerPull { waiter, deliveries } => self.handle.answer_pull(waiter, deliveries),
                Effect::Deliver(deliver) => work.push_back(Work::Deliver(deliver)),
                Effect::Cancel { delivery, attempt } => work.push_back(Work::Cancel(delivery, attempt)),
            }
        }
    }

    fn durable(&self, facts: Vec<Recorded>) {
        self.inbox.durable(facts);
    }

    fn broken(&self, error: &AppendError) {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(telemetry::chain(error));
    }
}

impl Node {
    /// Rebuilds the state and is about to start: [`Node::is_started`] once its first turns are durable.
    ///
    /// # Errors
    /// When the state can not be rebuilt or the start is not taken.
    pub fn open(
        engine: Box<dyn Engine>,
        mut checkpoint: Box<dyn Checkpoint>,
        config: Config,
        outside: Outside,
    ) -> Result<Self, StartError> {
        let reader = engine.reader();
        let housekeeping = engine.housekeeping();
        let recovered = recovery::recover_with_bases(
            reader.as_ref(),
            checkpoint.as_mut(),
            housekeeping.as_ref(),
            config.limits.clone(),
        )?;
        let lost = (recovered.gaps.clone(), recovered.orphans);
        let made = Made::of(engine, recovered, &config, None, config.time.clone());
        let Made { handle, coordinator, subjects, owed, durable, engine } = made;
        let inbox = Arc::new(feeder::Inbox::new());
        let out = Arc::new(Out {
            handle: handle.clone(),
            inbox: inbox.clone(),
            work: Mutex::default(),
            broken: Mutex::default(),
        });
        let writer = Arc::new(Writer::new(engine, out.clone(), durable, Patience::Fails));
        let surroundings = Surroundings {
            chance: outside.chance,
            die: |reason| panic!("state and log contradict each other: {reason}"),
            pace: Pace {
                checkpoint_facts: outside.checkpoint_facts,
                checkpoint_step: outside.checkpoint_step,
                cursor_lag: outside.cursor_lag,
            },
        };
        let turn = Turn::new(coordinator, handle.shared.clone(), writer.clone(), checkpoint, surroundings);
        let housekeeper = config.housekeeping.clone().map(|settings| {
            let keeper = Keeper::new(handle.shared.clone(), reader.clone(), settings);
            housekeeper::Housekeeper::of(keeper)
        });
        let seen = handle.shared.reader.clone();
        let feeder = Feeder::new(subjects, inbox.clone(), seen, handle.shared.clone());
        let start = Start { version: Text::from(config.version.clone()), wall: handle.shared.clock.wall() };
        let starting = handle.send(Command::Start(start));
        let starting = starting.map_err(|failed| StartError::Start(failed.to_string()))?;
        let starting = Some((Waiting(starting), owed));
        Ok(Self {
            config,
            handle,
            turn,
            writer,
            feeder,
            inbox,
            out,
            starting,
            lost,
            raw: reader,
            housekeeper,
        })
    }

    /// Tells whether the start is durable; what is owed goes out when it is.
    pub fn is_started(&mut self) -> bool {
        let Some((waiting, _)) = &mut self.starting else { return true };
        if !matches!(waiting.poll(), Some(Ok(_))) {
            return false;
        }
        let (gaps, orphans) = std::mem::take(&mut self.lost);
        for (from, to, reason) in gaps {
            let (reason, actor) = (Text::from(reason), Text::from("/cantus/recovery"));
            let declare = DeclareGap { from, to, reason, orphans, actor };
            if let Err(failed) = self.send(Command::DeclareGap(declare)) {
                tracing::error!(%failed, "what is lost could not be written down");
            }
        }
        if let Some((_, owed)) = self.starting.take() {
            self.out.effects(owed);
        }
        true
    }

    /// Takes a turn. With `alone`, what it led to is written and synced at once, as by a turn that finds its mailbox
    /// empty; else it waits for [`Node::write`]. Returns false when the writer is too far behind for another turn.
    pub fn turn(&mut self, alone: bool) -> bool {
        if self.writer.is_full() {
            return false;
        }
        let taken = self.handle.shared.mailbox.take();
        let empty = taken.empty;
        let batch = self.turn.decide(taken);
        self.writer.hand_over(batch, alone && empty);
        self.turn.checkpoint_step();
        true
    }

    /// Does the next part of a write: appends, or syncs, or lets go. Returns false when nothing waits.
    pub fn write(&mut self) -> bool {
        self.writer.step()
    }

    /// Lets the engine rest when nothing waits. Returns whether it did.
    pub fn rest(&mut self) -> bool {
        self.writer.rest_if_idle()
    }

    /// Lets the feeder take what came. Returns whether it had something to tell the turn.
    pub fn feed(&mut self) -> bool {
        if self.starting.is_some() {
            return false;
        }
        let Some(taken) = self.inbox.take(Duration::ZERO) else { return false };
        let Some(offers) = self.feeder.step(taken) else { return self.feeder.is_busy() };
        // A closed mailbox means that the node stops.
        self.handle.shared.mailbox.outcome(Item::Offers(offers)).is_ok()
    }

    /// As [`Node::feed`], and what was found never comes to the turn: for whoever wants to see that it is missed.
    pub fn lose_feed(&mut self) {
        if self.starting.is_none()
            && let Some(taken) = self.inbox.take(Duration::ZERO)
        {
            drop(self.feeder.step(taken));
        }
    }

    /// Lets housekeeping go on until it waits for something. Returns whether it is in the middle of a pass then; without
    /// one, the next call begins another.
    pub fn keep_house(&mut self) -> bool {
        self.starting.is_none() && self.housekeeper.as_mut().is_some_and(housekeeper::Housekeeper::step)
    }

    /// Returns what housekeeping has done and found.
    pub fn housekeeping(&self) -> Report {
        self.handle.shared.housekeeping.report()
    }

    /// Tells whether a turn would find something to do.
    pub fn has_turn(&self) -> bool {
        !self.handle.shared.mailbox.is_empty() || self.turn.patience().is_zero()
    }

    /// Puts a command into the mailbox.
    ///
    /// # Errors
    /// When the node takes it not.
    pub fn send(&self, command: Command) -> Result<Waiting, Failed> {
        self.handle.send(command).map(Waiting)
    }

    /// Checks events at the door.
    ///
    /// # Errors
    /// When one breaks its schema.
    pub fn admit(&self, publishing: &Publishing) -> Result<cantus_core::command::Publish, Refusal> {
        self.handle.admit(publishing)
    }

    /// Asks for deliveries of an inbox and waits for the first.
    ///
    /// # Errors
    /// When the node takes it not.
    pub fn pull_and_wait(
        &self,
        subscription: SubscriptionId,
        max: usize,
    ) -> Result<(Waiting, Place), Failed> {
        let (waiter, receive) = self.handle.new_waiter();
        let waiting = self.send(Command::Pull(Pull { subscription, max, waiter: Some(waiter) }))?;
        Ok((waiting, Place { waiter, receive }))
    }

    /// Brings what a push worker said of an attempt, as the workers of a server do.
    ///
    /// # Errors
    /// When the node takes it not.
    pub fn settle(
        &self,
        deliver: &Deliver,
        event: &Arc<Event>,
        subscription: &SubscriptionId,
        said: &Said,
    ) -> Result<Waiting, Failed> {
        let attempt = Attempt {
            deliver: deliver.clone(),
            event: event.clone(),
            subscription: subscription.clone(),
            delivery_text: deliver.delivery.display(deliver.recorded_at),
            trace_parent: event.trace_parent.clone(),
            on_start: None,
            on_failure: None,
        };
        let settle = settlement(&self.handle, &attempt, said, true);
        self.send(Command::Settle(Box::new(settle)))
    }

    /// Tells what the `publish` action says of an event.
    pub fn transform(&self, action: &PublishAction, agent: &AgentName, event: &Event) -> Said {
        let answering = Answering { event, agent, now: self.handle.now() };
        transformed(action, self.config.wire.as_ref(), &answering)
    }

    /// Returns the event at a position of the log.
    pub fn event_at(&self, position: Position) -> Option<Arc<Event>> {
        self.reader().get(position).ok().flatten().and_then(|recorded| event_of(recorded.fact))
    }

    /// Takes the attempts that are to be carried out or ended.
    pub fn take_work(&mut self) -> Vec<Work> {
        self.out.work.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }

    /// Returns what is true.
    pub fn coordinator(&self) -> &Coordinator {
        self.turn.coordinator()
    }

    /// Returns what reads the log.
    pub fn reader(&self) -> &Arc<dyn Reader> {
        self.handle.reader()
    }

    /// Returns what reads the log as it is on the disk, hidden facts among the others.
    pub fn raw(&self) -> &Arc<dyn Reader> {
        &self.raw
    }

    /// Returns what is done to sealed data.
    pub fn log(&self) -> &Arc<dyn Housekeeping> {
        &self.handle.shared.log
    }

    /// Returns the log time.
    pub fn now(&self) -> cantus_core::Timestamp {
        self.handle.now()
    }

    /// Returns why the log has failed, if it has: the process ends then.
    pub fn broken(&self) -> Option<String> {
        self.out.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends as a server that was asked to: takes nothing new, writes all down.
    pub fn stop(mut self) {
        self.housekeeper = None;
        self.handle.shared.mailbox.close();
        loop {
            while self.writer.is_full() && self.writer.step() {}
            let taken = self.handle.shared.mailbox.take();
            let empty = taken.empty;
            let batch = self.turn.decide(taken);
            self.writer.hand_over(batch, empty);
            self.turn.checkpoint_step();
            if empty || self.broken().is_some() {
                break;
            }
        }
        self.turn.close();
    }
}

impl Waiting {
    /// Returns the answer, when it has come. [`Failed::Stopping`] when it never will.
    pub fn poll(&mut self) -> Option<Result<Answer, Failed>> {
        match self.0.try_recv() {
            Ok(answer) => Some(answer),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Closed) => Some(Err(Failed::Stopping)),
        }
    }
}

impl Place {
    /// Returns the deliveries, when they have come.
    pub fn poll(&mut self) -> Option<Vec<Pulled>> {
        self.receive.try_recv().ok()
    }
}

/// Tells what a receiver of webhooks says with a status, and the seconds it asks for as a pause.
pub fn received(status: u16, retry_after: Option<u64>) -> Said {
    webhook::failure_of(status, retry_after).map_or_else(|| Said::Done(Ok(Vec::new())), Said::Failed)
}

/// Rebuilds the state from the bases and the log alone; `empty` is filled with the rows of the newest base.
///
/// # Errors
/// When it can not be.
pub fn rebuild_from_bases(
    reader: &dyn Reader,
    empty: &mut dyn Checkpoint,
    log: &dyn Housekeeping,
) -> Result<State, RecoveryError> {
    Ok(recovery::recover_with_bases(reader, empty, log, Limits::default())?.coordinator.state)
}

/// Rebuilds the state from a log, and from a checkpoint where there is one.
///
/// # Errors
/// When it can not be.
pub fn rebuild(reader: &dyn Reader, checkpoint: &dyn Checkpoint) -> Result<State, RecoveryError> {
    Ok(recovery::look(reader, checkpoint, Limits::default())?.coordinator.state)
}
