//! Time that passes when the world says so.

use std::sync::atomic::{AtomicI64, Ordering};

use cantus_runtime::TimeSource;

/// The time of one machine: it survives restarts of the process.
#[derive(Debug)]
pub(crate) struct VirtualTime {
    boot: AtomicI64,
    wall: AtomicI64,
}

/// The 1st of January 2026.
const BEGIN_MS: i64 = 1_767_225_600_000;

impl Default for VirtualTime {
    fn default() -> Self {
        Self { boot: AtomicI64::new(1_000), wall: AtomicI64::new(BEGIN_MS) }
    }
}

impl VirtualTime {
    /// Lets time pass.
    pub(crate) fn pass(&self, ms: i64) {
        self.boot.fetch_add(ms, Ordering::Relaxed);
        self.wall.fetch_add(ms, Ordering::Relaxed);
    }

    /// Somebody sets the wall clock.
    pub(crate) fn jump(&self, ms: i64) {
        self.wall.fetch_add(ms, Ordering::Relaxed);
    }

    /// The machine was off: its boot clock starts anew.
    pub(crate) fn reboot(&self) {
        self.boot.store(1_000, Ordering::Relaxed);
    }
}

impl TimeSource for VirtualTime {
    fn boot_ms(&self) -> i64 {
        self.boot.load(Ordering::Relaxed)
    }

    fn wall_ms(&self) -> i64 {
        self.wall.load(Ordering::Relaxed)
    }
}
