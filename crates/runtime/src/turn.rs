//! The turn: takes what is queued, steps it, hands the result to the writer, which syncs while the next turn runs.
//!
//! No timer: what is queued is the batch. One thread owns the coordinator; nothing else can touch it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cantus_core::command::{Answer, Command, Now, Pulled};
use cantus_core::coordinator::{Stepped, Stop};
use cantus_core::effect::Effect;
use cantus_core::row::{Key, Loaded};
use cantus_core::state::Rows;
use cantus_core::{Coordinator, Position, Timestamp};
use cantus_engine::Checkpoint;

use crate::handle::{Failed, Shared, event_of};
use crate::mailbox::{Item, until};
use crate::telemetry;
use crate::writer::{Batch, Writer};

/// How many timers fire in one turn.
const TIMERS_MAX: usize = 1_024;
/// How many deliveries are leased in one turn.
const LEASES_MAX: usize = 2_048;
/// How often a decision may ask for something to be loaded.
const NEEDS_MAX: usize = 4;
/// A checkpoint begins after so many facts.
const CHECKPOINT_FACTS: u64 = 65_536;
/// A checkpoint's rows encoded in one turn.
const CHECKPOINT_STEP: usize = 512;
/// How long the turn waits at most before it looks at clocks, space and cursors.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Cursors of quiet subscriptions are written down when they lag by this many positions.
const CURSOR_LAG: u64 = 8_192;

pub(crate) struct Turn {
    coordinator: Coordinator,
    shared: Arc<Shared>,
    writer: Arc<Writer>,
    checkpoint: Option<Box<dyn Checkpoint>>,
    /// Nothing is written to it any more; what it has is still read, as memory has let go of it.
    checkpoint_lost: bool,
    /// Rows that wait until the log is durable up to them.
    rows: Option<(Position, Timestamp, Rows)>,
    last_checkpoint: Position,
    last_look: Instant,
    /// Timers rest until then: what one needs could not be read.
    timers_rest: Option<Instant>,
}

impl Turn {
    pub(crate) fn new(
        coordinator: Coordinator,
        shared: Arc<Shared>,
        writer: Arc<Writer>,
        checkpoint: Box<dyn Checkpoint>,
    ) -> Self {
        let last_checkpoint = checkpoint.reached().0;
        Self {
            coordinator,
            shared,
            writer,
            checkpoint: Some(checkpoint),
            checkpoint_lost: false,
            rows: None,
            last_checkpoint,
            last_look: Instant::now(),
            timers_rest: None,
        }
    }

    /// The turn thread.
    pub(crate) fn run(mut self) {
        loop {
            let taken = self.shared.mailbox.take(Some(self.patience()));
            let mut batch = Batch { at: self.time(), ..Batch::default() };
            for item in taken.items {
                self.item(item, &mut batch);
            }
            self.timers_and_leases(&mut batch);
            self.look(&mut batch, taken.closing && taken.empty);
            self.shared.admission.follow(&self.coordinator.state);
            let alone = taken.empty && self.shared.mailbox.is_empty();
            self.writer.hand_over(batch, alone);
            self.checkpoint_step();
            if taken.closing && taken.empty {
                break;
            }
        }
        self.close();
    }

    /// How long to wait for something to do.
    fn patience(&self) -> Duration {
        if self.coordinator.has_dirty() || self.rows_wait() {
            return Duration::ZERO;
        }
        if self.timers_rest.is_some_and(|until| until > Instant::now()) {
            return LOOK_EVERY;
        }
        let now = self.shared.clock.now();
        let due = self.coordinator.state.next_due().map_or(LOOK_EVERY, |due| until(due, now));
        due.min(LOOK_EVERY)
    }

    /// The log time of this turn: never before the last one's.
    fn time(&self) -> Timestamp {
        self.shared.clock.now().max(self.coordinator.state.at)
    }

    fn now(batch: &Batch) -> Now {
        Now { at: batch.at, chance: rand::random() }
    }

    fn item(&mut self, item: Item, batch: &mut Batch) {
        match item {
            Item::Command(command, reply) => {
                let answer = self.command(&command, batch);
                match reply {
                    // A lease may start once it is written: its event is durable already.
                    Some(reply) if self.may_leave_written(&answer) => batch.leases.push((reply, answer)),
                    Some(reply) => batch.answers.push((reply, answer)),
                    None => {}
                }
            }
            Item::Read(read) => batch.reads.push(read(&self.coordinator, Self::now(batch))),
            Item::Offers(offers) => {
                let mut effects = Vec::new();
                self.coordinator.offer(offers, &mut effects);
                batch.after_sync.extend(effects);
            }
        }
    }

