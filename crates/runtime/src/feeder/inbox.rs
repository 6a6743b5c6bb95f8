//! What the feeder is told: durable facts, and which lanes to feed. Bounded: facts beyond are in the log anyway.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use cantus_core::Position;
use cantus_core::fact::{Fact, Recorded};

/// How many bytes of events may wait in memory.
const BYTES_MAX: usize = 32 * 1024 * 1024;

/// Which lane to feed, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feeding {
    pub(crate) subscription: u32,
    pub(crate) lane: usize,
    pub(crate) round: u32,
    pub(crate) after: Option<Position>,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<(Vec<Recorded>, usize)>,
    bytes: usize,
    feedings: Vec<Feeding>,
    closing: bool,
}

/// What the feeder is told.
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    came: Condvar,
}

/// What there was.
pub(crate) struct Taken {
    pub(crate) frames: Vec<Vec<Recorded>>,
    pub(crate) feedings: Vec<Feeding>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::default(), came: Condvar::new() }
    }

    /// Adds durable facts, in order. When too many wait, the newest are left to the log.
    pub(crate) fn durable(&self, facts: Vec<Recorded>) {
        let weight: usize = facts.iter().map(weight).sum();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.bytes + weight <= BYTES_MAX || waiting.frames.is_empty() {
            waiting.bytes += weight;
            waiting.frames.push_back((facts, weight));
        }
        drop(waiting);
        self.came.notify_one();
    }

    /// Adds a lane to feed.
    pub(crate) fn feed(&self, subscription: u32, lane: usize, round: u32, after: Option<Position>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.feedings.push(Feeding { subscription, lane, round, after });
        drop(waiting);
        self.came.notify_one();
    }

    /// Takes what there is, waiting up to `patience` for something; None at the end.
    pub(crate) fn take(&self, patience: Duration) -> Option<Taken> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = |waiting: &mut Waiting| {
            waiting.frames.is_empty() && waiting.feedings.is_empty() && !waiting.closing
        };
        let (mut waiting, _) =
            self.came.wait_timeout_while(waiting, patience, nothing).unwrap_or_else(PoisonError::into_inner);
        if waiting.closing {
            return None;
        }
        waiting.bytes = 0;
        let frames = waiting.frames.drain(..).map(|(facts, _)| facts).collect();
        Some(Taken { frames, feedings: std::mem::take(&mut waiting.feedings) })
    }

    /// Tells whether no facts wait.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).frames.is_empty()
    }

    /// Lets the thread end.
    pub(crate) fn close(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).closing = true;
        self.came.notify_all();
    }
}

fn weight(recorded: &Recorded) -> usize {
    match &recorded.fact {
        Fact::EventPublished(published) => published.event.weight(),
        _ => 256,
    }
}
