//! What wakes the housekeeper, and ends it.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What wakes the housekeeper, and ends it.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Mutex<Rung>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct Rung {
    now: bool,
    stop: bool,
}

impl Bell {
    /// Asks for a pass now.
    pub(crate) fn ring(&self) {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).now = true;
        self.came.notify_all();
    }

    /// Lets the thread end.
    pub(crate) fn stop(&self) {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).stop = true;
        self.came.notify_all();
    }

    /// Tells whether the thread is to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).stop
    }

    /// Waits for a ring, or for so long. Returns false when the thread is to end.
    pub(crate) fn wait(&self, patience: Duration) -> bool {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = |rung: &mut Rung| !rung.now && !rung.stop;
        let (mut rung, _) =
            self.came.wait_timeout_while(rung, patience, quiet).unwrap_or_else(PoisonError::into_inner);
        rung.now = false;
        !rung.stop
    }

    /// Rests for so long, whoever rings. Returns false when the thread is to end.
    pub(crate) fn rest(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if rung.stop || left.is_zero() {
                return !rung.stop;
            }
            rung = self.came.wait_timeout(rung, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