    fn command(&mut self, command: &Command, batch: &mut Batch) -> Result<Answer, Failed> {
        let now = Self::now(batch);
        for _ in 0..NEEDS_MAX {
            match self.coordinator.step(command, now) {
                Ok(stepped) => {
                    let answer = stepped.answer.clone().unwrap_or(Answer::Done);
                    self.collect(stepped, batch);
                    return Ok(answer);
                }
                Err(Stop::Refused(refusal)) => return Err(Failed::Refused(refusal)),
                Err(Stop::Need(keys)) => self.load(keys)?,
                Err(Stop::Damaged(reason)) => {
                    tracing::error!(reason, "what a decision needs can not be read");
                    return Err(Failed::Unreadable(reason));
                }
                Err(Stop::Broken(reason)) => self.broken(&reason),
            }
        }
        Err(Failed::Unreadable("a decision asked for ever more to be loaded".to_owned()))
    }

    /// Loads what a decision asked for.
    fn load(&mut self, keys: Vec<Key>) -> Result<(), Failed> {
        for key in keys {
            let loaded = match &key {
                Key::Event(position) => {
                    if *position > self.shared.reader.durable() {
                        self.writer.flush();
                    }
                    let recorded = self.shared.reader.get(*position);
                    let recorded = recorded.map_err(|error| Failed::Unreadable(telemetry::chain(&error)))?;
                    Loaded::Event(recorded.and_then(|recorded| event_of(recorded.fact)))
                }
                row => {
                    let bytes = match &self.checkpoint {
                        Some(checkpoint) => checkpoint.load(&row.to_bytes()),
                        None => Ok(None),
                    };
                    Loaded::Row(bytes.map_err(|error| Failed::Unreadable(telemetry::chain(&error)))?)
                }
            };
            self.coordinator.load(key, loaded);
        }
        Ok(())
    }

    /// A fact could not be applied: nothing that was decided since is let out, and the process ends. The next start
    /// rebuilds the state from the log.
    fn broken(&self, reason: &str) -> ! {
        tracing::error!(reason, "state and log contradict each other; the process ends");
        std::process::exit(crate::start::EXIT_BROKEN);
    }

    fn may_leave_written(&self, answer: &Result<Answer, Failed>) -> bool {
        match answer {
            Ok(Answer::Pulled(pulled)) => !self.holds_replay(pulled),
            Ok(Answer::WillWait) => true,
            _ => false,
        }
    }

    /// Tells whether a replay is among deliveries: its event may be as young as its lease.
    fn holds_replay(&self, pulled: &[Pulled]) -> bool {
        let state = &self.coordinator.state;
        pulled.iter().any(|it| state.open(it.delivery).is_some_and(|open| open.replay_of.is_some()))
    }

    /// A delivery's lease needs its event to be durable only, all other effects need their facts to be.
    fn collect(&self, stepped: Stepped, batch: &mut Batch) {
        let Stepped { facts, effects, .. } = stepped;
        batch.facts.extend(facts);
        for effect in effects {
            match &effect {
                Effect::Deliver(deliver) if !deliver.replay => batch.after_write.push(effect),
                Effect::AnswerPull { deliveries, .. } if !self.holds_replay(deliveries) => {
                    batch.after_write.push(effect);
                }
                _ => batch.after_sync.push(effect),
            }
        }
    }

    fn timers_and_leases(&mut self, batch: &mut Batch) {
        let now = Self::now(batch);
        let mut stepped = Stepped::default();
        let rests = self.timers_rest.is_some_and(|until| until > Instant::now());
        for _ in 0..if rests { 0 } else { NEEDS_MAX * 16 } {
            match self.coordinator.fire(now, TIMERS_MAX, &mut stepped) {
                Ok(_) => break,
                Err(Stop::Need(keys)) => {
                    if let Err(failed) = self.load(keys) {
                        tracing::error!(%failed, "what a timer needs can not be read");
                        self.timers_rest = Some(Instant::now() + LOOK_EVERY);
                        break;
                    }
                }
                Err(Stop::Refused(refusal)) => {
                    tracing::error!(%refusal, "a timer was refused");
                    break;
                }
                Err(Stop::Damaged(reason)) => {
                    tracing::error!(reason, "what a timer needs can not be read");
                    break;
                }
                Err(Stop::Broken(reason)) => self.broken(&reason),
            }
        }
        if let Err(stop) = self.coordinator.dispatch(now, LEASES_MAX, &mut stepped) {
            self.broken(&format!("{stop:?}"));
        }
        self.collect(stepped, batch);
    }

