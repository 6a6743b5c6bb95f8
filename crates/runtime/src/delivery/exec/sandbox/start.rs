//! The guardian's side of a sandbox: checks the program, starts the first process, and hears how it went.

use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, getgid, getuid, kill_process, setpgid};

use super::checked::Checked;
use super::confinement::{Confinement, Network};
use super::first::{self, Handover};
use super::kernel::{self, Side};
use crate::delivery::exec::outcome::{End, SpawnFailure};
use crate::delivery::exec::spec::SpecFile;

type Failure = (SpawnFailure, String);

/// A sandbox takes milliseconds to build; one that waits for a disk that does not answer is given up.
const BUILT_WITHIN: Duration = Duration::from_secs(60);

/// A program that was started in a sandbox.
pub(crate) struct Confined {
    /// The first process. With it, all others end.
    pub(crate) first: Pid,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) relay: Relay,
}

/// Tells how the program ended, which the first process saw.
pub(crate) struct Relay {
    pipe: PipeReader,
    end: Option<End>,
}

impl Relay {
    /// The descriptor to wait for, until the end is known.
    pub(crate) fn waits_for(&self) -> Option<BorrowedFd<'_>> {
        self.end.is_none().then(|| self.pipe.as_fd())
    }

    /// How the program ended, if it has.
    pub(crate) fn end(&mut self) -> Option<End> {
        let mut bytes = [0; 8];
        // Eight bytes are written at once, so they are there together.
        if self.end.is_none() && matches!(self.pipe.read(&mut bytes), Ok(8)) {
            let [kind, number] = [0, 4]
                .map(|at| i32::from_le_bytes(bytes[at..at + 4].try_into().expect("four of eight bytes")));
            self.end = Some(if kind == 0 { End::Exited(number) } else { End::Signaled(number) });
        }
        self.end.clone()
    }
}

/// Starts the program found at `program`, confined.
pub(crate) fn start(
    spec: &SpecFile,
    confinement: &Confinement,
    program: &Path,
    folder: &Path,
) -> Result<Confined, Failure> {
    let checked = Checked::open(program, confinement.script.as_deref())?;
    let stdin = File::open(folder.join("stdin"))
        .map_err(|error| (SpawnFailure::Guardian, format!("its input could not be opened: {error}")))?;
    let guardian = |error: io::Error| (SpawnFailure::Guardian, format!("no pipe could be made: {error}"));
    let (stdout, stdout_of_program) = io::pipe().map_err(guardian)?;
    let (stderr, stderr_of_program) = io::pipe().map_err(guardian)?;
    let (go, mut say_go) = io::pipe().map_err(guardian)?;
    let (mut reported, report) = io::pipe().map_err(guardian)?;
    let (status, status_of_first) = io::pipe().map_err(guardian)?;
    let ids = (getuid().as_raw(), getgid().as_raw());

    let side = kernel::clone_apart(confinement.network == Network::None)
        .map_err(|error| (SpawnFailure::Sandbox, kernel_refuses(&format!("namespaces: {error}"))))?;
    let first = match side {
        Side::Parent(first) => first,
        Side::Child => {
            drop((stdout, stderr, say_go, reported, status));
            first::live(&Handover {
                confinement,
                program: &checked,
                argv: &spec.argv,
                env: &spec.env,
                cwd: &spec.cwd,
                timeout: spec.timeout(),
                folder,
                stdin: &stdin,
                stdout: &stdout_of_program,
                stderr: &stderr_of_program,
                go: &go,
                report: &report,
                status: &status_of_first,
                ids,
            })
        }
    };
    // Both sides do it, so that the group is there whoever comes first.
    let _ = setpgid(Some(first), Some(first));
    drop((stdout_of_program, stderr_of_program, go, report, status_of_first));
    let _ = say_go.write_all(b".");
    if let Some(failure) = refusal(&mut reported, first) {
        let _ = rustix::process::waitpid(Some(first), rustix::process::WaitOptions::empty());
        return Err(failure);
    }
    fcntl_setfl(&status, fcntl_getfl(&status).unwrap_or(OFlags::empty()) | OFlags::NONBLOCK)
        .map_err(|error| guardian(error.into()))?;
    Ok(Confined {
        first,
        stdout: stdout.into(),
        stderr: stderr.into(),
        relay: Relay { pipe: status, end: None },
    })
}

/// Waits until the program runs; or returns why it does not.
fn refusal(reported: &mut PipeReader, first: Pid) -> Option<Failure> {
    let timeout = Timespec::try_from(BUILT_WITHIN).expect("a minute fits in a timespec");
    let ready = loop {
        match poll(&mut [PollFd::new(reported, PollFlags::IN)], Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            ready => break matches!(ready, Ok(1..)),
        }
    };
    if !ready {
        let _ = kill_process(first, Signal::KILL);
        let message =
            "the sandbox could not be built within a minute: a declared folder may not answer".to_owned();
        return Some((SpawnFailure::Sandbox, message));
    }
    let mut said = Vec::new();
    let read = reported.take(64 << 10).read_to_end(&mut said);
    if read.is_ok() && said.is_empty() {
        return None;
    }
    let broken = (SpawnFailure::Sandbox, "the sandbox ended while it was being built".to_owned());
    Some(serde_json::from_slice(&said).unwrap_or(broken))
}

/// Says what the kernel refuses and what to do about it.
pub(super) fn kernel_refuses(what: &str) -> String {
    format!(
        "this machine does not let programs be confined ({what}): allow user namespaces (sysctl user.max_user_namespaces, \
         kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns; in a container, its seccomp profile), \
         or write `sandbox: none` to run the program unconfined"
    )
}
