//! What leaves, and when: facts are appended and synced, then answers and effects go out.
//!
//! Written is not durable. A lease's effect may start once the lease is written (its event is durable already); all
//! else waits for the sync. The turn writes by itself when nobody else is at it and nothing more waits, so a lone
//! publisher pays no hand-over; else the writer thread syncs while the next turn runs.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cantus_core::command::Answer;
use cantus_core::effect::Effect;
use cantus_core::fact::{Fact, Recorded};
use cantus_core::{Position, Timestamp};
use cantus_engine::{AppendError, Engine, Room};
use tokio::sync::watch;

use crate::handle::Failed;
use crate::mailbox::{Replies, Reply};
use crate::telemetry;

/// How many turns may wait for the disk before the next one waits too.
const BATCHES_MAX: usize = 4;
/// After so long without anything to do the engine may rest.
const REST_AFTER: Duration = Duration::from_millis(200);

/// How often an append that found no room is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What one turn leads to.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) at: Timestamp,
    pub(crate) facts: Vec<Recorded>,
    /// How many bytes the facts take in the log, at most where they are events.
    pub(crate) bytes: u64,
    /// Leave once written.
    pub(crate) after_write: Vec<Effect>,
    /// Leave once written: leases given to workers, and the word that one has to wait.
    pub(crate) leases: Vec<(Reply, Result<Answer, Failed>)>,
    /// Leave once durable.
    pub(crate) after_sync: Vec<Effect>,
    /// Leave once durable.
    pub(crate) answers: Vec<(Reply, Result<Answer, Failed>)>,
    /// Leave once durable.
    pub(crate) settled: Vec<(Replies, Vec<Result<Answer, Failed>>)>,
    /// Leave once durable.
    pub(crate) reads: Vec<Box<dyn FnOnce() + Send>>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty()
            && self.after_write.is_empty()
            && self.leases.is_empty()
            && self.after_sync.is_empty()
            && self.answers.is_empty()
            && self.settled.is_empty()
            && self.reads.is_empty()
    }

    /// Tells whether somebody acts on it before it is durable.
    fn leaves_written(&self) -> bool {
        !self.after_write.is_empty() || !self.leases.is_empty()
    }

    /// Tells everybody who waits for it that the log failed.
    fn fail(self) {
        for (reply, _) in self.answers.into_iter().chain(self.leases) {
            // Whoever asked may have gone.
            let _ = reply.send(Err(Failed::Storage));
        }
        for (replies, answers) in self.settled {
            let _ = replies.send(answers.iter().map(|_| Err(Failed::Storage)).collect());
        }
    }

    /// Tells whether somebody waits for the sync. Leases and cursors alone can wait for the next one.
    fn is_awaited(&self) -> bool {
        let idle = |recorded: &Recorded| {
            matches!(
                recorded.fact,
                Fact::DeliveryLeased(_) | Fact::CursorMoved(_) | Fact::DeliveryExtended(_)
            )
        };
        !self.answers.is_empty()
            || !self.settled.is_empty()
            || !self.reads.is_empty()
            || !self.after_sync.is_empty()
            || !self.facts.iter().all(idle)
    }
}

/// What happens to effects and durable facts. Called by whoever syncs; must not wait.
pub(crate) trait Outlet: Send + Sync {
    /// Somebody must do these.
    fn effects(&self, effects: Vec<Effect>);
    /// These are durable now, in order.
    fn durable(&self, facts: Vec<Recorded>);
    /// The engine is lost: the process must end.
    fn broken(&self, error: &AppendError);
}

/// Appends, syncs, lets go.
pub(crate) struct Writer {
    engine: Mutex<Box<dyn Engine>>,
    queue: Mutex<Queue>,
    came: Condvar,
    /// There is a place in the queue again.
    taken: Condvar,
    outlet: Arc<dyn Outlet>,
    durable: watch::Sender<Position>,
    room: Arc<Room>,
    patience: Patience,
    /// Bytes of facts that were handed over and are not appended yet.
    promised: AtomicU64,
}

