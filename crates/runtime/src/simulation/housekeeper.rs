//! Housekeeping that is stepped: it has a thread of its own, and of the two only one ever runs. So its code is the code
//! that serves, and what it meets in between is drawn.

use std::panic::resume_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::housekeeping::{Keeper, Steps};

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    World,
    Keeper,
    /// The keeper is to end.
    End,
    /// It has ended.
    Nobody,
}

/// One at a time.
#[derive(Debug)]
struct Baton {
    whose: Mutex<(Whose, bool)>,
    passed: Condvar,
}

/// A housekeeper that is stepped.
pub(super) struct Housekeeper {
    baton: Arc<Baton>,
    keeper: Option<Keeper>,
    thread: Option<JoinHandle<()>>,
}

impl Baton {
    fn lock(&self) -> MutexGuard<'_, (Whose, bool)> {
        self.whose.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass_to(&self, next: Whose) {
        let mut whose = self.lock();
        if whose.0 != Whose::End || next == Whose::Nobody {
            whose.0 = next;
        }
        drop(whose);
        self.passed.notify_all();
    }

    /// Waits until it is not `other`'s turn any more. Returns whose it is.
    fn wait_for(&self, other: Whose) -> Whose {
        let waiting = self.passed.wait_while(self.lock(), |whose| whose.0 == other);
        waiting.unwrap_or_else(PoisonError::into_inner).0
    }

    fn set_busy(&self, busy: bool) {
        self.lock().1 = busy;
    }
}

impl Steps for Baton {
    fn give_way(&self) -> bool {
        self.pass_to(Whose::World);
        self.wait_for(Whose::World) == Whose::Keeper
    }
}

/// Says that the keeper has ended, however it did.
struct Ending(Arc<Baton>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.set_busy(false);
        self.0.pass_to(Whose::Nobody);
    }
}

impl Housekeeper {
    pub(super) fn of(keeper: Keeper) -> Self {
        let baton = Arc::new(Baton { whose: Mutex::new((Whose::World, false)), passed: Condvar::new() });
        let keeper = Some(keeper.stepped(baton.clone()));
        Self { baton, keeper, thread: None }
    }

    /// Lets it go on until it gives way. Returns whether it is in the middle of a pass.
    pub(super) fn step(&mut self) -> bool {
        self.baton.pass_to(Whose::Keeper);
        if let Some(mut keeper) = self.keeper.take() {
            let ending = Ending(self.baton.clone());
            self.thread = Some(std::thread::spawn(move || {
                let baton = ending.0.clone();
                loop {
                    baton.set_busy(true);
                    keeper.pass();
                    baton.set_busy(false);
                    if !baton.give_way() {
                        return;
                    }
                }
            }));
        }
        if self.baton.wait_for(Whose::Keeper) == Whose::Nobody
            && let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
        {
            resume_unwind(panic);
        }
        self.baton.lock().1
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        {
            let mut whose = self.baton.lock();
            if whose.0 != Whose::Nobody {
                whose.0 = Whose::End;
            }
        }
        self.baton.passed.notify_all();
        // What it died of was told by the step that it died in.
        drop(thread.join());
    }
}
