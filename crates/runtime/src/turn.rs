//! The turn: takes what is queued, steps it, hands the result to the writer, which syncs while the next turn runs.
//!
//! No timer: what is queued is the batch. Whoever has the turn has the coordinator; nothing else can touch it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use cantus_core::command::{Answer, Command, Now, Pulled};
use cantus_core::coordinator::{Stepped, Stop};
use cantus_core::effect::Effect;
use cantus_core::fact::Fact;
use cantus_core::retention::Hidden;
use cantus_core::row::{Key, Loaded};
use cantus_core::state::Rows;
use cantus_core::{Coordinator, Position, Span, Timestamp};
use cantus_engine::{Checkpoint, Frozen};

use crate::handle::{Failed, Shared, event_of};
use crate::mailbox::{Item, Taken, until};
use crate::telemetry;
use crate::writer::{Batch, Writer};

/// How many timers fire in one turn.
const TIMERS_MAX: usize = 1_024;
/// How many deliveries are leased in one turn.
const LEASES_MAX: usize = 2_048;
/// How often a decision may ask for something to be loaded.
const NEEDS_MAX: usize = 4;
/// A checkpoint begins after so many bytes of facts, however few they are: the next start reads them again.
const CHECKPOINT_BYTES: u64 = 64 * 1024 * 1024;
/// How long the turn waits at most before it looks at clocks, space and cursors.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The same as a span of log time.
const LOOK_SPAN: Span = Span(LOOK_EVERY.as_millis() as u64);

/// How often cursors of quiet subscriptions are written down at most: with thousands of them each time is as much as a large batch.
const CURSORS_EVERY: Span = Span(2_000);

/// What a turn takes from outside itself, apart from its time.
pub(crate) struct Surroundings {
    /// Draws the numbers that decisions get.
    pub(crate) chance: Box<dyn FnMut() -> u64 + Send>,
    /// Ends the process because state and log contradict each other.
    pub(crate) die: fn(&str) -> !,
    pub(crate) pace: Pace,
}

/// How often what is not asked for is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// A checkpoint begins after so many facts.
    pub(crate) checkpoint_facts: u64,
    /// A checkpoint's rows encoded in one turn.
    pub(crate) checkpoint_step: usize,
    /// Cursors of quiet subscriptions are written down when they lag by this many positions.
    pub(crate) cursor_lag: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self { checkpoint_facts: 65_536, checkpoint_step: 512, cursor_lag: 8_192 }
    }
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            chance: Box::new(rand::random),
            die: |_| std::process::exit(crate::start::EXIT_BROKEN),
            pace: Pace::default(),
        }
    }
}

/// Where all state as of a position is handed on, or None when it can not be had.
type FreezeReply = SyncSender<Option<Box<dyn Frozen>>>;

pub(crate) struct Turn {
    coordinator: Coordinator,
    shared: Arc<Shared>,
    writer: Arc<Writer>,
    checkpoint: Option<Box<dyn Checkpoint>>,
    /// Nothing is written to it any more; what it has is still read, as memory has let go of it.
    checkpoint_lost: bool,
    /// Rows that wait until the log is durable up to them.
    rows: Option<(Position, Timestamp, Rows)>,
    /// Who waits for all state as of a position.
    freezes: Vec<(Position, FreezeReply)>,
    last_checkpoint: Position,
    /// About how many bytes of facts there were since a checkpoint began.
    bytes_since: u64,
    last_look: Timestamp,
    /// When cursors were last written down.
    last_cursors: Timestamp,
    /// Timers rest until then: what one needs could not be read.
    timers_rest: Option<Timestamp>,
    surroundings: Surroundings,
}

impl Turn {
    pub(crate) fn new(
        coordinator: Coordinator,
        shared: Arc<Shared>,
        writer: Arc<Writer>,
        checkpoint: Box<dyn Checkpoint>,
        surroundings: Surroundings,
    ) -> Self {
        let last_checkpoint = checkpoint.reached().0;
        let last_look = shared.clock.now();
        Self {
            coordinator,
            shared,
            writer,
            checkpoint: Some(checkpoint),
            checkpoint_lost: false,
            rows: None,
            freezes: Vec::new(),
            last_checkpoint,
            bytes_since: 0,
            last_look,
            last_cursors: last_look,
            timers_rest: None,
            surroundings,
        }
    }

