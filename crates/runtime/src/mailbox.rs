//! What is asked of the turn: two bounded queues, so that a flood of publishes never starves outcomes and timers.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cantus_core::command::{Answer, Command, Now};
use cantus_core::coordinator::Offers;
use cantus_core::{Coordinator, Position, Timestamp};
use cantus_engine::Frozen;
use tokio::sync::oneshot;

use crate::handle::Failed;

/// How many requests may wait for their turn.
const REQUESTS_MAX: usize = 16_384;
/// How many bytes of requests may wait.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// How many outcomes may wait before those who bring them wait too.
const OUTCOMES_MAX: usize = 65_536;
/// How many items one turn takes.
const TURN_ITEMS_MAX: usize = 4_096;
/// How many bytes of requests one turn takes: a frame stays well below its limit.
const TURN_BYTES_MAX: usize = 12 * 1024 * 1024;

/// Who waits for an answer.
pub(crate) type Reply = oneshot::Sender<Result<Answer, Failed>>;

/// Who waits for several answers at once, in the order of what was asked.
pub(crate) type Replies = oneshot::Sender<Vec<Result<Answer, Failed>>>;

/// Reads what is true, and returns what hands the result on once all it rests on is durable.
pub(crate) type ReadFn = Box<dyn FnOnce(&Coordinator, Now) -> Box<dyn FnOnce() + Send> + Send>;

/// What is asked of the turn.
pub(crate) enum Item {
    /// A command, and who waits for its answer.
    Command(Box<Command>, Option<Reply>),
    /// Several answers of workers at once, each for itself, and who waits for what becomes of them.
    Settles(Vec<Command>, Replies),
    /// A look at what is true.
    Read(ReadFn),
    /// Events that match subscriptions.
    Offers(Offers),
    /// All state as of a position that is at least this one; None when there is no checkpoint.
    Freeze(Position, SyncSender<Option<Box<dyn Frozen>>>),
}

impl Item {
    /// Returns for how many outcomes it counts.
    fn outcomes(&self) -> usize {
        match self {
            Item::Settles(settles, _) => settles.len().max(1),
            Item::Command(..) | Item::Read(_) | Item::Offers(_) | Item::Freeze(..) => 1,
        }
    }
}

/// The queues of one turn.
pub(crate) struct Mailbox {
    queues: Mutex<Queues>,
    came: Condvar,
    room: Condvar,
}

#[derive(Default)]
struct Queues {
    outcomes: VecDeque<Item>,
    /// How many outcomes these are: an item may hold several.
    outcomes_count: usize,
    requests: VecDeque<(Item, usize)>,
    bytes: usize,
    /// Nothing new is taken; what is there is done.
    closing: bool,
    /// Requests are refused, outcomes are taken.
    draining: bool,
    /// When the turn's thread wakes by itself; None while it does not sleep.
    wakes_at: Option<Instant>,
    /// It should wake now.
    woken: bool,
    /// How many wait until there is room.
    patient: usize,
}

/// Why the mailbox takes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// Too much waits.
    Overloaded,
    /// The server stops.
    Closing,
}

/// What a turn is about.
pub(crate) struct Taken {
    pub(crate) items: Vec<Item>,
    /// Whether nothing more waits.
    pub(crate) empty: bool,
    pub(crate) closing: bool,
}

