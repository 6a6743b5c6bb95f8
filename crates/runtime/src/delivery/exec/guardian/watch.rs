//! The guardian's loop: waits for output, ends, the bell and the clock, until no descendant is left.
//!
//! ```text
//! Running ── deadline, cancel ──▶ Terminating (TERM sent) ── kill_after ──▶ Killing ── none left ──▶ done
//!    └────── program ended ─────▶ Lingering ────────────────── a second ──────┘
//! ```

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal};

use super::capture::Capture;
use super::now;
use super::reaper::{Reaper, Seen};
use crate::delivery::exec::life::Bell;
use crate::delivery::exec::outcome::End;
use crate::delivery::exec::processes;
#[cfg(target_os = "linux")]
use crate::delivery::exec::sandbox::Relay;
use crate::delivery::exec::state::Kept;

/// What outlives the program, such as the `tee` behind its output, gets this long to finish by itself.
const LINGER: Duration = Duration::from_secs(1);
/// A killed process may take a moment to go; one that can not be killed (another user's) is given up after this.
const GIVE_UP_AFTER: Duration = Duration::from_secs(5);
const KILL_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// `poll` sleeps through a suspended machine; looking at the clock now and then notices.
const LOOK_UP_EVERY: Duration = Duration::from_secs(30);

/// Everything the loop waits for.
pub(super) struct Watch {
    pub(super) deadline: Duration,
    pub(super) kill_after: Duration,
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
    pub(super) bell: Bell,
    #[cfg(target_os = "linux")]
    pub(super) relay: Option<Relay>,
}

/// What the loop has seen when all are gone.
pub(super) struct Report {
    pub(super) end: End,
    pub(super) stdout: Kept,
    pub(super) stderr: Kept,
    pub(super) leftovers: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Terminating { kill_at: Duration },
    Lingering { kill_at: Duration },
    Killing { give_up_at: Duration },
}

impl Watch {
    /// Returns once the program and every descendant of it are gone, and its outputs are on disk.
    pub(super) fn until_all_are_gone(mut self, program: Pid) -> io::Result<Report> {
        let mut reaper = Reaper::start(program)?;
        let mut phase = Phase::Running;
        let mut ended_by_us = None;
        let mut leftovers = 0;
        loop {
            let seen = reaper.seen();
            if seen.all_gone {
                break;
            }
            let now = now();
            phase = match phase {
                Phase::Running if self.end(seen).is_some() => Phase::Lingering { kill_at: now + LINGER },
                Phase::Running if self.bell.cancelled() => {
                    ended_by_us = Some(End::Cancelled);
                    self.terminate(&reaper, now)
                }
                Phase::Running if now >= self.deadline => {
                    ended_by_us = Some(End::TimedOut);
                    self.terminate(&reaper, now)
                }
                Phase::Terminating { kill_at } | Phase::Lingering { kill_at } if now >= kill_at => {
                    Phase::Killing { give_up_at: now + GIVE_UP_AFTER }
                }
                phase => phase,
            };
            if let Phase::Killing { give_up_at } = phase {
                reaper.signal_group(&[Signal::KILL]);
                leftovers = processes::kill_descendants();
                if now >= give_up_at {
                    break;
                }
            }
            self.wait(&mut reaper, wake_at(phase, self.deadline).saturating_sub(now))?;
        }
        let seen = reaper.seen();
        let end = self.end(seen).unwrap_or(End::Unknown);
        // The last words are still in the pipes.
        self.stdout.take();
        self.stderr.take();
        Ok(Report {
            end: ended_by_us.unwrap_or(end),
            stdout: self.stdout.finish()?,
            stderr: self.stderr.finish()?,
            leftovers: if seen.all_gone { 0 } else { leftovers },
        })
    }

    /// How the program ended, if it has.
    #[cfg(target_os = "linux")]
    fn end(&mut self, seen: Seen) -> Option<End> {
        match &mut self.relay {
            // The first process of a sandbox ends without a word only when it is killed, and the program with it.
            Some(relay) => relay.end().or(seen.status.map(|_| End::Signaled(Signal::KILL.as_raw()))),
            None => end(seen),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn end(&mut self, seen: Seen) -> Option<End> {
        end(seen)
    }

    fn terminate(&self, reaper: &Reaper, now: Duration) -> Phase {
        // A stopped process takes the first signal only when the second lets it go on.
        reaper.signal_group(&[Signal::TERM, Signal::CONT]);
        Phase::Terminating { kill_at: now + self.kill_after }
    }

    /// Waits for anything to happen, and takes what the program has written.
    fn wait(&mut self, reaper: &mut Reaper, timeout: Duration) -> io::Result<()> {
        let timeout =
            Timespec::try_from(timeout.min(LOOK_UP_EVERY)).expect("half a minute fits in a timespec");
        let (news, rung) = {
            let mut waits = vec![
                PollFd::from_borrowed_fd(reaper.news.as_fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.bell.file.as_fd(), PollFlags::IN),
            ];
            let outputs = [self.stdout.waits_for(), self.stderr.waits_for()];
            waits.extend(
                outputs.into_iter().flatten().map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN)),
            );
            #[cfg(target_os = "linux")]
            waits.extend(
                self.relay
                    .as_ref()
                    .and_then(Relay::waits_for)
                    .map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::IN)),
            );
            match poll(&mut waits, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            (waits[0].revents().contains(PollFlags::IN), waits[1].revents().contains(PollFlags::IN))
        };
        if news {
            let _ = reaper.news.read(&mut [0; 16])?;
        }
        if rung {
            // Emptied here too, as nobody asks any more once the program is being ended.
            self.bell.cancelled();
        }
        self.stdout.take();
        self.stderr.take();
        Ok(())
    }
}

fn wake_at(phase: Phase, deadline: Duration) -> Duration {
    match phase {
        Phase::Running => deadline,
        Phase::Terminating { kill_at } | Phase::Lingering { kill_at } => kill_at,
        Phase::Killing { .. } => now() + KILL_AGAIN_AFTER,
    }
}

fn end(seen: Seen) -> Option<End> {
    let status = seen.status?;
    Some(match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => End::Exited(code),
        (None, Some(signal)) => End::Signaled(signal),
        (None, None) => End::Unknown,
    })
}