    /// The turn thread.
    pub(crate) fn run(shared: &Shared) {
        let mut last = false;
        while !last {
            let sleeps = shared.seat.with(|turn| shared.mailbox.will_sleep(turn.patience()));
            if sleeps.is_none() {
                return;
            }
            shared.mailbox.wait();
            last = shared.seat.with(Turn::take).unwrap_or(true);
        }
        if let Some(turn) = shared.seat.end() {
            turn.close();
        }
    }

    /// Takes what waits and does it. Returns true when it was the last turn.
    pub(crate) fn take(&mut self) -> bool {
        let last = self.take_what_waits();
        self.checkpoint_step();
        last
    }

    /// As [`Turn::take`], by somebody who waits for an answer. Returns how long nothing more is to do.
    pub(crate) fn take_for_one(&mut self) -> Duration {
        self.take_what_waits();
        match self.has_checkpoint_work() {
            true => Duration::ZERO,
            false => self.patience(),
        }
    }

    fn take_what_waits(&mut self) -> bool {
        let taken = self.shared.mailbox.take();
        let (empty, last) = (taken.empty, taken.closing && taken.empty);
        let batch = self.decide(taken);
        self.writer.hand_over(batch, empty && self.shared.mailbox.is_empty());
        last
    }

    /// One turn: steps what was taken, fires what is due, gives out what may go. Returns what it led to.
    pub(crate) fn decide(&mut self, taken: Taken) -> Batch {
        let mut batch = Batch { at: self.time(), ..Batch::default() };
        self.follow_space(self.writer.is_known_low());
        for item in taken.items {
            self.item(item, &mut batch);
        }
        self.timers_and_leases(&mut batch);
        self.look(&mut batch, taken.closing && taken.empty);
        self.shared.admission.follow(&self.coordinator.state);
        self.bytes_since += batch.bytes;
        batch
    }

    /// Returns what is true, for whoever steps the turn.
    #[cfg(feature = "simulation")]
    pub(crate) fn coordinator(&self) -> &Coordinator {
        &self.coordinator
    }

    /// How long to wait for something to do.
    pub(crate) fn patience(&self) -> Duration {
        if self.coordinator.has_dirty() || self.rows_wait() || self.checkpoint_is_asked() {
            return Duration::ZERO;
        }
        let now = self.shared.clock.now();
        if self.timers_rest.is_some_and(|until| until > now) {
            return LOOK_EVERY;
        }
        let due = self.coordinator.state.next_due().map_or(LOOK_EVERY, |due| until(due, now));
        due.min(LOOK_EVERY)
    }

    /// The log time of this turn: never before the last one's.
    fn time(&self) -> Timestamp {
        self.shared.clock.now().max(self.coordinator.state.at)
    }

    fn now(&mut self, batch: &Batch) -> Now {
        Now { at: batch.at, chance: (self.surroundings.chance)() }
    }

    fn item(&mut self, item: Item, batch: &mut Batch) {
        match item {
            Item::Command(command, reply) => {
                let bytes = published_bytes(&command);
                let answer = match bytes.is_none_or(|bytes| self.has_room(bytes, batch)) {
                    true => self.command_of(&command, bytes, batch),
                    false => Err(Failed::StorageFull),
                };
                match reply {
                    // A lease may start once it is written: its event is durable already.
                    Some(reply) if self.may_leave_written(&answer) => batch.leases.push((reply, answer)),
                    Some(reply) => batch.answers.push((reply, answer)),
                    None => {}
                }
            }
            Item::Settles(settles, reply) => {
                let answers = settles.into_iter().map(|settle| self.command(&settle, batch)).collect();
                batch.settled.push((reply, answers));
            }
            Item::Read(read) => {
                let now = self.now(batch);
                batch.reads.push(read(&self.coordinator, now));
            }
            Item::Freeze(at_least, reply) => self.freezes.push((at_least, reply)),
            Item::Offers(offers) => {
                let mut effects = Vec::new();
                self.coordinator.offer(offers, &mut effects);
                batch.after_sync.extend(effects);
            }
        }
    }

