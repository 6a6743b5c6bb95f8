//! A system that was started here, and ends with its value.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// How long a start may take. Not a speed: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running system.
pub(super) struct Process {
    child: Child,
    group: Option<Pid>,
}

impl Process {
    /// Starts a program in a folder, its words into a file there, and waits until it listens on a port.
    pub(super) fn start(command: &mut Command, dir: &Path, port: u16) -> Result<Process> {
        use std::os::unix::process::CommandExt as _;
        let log = std::fs::File::create(dir.join("peer.log"))?;
        let program = command.get_program().to_string_lossy().into_owned();
        command.current_dir(dir).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let child =
            command.spawn().with_context(|| format!("`{program}` cannot be started: is it installed?"))?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let mut process = Process { child, group };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = process.child.try_wait()? {
                let said = std::fs::read_to_string(dir.join("peer.log")).unwrap_or_default();
                let end: Vec<&str> = said.lines().rev().take(5).collect();
                bail!("`{program}` ended with {status}: {}", end.join(" / "));
            }
            if Instant::now() > deadline {
                bail!("`{program}` does not listen after {} s", PATIENCE.as_secs());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(process)
    }

    /// Returns the processor time it and its children in one group have used, in seconds.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let Some(group) = self.group else { return 0.0 };
        let group = group.as_raw_nonzero().get();
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ticks = processes.filter_map(|entry| {
            let text = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
            // State, parent, group; eleven and twelve are the times in user and kernel mode.
            let of_group = fields.get(2)?.parse::<i32>().ok()? == group;
            let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
            of_group.then_some(ticks)
        });
        // The kernel counts in pieces of 10 ms.
        ticks.sum::<u64>() as f64 / 100.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// Returns a port that nobody listens on.
pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0").context("no free port")?.local_addr()?.port())
}