impl Mailbox {
    pub(crate) fn new() -> Self {
        Self { queues: Mutex::default(), came: Condvar::new(), room: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request that weighs so many bytes.
    pub(crate) fn request(&self, item: Item, weight: usize) -> Result<(), Full> {
        let sleeps = self.add_request(item, weight)?;
        self.wake_if(sleeps);
        Ok(())
    }

    /// Adds a request. Whoever calls takes it as well. Tells whether the turn's thread sleeps.
    pub(crate) fn add_request(&self, item: Item, weight: usize) -> Result<bool, Full> {
        let mut queues = self.lock();
        if queues.closing || queues.draining {
            return Err(Full::Closing);
        }
        if queues.requests.len() >= REQUESTS_MAX || (queues.bytes > 0 && queues.bytes + weight > BYTES_MAX) {
            return Err(Full::Overloaded);
        }
        queues.bytes += weight;
        queues.requests.push_back((item, weight));
        Ok(queues.wakes_at.is_some())
    }

    /// Adds an outcome or a look at what is true.
    pub(crate) fn outcome(&self, item: Item) -> Result<(), Full> {
        let sleeps = self.add_outcome(item)?;
        self.wake_if(sleeps);
        Ok(())
    }

    /// Adds an outcome. Whoever calls takes it as well. Tells whether the turn's thread sleeps.
    pub(crate) fn add_outcome(&self, item: Item) -> Result<bool, Full> {
        let mut queues = self.lock();
        if queues.closing {
            return Err(Full::Closing);
        }
        if queues.outcomes_count >= OUTCOMES_MAX {
            return Err(Full::Overloaded);
        }
        queues.outcomes_count += item.outcomes();
        queues.outcomes.push_back(item);
        Ok(queues.wakes_at.is_some())
    }

    /// To wake somebody costs a call of the kernel, also when nobody sleeps.
    fn wake_if(&self, sleeps: bool) {
        if sleeps {
            self.came.notify_one();
        }
    }

    /// Adds an outcome, waiting until there is room. For threads that may wait.
    pub(crate) fn outcome_patiently(&self, item: Item) -> Result<(), Full> {
        let mut queues = self.lock();
        queues.patient += 1;
        while queues.outcomes_count >= OUTCOMES_MAX && !queues.closing {
            queues = self.room.wait(queues).unwrap_or_else(PoisonError::into_inner);
        }
        queues.patient -= 1;
        if queues.closing {
            return Err(Full::Closing);
        }
        queues.outcomes_count += item.outcomes();
        queues.outcomes.push_back(item);
        let sleeps = queues.wakes_at.is_some();
        drop(queues);
        self.wake_if(sleeps);
        Ok(())
    }

    /// Says how long the turn's thread will sleep at most. To be said by whoever has the turn, which tells how long that is.
    pub(crate) fn will_sleep(&self, patience: Duration) {
        self.lock().wakes_at = Some(Instant::now() + patience);
    }

    /// Waits until something is there to take, or for as long as was said.
    pub(crate) fn wait(&self) {
        let mut queues = self.lock();
        let deadline = queues.wakes_at.unwrap_or_else(Instant::now);
        while queues.outcomes.is_empty() && queues.requests.is_empty() && !queues.closing && !queues.woken {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            queues = self.came.wait_timeout(queues, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        queues.wakes_at = None;
        queues.woken = false;
    }

    /// Wakes the turn's thread if it sleeps for longer than this.
    pub(crate) fn wake_within(&self, patience: Duration) {
        let mut queues = self.lock();
        if queues.wakes_at.is_some_and(|wakes_at| wakes_at > Instant::now() + patience) {
            queues.woken = true;
            drop(queues);
            self.came.notify_one();
        }
    }

    /// Takes what waits, outcomes first.
    pub(crate) fn take(&self) -> Taken {
        let mut queues = self.lock();
        let mut items = Vec::new();
        let mut outcomes = 0;
        while outcomes < TURN_ITEMS_MAX {
            let Some(item) = queues.outcomes.pop_front() else { break };
            outcomes += item.outcomes();
            items.push(item);
        }
        queues.outcomes_count -= outcomes;
        let mut bytes = 0;
        // Requests get their share of a turn however many outcomes there are.
        let mut requests_left = TURN_ITEMS_MAX;
        while requests_left > 0 && bytes < TURN_BYTES_MAX {
            let Some((item, weight)) = queues.requests.pop_front() else { break };
            queues.bytes -= weight;
            bytes += weight;
            requests_left -= 1;
            items.push(item);
        }
        let empty = queues.outcomes.is_empty() && queues.requests.is_empty();
        let (closing, patient) = (queues.closing, queues.patient);
        drop(queues);
        if patient > 0 {
            self.room.notify_all();
        }
        Taken { items, empty, closing }
    }

    /// Tells whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        let queues = self.lock();
        queues.outcomes.is_empty() && queues.requests.is_empty()
    }

    /// Refuses further requests; outcomes are still taken.
    pub(crate) fn drain(&self) {
        self.lock().draining = true;
    }

    /// Takes nothing more and lets the turn end when all is done.
    pub(crate) fn close(&self) {
        self.lock().closing = true;
        self.came.notify_all();
        self.room.notify_all();
    }
}

/// Returns how long it is until a time, for waiting.
pub(crate) fn until(due: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(due.0.saturating_sub(now.0)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    use super::*;

    const FOR_EVER: Duration = Duration::from_secs(100_000);

    #[test]
    fn the_thread_of_the_turn_is_woken_by_what_comes_and_by_what_is_due_before_it_would_wake() {
        let mailbox = Arc::new(Mailbox::new());
        let (awake, wakes) = channel();
        let sleeper = std::thread::spawn({
            let mailbox = mailbox.clone();
            move || {
                for _ in 0..2 {
                    mailbox.wait();
                    let taken = mailbox.take().items.len();
                    mailbox.will_sleep(FOR_EVER);
                    awake.send(taken).unwrap();
                }
            }
        });
        // Nobody said how long: it does not sleep at all.
        assert_eq!(wakes.recv().unwrap(), 0);
        mailbox.wake_within(FOR_EVER + FOR_EVER);
        mailbox.wake_within(Duration::from_secs(1));
        assert_eq!(wakes.recv().unwrap(), 0);
        sleeper.join().unwrap();
        mailbox.will_sleep(FOR_EVER);
        let read = || Item::Read(Box::new(|_, _| Box::new(|| ())));
        mailbox.outcome(read()).unwrap();
        mailbox.add_outcome(read()).unwrap();
        mailbox.wait();
        assert_eq!(mailbox.take().items.len(), 2);
    }
}