    /// Tells whether what a publish asks for can be written down for certain: what is decided can not be refused any more.
    /// Everything else is decided all the same, and draws on the reserve.
    fn has_room(&self, bytes: u64, batch: &Batch) -> bool {
        !self.shared.space_low.load(Ordering::Relaxed) && self.writer.has_room(batch.bytes + bytes)
    }

    fn command(&mut self, command: &Command, batch: &mut Batch) -> Result<Answer, Failed> {
        self.command_of(command, None, batch)
    }

    /// Does a command whose events take so many bytes in the log, where that was found out already.
    fn command_of(
        &mut self,
        command: &Command,
        bytes: Option<u64>,
        batch: &mut Batch,
    ) -> Result<Answer, Failed> {
        let now = self.now(batch);
        for _ in 0..NEEDS_MAX {
            match self.coordinator.step(command, now) {
                Ok(mut stepped) => {
                    let answer = stepped.answer.take().unwrap_or(Answer::Done);
                    self.collect_of(stepped, bytes, batch);
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
    pub(crate) fn broken(&self, reason: &str) -> ! {
        tracing::error!(reason, "state and log contradict each other; the process ends");
        (self.surroundings.die)(reason)
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

    fn collect(&self, stepped: Stepped, batch: &mut Batch) {
        self.collect_of(stepped, None, batch);
    }

    /// A delivery's lease needs its event to be durable only, all other effects need their facts to be.
    fn collect_of(&self, stepped: Stepped, bytes: Option<u64>, batch: &mut Batch) {
        let Stepped { facts, effects, .. } = stepped;
        if facts.iter().any(|recorded| Hidden::is_changed_by(&recorded.fact)) {
            // Before anything is read because of it.
            self.shared.mask.follow(&self.coordinator.state);
            self.shared.bell.ring();
        }
        batch.bytes += match bytes {
            Some(bytes) if !facts.is_empty() => {
                let holds = |fact: &Fact| matches!(fact, Fact::EventPublished(_) | Fact::EventDeferred(_));
                let others = facts.iter().filter(|recorded| !holds(&recorded.fact)).count();
                bytes + others as u64 * OTHERS
            }
            _ => facts.iter().map(|recorded| footprint(&recorded.fact)).sum::<u64>(),
        };
        if batch.facts.is_empty() {
            batch.facts = facts;
        } else {
            batch.facts.extend(facts);
        }
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
        let now = self.now(batch);
        let mut stepped = Stepped::default();
        let rests = self.timers_rest.is_some_and(|until| until > self.shared.clock.now());
        for _ in 0..if rests { 0 } else { NEEDS_MAX * 16 } {
            match self.coordinator.fire(now, TIMERS_MAX, &mut stepped) {
                Ok(_) => break,
                Err(Stop::Need(keys)) => {
                    if let Err(failed) = self.load(keys) {
                        tracing::error!(%failed, "what a timer needs can not be read");
                        self.timers_rest = Some(self.shared.clock.now().after(LOOK_SPAN));
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

    fn follow_space(&self, low: bool) {
        let before = self.shared.space_low.swap(low, Ordering::Relaxed);
        if before != low {
            tracing::warn!(
                low,
                "free space has passed the low-water mark; publishes are refused while it is low"
            );
        }
    }

    /// Looks now and then at clocks, space and the cursors of quiet subscriptions; at the end at all cursors.
    fn look(&mut self, batch: &mut Batch, last: bool) {
        let now = self.shared.clock.now();
        if now.since(self.last_look) < LOOK_SPAN && !last {
            return;
        }
        self.last_look = now;
        if let Some(low) = self.writer.is_space_low() {
            self.follow_space(low);
        }
        if let Some(by_ms) = self.shared.clock.wall_jump() {
            let wall = self.shared.clock.wall();
            tracing::warn!(by_ms, "the wall clock jumped");
            if let Err(failed) = self.command(&Command::NoteClockJump { by_ms, wall }, batch) {
                tracing::error!(%failed, "the jump could not be noted");
            }
        }
        let mut stepped = Stepped::default();
        let now = self.now(batch);
        let noted = match last {
            true => self.coordinator.note_cursors(now, 1, &mut stepped),
            false if now.at.since(self.last_cursors) < CURSORS_EVERY => Ok(()),
            false => {
                self.last_cursors = now.at;
                self.coordinator.note_quiet_cursors(now, self.surroundings.pace.cursor_lag, &mut stepped)
            }
        };
        if let Err(stop) = noted {
            self.broken(&format!("{stop:?}"));
        }
        self.collect(stepped, batch);
    }

    /// Tells whether somebody waits for a checkpoint that is being taken: it goes on without a pause.
    fn checkpoint_is_asked(&self) -> bool {
        !self.freezes.is_empty() && self.rows.is_none()
    }

    fn rows_wait(&self) -> bool {
        self.rows.as_ref().is_some_and(|(reached, ..)| *reached <= self.shared.reader.durable())
    }

    /// Tells whether a checkpoint is to begin.
    fn is_checkpoint_due(&self) -> bool {
        let asked = self.freezes.iter().any(|(at_least, _)| *at_least > self.last_checkpoint);
        let lag = self.coordinator.state.position.0 - self.last_checkpoint.0;
        asked || lag >= self.surroundings.pace.checkpoint_facts || self.bytes_since >= CHECKPOINT_BYTES
    }

    /// Tells whether [`Turn::checkpoint_step`] has anything to do.
    fn has_checkpoint_work(&self) -> bool {
        let takes = self.rows.is_none() && (self.is_checkpoint_due() || self.coordinator.state.is_freezing());
        !self.freezes.is_empty() || self.rows_wait() || (takes && !self.checkpoint_lost)
    }

    /// Takes a small step of the checkpoint, so that no turn stalls.
    pub(crate) fn checkpoint_step(&mut self) {
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
        self.answer_freezes();
        if self.checkpoint_lost || self.rows.is_some() {
            return;
        }
        let is_due = self.is_checkpoint_due();
        let state = &mut self.coordinator.state;
        if is_due {
            state.begin_checkpoint();
            self.bytes_since = 0;
        }
        if let Some(complete) = state.step_checkpoint(self.surroundings.pace.checkpoint_step) {
            self.rows = Some(complete);
        }
    }

    /// Hands all state on to whoever waits for it, once the checkpoint has got there.
    fn answer_freezes(&mut self) {
        let reached = self.last_checkpoint;
        let lost = self.checkpoint_lost;
        for (_, reply) in self.freezes.extract_if(.., |(at_least, _)| lost || *at_least <= reached) {
            let checkpoint = self.checkpoint.as_ref().filter(|_| !lost);
            // Who asked may have gone.
            let _ = reply.send(checkpoint.map(|checkpoint| checkpoint.freeze()));
        }
    }

    /// The last turn is over: a last checkpoint makes the next start quick.
    pub(crate) fn close(mut self) {
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

/// About how many bytes a fact without an event takes in the log.
const OTHERS: u64 = 256;

/// How many bytes the events of a publish take in the log at most; None for all else.
fn published_bytes(command: &Command) -> Option<u64> {
    match command {
        Command::Publish(publish) => {
            Some(publish.events.iter().map(|admitted| admitted.event.footprint() as u64).sum())
        }
        Command::Audited(audited) => published_bytes(&audited.command),
        _ => None,
    }
}

/// How many bytes a fact takes in the log: events at most, everything else about.
fn footprint(fact: &Fact) -> u64 {
    match fact {
        Fact::EventPublished(published) => published.event.footprint() as u64,
        Fact::EventDeferred(deferred) => deferred.event.footprint() as u64,
        _ => OTHERS,
    }
}