    /// Looks now and then at clocks, space and the cursors of quiet subscriptions; at the end at all cursors.
    fn look(&mut self, batch: &mut Batch, last: bool) {
        if self.last_look.elapsed() < LOOK_EVERY && !last {
            return;
        }
        self.last_look = Instant::now();
        if let Some(low) = self.writer.is_space_low() {
            let before = self.shared.space_low.swap(low, Ordering::Relaxed);
            if before != low {
                tracing::warn!(
                    low,
                    "free space has passed the low-water mark; publishes are refused while it is low"
                );
            }
        }
        if let Some(by_ms) = self.shared.clock.wall_jump() {
            let wall = self.shared.clock.wall();
            tracing::warn!(by_ms, "the wall clock jumped");
            if let Err(failed) = self.command(&Command::NoteClockJump { by_ms, wall }, batch) {
                tracing::error!(%failed, "the jump could not be noted");
            }
        }
        let mut stepped = Stepped::default();
        let lag = if last { 1 } else { CURSOR_LAG };
        if let Err(stop) = self.coordinator.note_cursors(Self::now(batch), lag, &mut stepped) {
            self.broken(&format!("{stop:?}"));
        }
        self.collect(stepped, batch);
    }

    fn rows_wait(&self) -> bool {
        self.rows.as_ref().is_some_and(|(reached, ..)| *reached <= self.shared.reader.durable())
    }

    /// Takes a small step of the checkpoint, so that no turn stalls.
    fn checkpoint_step(&mut self) {
        if let Some((reached, at, rows)) =
            self.rows.take_if(|(reached, ..)| *reached <= self.shared.reader.durable())
        {
            let rows = rows.into_iter().map(|(key, row)| (key.to_bytes(), row)).collect();
            if let Some(checkpoint) = &mut self.checkpoint {
                match checkpoint.commit(rows, reached, at) {
                    Ok(()) => {
                        self.last_checkpoint = reached;
                        self.coordinator.state.evict();
                    }
                    Err(error) => {
                        let reason = telemetry::chain(&error);
                        tracing::error!(reason, "the checkpoint is given up; the next start replays the log");
                        self.checkpoint_lost = true;
                    }
                }
            }
        }
        let state = &mut self.coordinator.state;
        if self.checkpoint_lost || self.rows.is_some() {
            return;
        }
        if state.position.0 - self.last_checkpoint.0 >= CHECKPOINT_FACTS {
            state.begin_checkpoint();
        }
        if let Some(complete) = state.step_checkpoint(CHECKPOINT_STEP) {
            self.rows = Some(complete);
        }
    }

    /// The last turn is over: a last checkpoint makes the next start quick.
    fn close(mut self) {
        self.writer.flush();
        let durable = self.shared.reader.durable();
        let state = &mut self.coordinator.state;
        if self.checkpoint_lost {
            return;
        }
        if let Some(checkpoint) = &mut self.checkpoint
            && state.position <= durable
        {
            let pending = self.rows.take();
            state.begin_checkpoint();
            let last = state.step_checkpoint(usize::MAX);
            for (reached, at, rows) in pending.into_iter().chain(last) {
                let rows = rows.into_iter().map(|(key, row)| (key.to_bytes(), row)).collect();
                if let Err(error) = checkpoint.commit(rows, reached, at) {
                    let reason = telemetry::chain(&error);
                    tracing::error!(
                        reason,
                        "the last checkpoint was not written; the next start replays more"
                    );
                    return;
                }
            }
        }
        if let Some(checkpoint) = self.checkpoint
            && let Err(error) = checkpoint.close()
        {
            let reason = telemetry::chain(&error);
            tracing::error!(reason, "the checkpoint was not closed; the next start replays more");
        }
    }
}
