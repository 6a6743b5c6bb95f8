//! Other processes, as `/proc` shows them: who descends from whom, and signals that can not hit a stranger.
//!
//! Where there is no `/proc` (macOS) nothing is found, and only process groups are signalled.

use std::collections::{HashMap, HashSet};
use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A process that can be told from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) pid: i32,
    /// Its start in clock ticks since boot; 0 if it could not be read.
    started_ticks: u64,
    boot_id: String,
    /// Numbers mean something only here; a container that is started again has another one.
    namespace: String,
}

impl Identity {
    /// Returns the identity of a process that is known to exist.
    pub(super) fn of(pid: Pid) -> Self {
        let pid = pid.as_raw_pid();
        let started_ticks = Process::read(pid).map_or(0, |process| process.started_ticks);
        Self { pid, started_ticks, boot_id: boot_id(), namespace: namespace() }
    }
}

/// A line of `/proc/<pid>/stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pid: i32,
    zombie: bool,
    parent: i32,
    session: i32,
    started_ticks: u64,
}

impl Process {
    fn read(pid: i32) -> Option<Self> {
        Self::parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(pid: i32, stat: &str) -> Option<Self> {
        // The name stands in parentheses and may itself contain any of them; the last one ends it.
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        Some(Self {
            pid,
            zombie: *fields.first()? == "Z",
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            started_ticks: fields.get(19)?.parse().ok()?,
        })
    }

    /// Sends a signal to this very process; one that has taken its number since is spared.
    fn signal(&self, signal: Signal) {
        let Some(pid) = Pid::from_raw(self.pid) else { return };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        // The handle is held, so if the start still agrees it is the process that was seen.
        if Self::read(self.pid).is_some_and(|now| now.started_ticks == self.started_ticks) {
            let _ = pidfd_send_signal(handle, signal);
        }
    }
}

/// Kills every living descendant of this process, and returns how many there were.
pub(super) fn kill_descendants() -> u32 {
    let all = all();
    let mut children: HashMap<i32, Vec<&Process>> = HashMap::new();
    for process in &all {
        children.entry(process.parent).or_default().push(process);
    }
    let mut found = 0;
    let mut seen = HashSet::new();
    let mut parents = vec![rustix::process::getpid().as_raw_pid()];
    while let Some(parent) = parents.pop() {
        for child in children.get(&parent).into_iter().flatten().filter(|child| seen.insert(child.pid)) {
            parents.push(child.pid);
            if !child.zombie {
                found += 1;
                child.signal(Signal::KILL);
            }
        }
    }
    found
}

/// Kills what is left in the session of a guardian that was itself killed.
pub(super) fn kill_session(guardian: &Identity) {
    let elsewhere = guardian.boot_id != boot_id() || guardian.namespace != namespace();
    if elsewhere || guardian.started_ticks == 0 {
        return;
    }
    let all = all();
    // A number can be taken again only once its session is empty; then whoever leads it now started later.
    let taken = all
        .iter()
        .any(|process| process.pid == guardian.pid && process.started_ticks != guardian.started_ticks);
    if !taken {
        all.iter()
            .filter(|process| process.session == guardian.pid)
            .for_each(|process| process.signal(Signal::KILL));
    }
}

fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(Process::read).collect()
}

/// Names the space in which process numbers are given out.
fn namespace() -> String {
    fs::read_link("/proc/self/ns/pid").unwrap_or_default().to_string_lossy().into_owned()
}

/// Names this boot of the machine; empty where it has no name.
pub(super) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_named_to_deceive_is_read_rightly() {
        let stat = "7 (a) R 1 (b) S 3 4 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0";
        let process = Process::parse(7, stat).unwrap();
        assert_eq!((process.zombie, process.parent, process.session), (false, 3, 5));
        assert_eq!(process.started_ticks, 4242);
    }
}
