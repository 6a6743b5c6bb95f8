//! What the server's process takes: processor time and memory, as the kernel counts them.

use std::time::Duration;

/// The kernel counts processor time in pieces of 10 ms on every machine that is supported.
const TICK: Duration = Duration::from_millis(10);

/// A process that is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Process(pub(super) u32);

impl Process {
    /// Returns the processor time it has used, in user and kernel mode; none when it can not be looked at.
    pub(super) fn cpu(self) -> Option<Duration> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        ticks(&text).map(|ticks| TICK * ticks)
    }

    /// Returns its resident memory in MiB.
    pub(super) fn resident_mib(self) -> Option<f64> {
        self.status("VmRSS:")
    }

    /// Returns the most memory it ever had resident, in MiB.
    pub(super) fn resident_peak_mib(self) -> Option<f64> {
        self.status("VmHWM:")
    }

    fn status(self, name: &str) -> Option<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib / 1024.0)
    }
}

fn ticks(stat: &str) -> Option<u32> {
    // The name of the program, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let kernel: u32 = fields.next()?.parse().ok()?;
    Some(user + kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_kernel_time_are_added_whatever_the_program_is_called() {
        let stat = "12 (a ) b) S 1 12 12 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 9 0 100 200 300";
        assert_eq!(ticks(stat), Some(300));
    }
}
