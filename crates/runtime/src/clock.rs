//! Log time: never goes back, measured by the boot-time clock, which counts while the machine sleeps.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use cantus_core::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// What a clock looks at: the machine's time, or that of a simulation.
pub trait TimeSource: Debug + Send + Sync {
    /// Returns milliseconds since some moment before the start; it never goes back and counts while the machine sleeps.
    fn boot_ms(&self) -> i64;

    /// Returns milliseconds since 1970 as people see them; they may jump.
    fn wall_ms(&self) -> i64;
}

/// The machine's own time.
#[derive(Clone, Copy, Debug)]
pub struct MachineTime;

/// The clock of one start of the server.
#[derive(Debug)]
pub struct Clock {
    source: Arc<dyn TimeSource>,
    /// Log time at the start.
    base: i64,
    /// The boot-time clock at the start, in milliseconds.
    booted: i64,
    /// What the wall clock should say beyond the boot-time clock, to notice that it jumped.
    wall_offset: AtomicI64,
}

impl Clock {
    /// Starts a clock that goes on from the log's last time, or from the wall clock if that is later.
    pub fn start(last: Timestamp) -> Self {
        Self::over(Arc::new(MachineTime), last)
    }

    /// The same over another source of time.
    pub fn over(source: Arc<dyn TimeSource>, last: Timestamp) -> Self {
        let (booted, wall) = (source.boot_ms(), source.wall_ms());
        Self { source, base: last.0.max(wall), booted, wall_offset: AtomicI64::new(wall - booted) }
    }

    /// Returns the log time.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.base + (self.source.boot_ms() - self.booted).max(0))
    }

    /// Returns what the wall clock says.
    pub fn wall(&self) -> Timestamp {
        Timestamp(self.source.wall_ms())
    }

    /// Returns by how many milliseconds the wall clock has jumped since the last call, when it is more than a second.
    pub fn wall_jump(&self) -> Option<i64> {
        let offset = self.source.wall_ms() - self.source.boot_ms();
        let by = offset - self.wall_offset.load(Ordering::Relaxed);
        if by.abs() <= 1_000 {
            return None;
        }
        self.wall_offset.store(offset, Ordering::Relaxed);
        Some(by)
    }
}

impl TimeSource for MachineTime {
    fn boot_ms(&self) -> i64 {
        #[cfg(target_os = "linux")]
        let clock = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = ClockId::Monotonic;
        let time = clock_gettime(clock);
        time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
    }

    fn wall_ms(&self) -> i64 {
        // A wall clock before 1970 counts as 1970: log time then goes on from the log alone.
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_time_goes_on_from_the_log_when_the_wall_clock_is_behind() {
        let future = Timestamp(MachineTime.wall_ms() + 3_600_000);
        let clock = Clock::start(future);
        assert!(clock.now() >= future);
    }

    #[test]
    fn log_time_starts_at_the_wall_clock_when_that_is_later() {
        let before = MachineTime.wall_ms();
        assert!(Clock::start(Timestamp(0)).now().0 >= before);
    }
}
