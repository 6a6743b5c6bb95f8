//! Who has ended: a thread that collects every dead child, the program and adopted orphans alike.

use std::io::{self, PipeReader, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, WaitStatus, kill_process_group, wait, waitid,
};

/// What has been seen so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    /// How the program ended.
    pub(super) status: Option<WaitStatus>,
    /// The guardian has no descendants left, neither started nor adopted.
    pub(super) all_gone: bool,
}

/// The reaping thread's shared notes.
pub(super) struct Reaper {
    program: Pid,
    seen: Arc<Mutex<Seen>>,
    /// Becomes readable when there is something new to see.
    pub(super) news: PipeReader,
}

impl Reaper {
    /// Starts the thread. It ends with the last descendant.
    pub(super) fn start(program: Pid) -> io::Result<Self> {
        let (news, mut tell) = io::pipe()?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        std::thread::Builder::new().name("reaper".into()).stack_size(64 << 10).spawn(move || {
            loop {
                // Only looks: the dead keep their numbers until the lock is held, so signals can not hit a stranger.
                let waited = waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
                if matches!(waited, Err(Errno::INTR)) {
                    continue;
                }
                let mut seen = lock(&shared);
                while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
                    if pid == program {
                        seen.status = Some(status);
                        // Fails only if the loop has given up and closed its end.
                        let _ = tell.write_all(b".");
                    }
                }
                if waited.is_err() {
                    seen.all_gone = true;
                    let _ = tell.write_all(b".");
                    return;
                }
            }
        })?;
        Ok(Self { program, seen, news })
    }

    pub(super) fn seen(&self) -> Seen {
        *lock(&self.seen)
    }

    /// Signals the program's whole group while its number is certainly its own.
    ///
    /// All signals or none: the first may end the program, and the group must still get the second.
    pub(super) fn signal_group(&self, signals: &[Signal]) {
        let seen = lock(&self.seen);
        if seen.status.is_none() {
            for signal in signals {
                let _ = kill_process_group(self.program, *signal);
            }
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