#[derive(Default)]
struct Queue {
    batches: VecDeque<Batch>,
    /// Somebody is appending or syncing.
    busy: bool,
    /// Written and not synced; facts wait for that.
    unsynced: Vec<Recorded>,
    is_unsynced: bool,
    rested: bool,
    /// How often something was written.
    writes: u64,
    /// How many wait until everything is durable.
    flushers: usize,
    closing: bool,
    /// Nobody waits for room any more.
    giving_up: bool,
    broken: bool,
    /// What [`Writer::step`] has begun and its next call goes on with.
    at_hand: Option<Part>,
}

/// What becomes of an append that finds no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It waits until there is some.
    Waits,
    /// The log has failed: for whoever steps a node by one thread, which can not wait.
    #[cfg(feature = "simulation")]
    Fails,
}

/// How far a write has come.
enum Part {
    /// It is appended.
    Written(Vec<Batch>),
    /// It is durable up to a position.
    Durable(Vec<Batch>, Position),
}

impl Writer {
    pub(crate) fn new(
        engine: Box<dyn Engine>,
        outlet: Arc<dyn Outlet>,
        durable: watch::Sender<Position>,
        patience: Patience,
    ) -> Self {
        Self {
            room: engine.room(),
            engine: Mutex::new(engine),
            queue: Mutex::default(),
            came: Condvar::new(),
            taken: Condvar::new(),
            outlet,
            durable,
            patience,
            promised: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what a turn led to. With `alone` (nothing more waits) it is written at once by the caller if nobody else
    /// writes; else it is queued, and the caller waits when too much is.
    pub(crate) fn hand_over(&self, batch: Batch, alone: bool) {
        if batch.is_empty() {
            return;
        }
        self.promised.fetch_add(batch.bytes, Ordering::AcqRel);
        let mut queue = self.lock();
        if alone && !queue.busy && queue.batches.is_empty() && !queue.broken {
            queue.busy = true;
            drop(queue);
            self.write(vec![batch]);
            return;
        }
        while queue.batches.len() >= BATCHES_MAX && !queue.broken {
            queue = self.taken.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.batches.push_back(batch);
        drop(queue);
        self.came.notify_all();
    }

    /// The writer thread.
    pub(crate) fn run(&self) {
        loop {
            let mut queue = self.lock();
            let batches = loop {
                if queue.broken {
                    return;
                }
                if !queue.busy {
                    if !queue.batches.is_empty() {
                        queue.busy = true;
                        break queue.batches.drain(..).collect::<Vec<_>>();
                    }
                    if queue.is_unsynced {
                        // Nobody waits, but nothing else is to do either.
                        queue.busy = true;
                        break Vec::new();
                    }
                    if queue.closing {
                        return;
                    }
                }
                if queue.rested {
                    queue = self.came.wait(queue).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                let writes = queue.writes;
                let (again, timeout) =
                    self.came.wait_timeout(queue, REST_AFTER).unwrap_or_else(PoisonError::into_inner);
                queue = again;
                let quiet = queue.writes == writes && !queue.busy;
                let idle = quiet && queue.batches.is_empty() && !queue.is_unsynced && !queue.closing;
                if timeout.timed_out() && idle {
                    queue.rested = true;
                    queue.busy = true;
                    drop(queue);
                    self.rest();
                    queue = self.lock();
                }
            };
            drop(queue);
            self.taken.notify_all();
            self.write(batches);
        }
    }

    fn rest(&self) {
        let rested = self.engine.lock().unwrap_or_else(PoisonError::into_inner).rest();
        if let Err(error) = rested {
            self.fail(&error);
        }
        self.lock().busy = false;
        self.came.notify_all();
    }

    /// Appends and syncs; whoever calls has set `busy`.
    fn write(&self, batches: Vec<Batch>) {
        let mut part = self.append(batches);
        while let Some(next) = part {
            part = self.go_on(next);
        }
    }

    fn go_on(&self, part: Part) -> Option<Part> {
        match part {
            Part::Written(batches) => self.sync(batches),
            Part::Durable(batches, durable) => {
                self.leave(batches, durable);
                None
            }
        }
    }

    /// Appends, and lets go what may leave once written. None when that was all: nobody waits for the sync, or the log failed.
    fn append(&self, mut batches: Vec<Batch>) -> Option<Part> {
        let idle_sync = batches.is_empty();
        let awaited = idle_sync || batches.iter().any(Batch::is_awaited);
        for batch in &batches {
            if let Err(error) = self.append_one(batch) {
                self.fail_with(&error, batches);
                return None;
            }
        }
        if batches.iter().any(Batch::leaves_written) {
            let written = self.engine.lock().unwrap_or_else(PoisonError::into_inner).write_out();
            if let Err(error) = written {
                self.fail_with(&error, batches);
                return None;
            }
        }
        for batch in &mut batches {
            let effects = std::mem::take(&mut batch.after_write);
            if !effects.is_empty() {
                self.outlet.effects(effects);
            }
            for (reply, answer) in batch.leases.drain(..) {
                // A worker that has gone loses its lease by its end.
                let _ = reply.send(answer);
            }
        }
        let mut queue = self.lock();
        queue.writes += 1;
        // Whoever lets the engine rest waits without end once it does.
        if std::mem::take(&mut queue.rested) {
            self.came.notify_all();
        }
        for batch in &mut batches {
            if queue.unsynced.is_empty() {
                queue.unsynced = std::mem::take(&mut batch.facts);
            } else {
                queue.unsynced.append(&mut batch.facts);
            }
        }
        if awaited {
            return Some(Part::Written(batches));
        }
        queue.is_unsynced = true;
        queue.busy = false;
        drop(queue);
        self.came.notify_all();
        None
    }

    /// Appends a batch. What it says is true already, so it can not be refused any more: without room it waits for some.
    fn append_one(&self, batch: &Batch) -> Result<(), AppendError> {
        if batch.facts.is_empty() {
            return Ok(());
        }
        let mut waits = false;
        loop {
            let appended =
                self.engine.lock().unwrap_or_else(PoisonError::into_inner).append(batch.at, &batch.facts);
            match appended {
                Err(AppendError::NoRoom(reason)) if self.patience == Patience::Waits => {
                    if !std::mem::replace(&mut waits, true) {
                        let reason = telemetry::chain(reason.as_ref());
                        tracing::error!(
                            reason,
                            "the log has no room left, not even its reserve; everything waits until there is some: free some space"
                        );
                    }
                    let queue = self.lock();
                    if queue.giving_up {
                        return Err(AppendError::NoRoom(reason));
                    }
                    drop(self.came.wait_timeout(queue, AGAIN_AFTER));
                }
                Ok(()) => {
                    if waits {
                        tracing::warn!("the log has room again and goes on");
                    }
                    self.promised.fetch_sub(batch.bytes, Ordering::AcqRel);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn sync(&self, batches: Vec<Batch>) -> Option<Part> {
        let synced = self.engine.lock().unwrap_or_else(PoisonError::into_inner).sync();
        match synced {
            Ok(durable) => Some(Part::Durable(batches, durable)),
            Err(error) => {
                self.fail_with(&error, batches);
                None
            }
        }
    }

    /// Lets go what waited for the sync: first whoever waits for an answer, last who wants to know of the facts. To wake a
    /// thread takes long where processors are virtual.
    fn leave(&self, batches: Vec<Batch>, durable: Position) {
        let mut queue = self.lock();
        let facts = std::mem::take(&mut queue.unsynced);
        queue.is_unsynced = false;
        drop(queue);
        self.durable.send_if_modified(|known| {
            let moved = *known < durable;
            *known = durable.max(*known);
            moved
        });
        let mut effects = Vec::new();
        for batch in batches {
            for (reply, answer) in batch.answers {
                // Whoever asked may have gone; the answer stays true.
                let _ = reply.send(answer);
            }
            for (replies, answers) in batch.settled {
                let _ = replies.send(answers);
            }
            for read in batch.reads {
                read();
            }
            effects.extend(batch.after_sync);
        }
        if !effects.is_empty() {
            self.outlet.effects(effects);
        }
        if !facts.is_empty() {
            self.outlet.durable(facts);
        }
        let mut queue = self.lock();
        queue.busy = false;
        // The writer thread is woken when there is something for it.
        if !queue.batches.is_empty() || queue.is_unsynced || queue.closing || queue.flushers > 0 {
            self.came.notify_all();
        }
    }

    /// Tells whether the next turn would have to wait for the disk.
    #[cfg(feature = "simulation")]
    pub(crate) fn is_full(&self) -> bool {
        self.lock().batches.len() >= BATCHES_MAX
    }

    /// Lets the engine rest when nothing is to do. Returns whether it did.
    #[cfg(feature = "simulation")]
    pub(crate) fn rest_if_idle(&self) -> bool {
        let mut queue = self.lock();
        if queue.busy || queue.broken || queue.rested || queue.is_unsynced || !queue.batches.is_empty() {
            return false;
        }
        queue.rested = true;
        queue.busy = true;
        drop(queue);
        self.rest();
        true
    }

    /// Does one part of what waits: appends, or syncs, or lets go. For whoever runs no writer thread. Returns false when
    /// nothing waits.
    pub(crate) fn step(&self) -> bool {
        let mut queue = self.lock();
        if queue.broken {
            return false;
        }
        let at_hand = queue.at_hand.take();
        if at_hand.is_none() && (queue.busy || (queue.batches.is_empty() && !queue.is_unsynced)) {
            return false;
        }
        queue.busy = true;
        let next = match at_hand {
            Some(part) => {
                drop(queue);
                self.go_on(part)
            }
            None => {
                let batches = queue.batches.drain(..).collect();
                drop(queue);
                self.append(batches)
            }
        };
        self.taken.notify_all();
        self.lock().at_hand = next;
        true
    }

    fn fail_with(&self, error: &AppendError, batches: Vec<Batch>) {
        batches.into_iter().for_each(Batch::fail);
        self.fail(error);
    }

    fn fail(&self, error: &AppendError) {
        let mut queue = self.lock();
        queue.broken = true;
        queue.batches.drain(..).for_each(Batch::fail);
        drop(queue);
        self.came.notify_all();
        self.taken.notify_all();
        self.outlet.broken(error);
    }

    /// Waits until everything that was handed over is durable, or the log is lost. Writes by itself when nobody else does.
    pub(crate) fn flush(&self) {
        while self.step() {}
        let mut queue = self.lock();
        queue.flushers += 1;
        while (!queue.batches.is_empty() || queue.busy || queue.is_unsynced) && !queue.broken {
            queue = self.came.wait_timeout(queue, REST_AFTER).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.flushers -= 1;
    }

    /// Tells whether space runs out. Does not wait for a sync under way.
    pub(crate) fn is_space_low(&self) -> Option<bool> {
        self.engine.try_lock().ok().map(|engine| engine.is_space_low())
    }

    /// Tells whether space runs out, as far as is known without a look.
    pub(crate) fn is_known_low(&self) -> bool {
        self.room.is_low()
    }

    /// Tells whether so many bytes of a turn's facts can be appended for certain behind all that was handed over. Sees to it
    /// that they can, and waits for that where it must.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        let promised = self.promised.load(Ordering::Acquire);
        if promised.saturating_add(bytes) <= self.room.sure_bytes() {
            return true;
        }
        self.flush();
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).make_room(bytes)
    }

    /// Ends the wait for room: what waits for it fails.
    pub(crate) fn give_up(&self) {
        self.lock().giving_up = true;
        self.came.notify_all();
    }

    /// Lets the thread end when all is written.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.came.notify_all();
    }
}
