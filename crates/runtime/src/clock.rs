//! Log time: never goes back, measured by the boot-time clock, which counts while the machine sleeps.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use cantus_core::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// The clock of one start of the server.
#[derive(Debug)]
pub struct Clock {
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
        let (booted, wall) = (boot_ms(), wall_ms());
        Self { base: last.0.max(wall), booted, wall_offset: AtomicI64::new(wall - booted) }
    }

    /// Returns the log time.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.base + (boot_ms() - self.booted).max(0))
    }

    /// Returns what the wall clock says.
    pub fn wall(&self) -> Timestamp {
        Timestamp(wall_ms())
    }

    /// Returns by how many milliseconds the wall clock has jumped since the last call, when it is more than a second.
    pub fn wall_jump(&self) -> Option<i64> {
        let offset = wall_ms() - boot_ms();
        let by = offset - self.wall_offset.load(Ordering::Relaxed);
        if by.abs() <= 1_000 {
            return None;
        }
        self.wall_offset.store(offset, Ordering::Relaxed);
        Some(by)
    }
}

fn boot_ms() -> i64 {
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    let time = clock_gettime(clock);
    time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
}

fn wall_ms() -> i64 {
    // A wall clock before 1970 counts as 1970: log time then goes on from the log alone.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_time_goes_on_from_the_log_when_the_wall_clock_is_behind() {
        let future = Timestamp(wall_ms() + 3_600_000);
        let clock = Clock::start(future);
        assert!(clock.now() >= future);
    }

    #[test]
    fn log_time_starts_at_the_wall_clock_when_that_is_later() {
        let before = wall_ms();
        assert!(Clock::start(Timestamp(0)).now().0 >= before);
    }
}
