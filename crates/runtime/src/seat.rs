//! Where the turn is taken: by its own thread, or by whoever asks for something when nobody else is at it.
//!
//! To hand a command to a sleeping thread and the answer back costs two wakes, which on a virtual machine is as long as the sync
//! itself. So whoever asks alone, again and again, runs the turn where it stands. As soon as there are two, the thread does it:
//! then one decides while the other syncs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::turn::Turn;

/// Who asks alone so often in a row runs the turn.
const ALONE_MIN: usize = 4;

/// The turn, when there is one, and who asks for something now.
#[derive(Default)]
pub(crate) struct Seat {
    turn: Mutex<Option<Turn>>,
    asking: AtomicUsize,
    /// How often in a row somebody asked while nobody else did.
    alone: AtomicUsize,
}

/// A turn was cut short by a panic: what it knew is in doubt, and the log is not. Ends the process, if there was a turn.
fn cut_short<T>(turn: MutexGuard<'_, Option<Turn>>) -> Option<T> {
    match turn.as_ref() {
        Some(turn) => turn.broken("a turn was cut short by a panic"),
        None => None,
    }
}

/// Somebody asks for something, until this is dropped.
pub(crate) struct Asking<'a> {
    seat: &'a Seat,
    is_alone: bool,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.seat.asking.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Seat {
    /// Puts the turn where it is taken.
    pub(crate) fn set(&self, turn: Turn) {
        *self.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
    }

    /// Takes the turn away: nobody takes it any more.
    pub(crate) fn end(&self) -> Option<Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits for the turn; None when it was taken away.
    pub(crate) fn with<T>(&self, take: impl FnOnce(&mut Turn) -> T) -> Option<T> {
        match self.turn.lock() {
            Ok(mut turn) => turn.as_mut().map(take),
            Err(poisoned) => cut_short(poisoned.into_inner()),
        }
    }

    /// Counts somebody who asks.
    pub(crate) fn ask(&self) -> Asking<'_> {
        let is_alone = self.asking.fetch_add(1, Ordering::Relaxed) == 0;
        let before = match is_alone {
            true => self.alone.fetch_add(1, Ordering::Relaxed),
            false => self.alone.swap(0, Ordering::Relaxed),
        };
        Asking { seat: self, is_alone: is_alone && before >= ALONE_MIN }
    }

    /// Returns the turn for who asks alone, unless somebody is at it, or this thread may not wait for a disk. Not for tasks of a
    /// [`LocalSet`](tokio::task::LocalSet): those may never wait, and the runtime does not tell.
    pub(crate) fn free(&self, asking: &Asking<'_>) -> Option<MutexGuard<'_, Option<Turn>>> {
        let may_wait =
            || Handle::try_current().is_ok_and(|it| it.runtime_flavor() == RuntimeFlavor::MultiThread);
        if !asking.is_alone || !may_wait() {
            return None;
        }
        match self.turn.try_lock() {
            Ok(turn) => turn.is_some().then_some(turn),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Poisoned(poisoned)) => cut_short(poisoned.into_inner()),
        }
    }
}
