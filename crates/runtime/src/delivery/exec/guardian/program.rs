//! Starting the program, and saying in words why it could not be started.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, getpid};

use super::Started;
use crate::delivery::exec::find::find;
use crate::delivery::exec::outcome::SpawnFailure;
#[cfg(target_os = "linux")]
use crate::delivery::exec::sandbox;
use crate::delivery::exec::sandbox::Confinement;
use crate::delivery::exec::spec::{Sandbox, SpecFile};

type Failure = (SpawnFailure, String);

/// Starts the program in a group of its own, with the prepared input and both outputs piped to the guardian.
///
/// To be called while the guardian has one thread.
pub(super) fn start(spec: &SpecFile, folder: &Path) -> Result<Started, Failure> {
    let program = find(&spec.argv[0], &spec.cwd, &spec.env)?;
    match &spec.sandbox {
        Sandbox::None => unconfined(spec, &program, folder),
        Sandbox::Strict(confinement) => confined(spec, confinement, &program, folder),
    }
}

#[cfg(target_os = "linux")]
fn confined(
    spec: &SpecFile,
    confinement: &Confinement,
    program: &Path,
    folder: &Path,
) -> Result<Started, Failure> {
    let started = sandbox::start(spec, confinement, program, folder)?;
    Ok(Started {
        pid: started.first,
        stdout: started.stdout,
        stderr: started.stderr,
        relay: Some(started.relay),
    })
}

#[cfg(not(target_os = "linux"))]
fn confined(_: &SpecFile, _: &Confinement, _: &Path, _: &Path) -> Result<Started, Failure> {
    let message = "`sandbox: strict` needs Linux: write `sandbox: none` to run the program unconfined";
    Err((SpawnFailure::Sandbox, message.to_owned()))
}

fn unconfined(spec: &SpecFile, program: &Path, folder: &Path) -> Result<Started, Failure> {
    let stdin = File::open(folder.join("stdin"))
        .map_err(|error| (SpawnFailure::Guardian, format!("its input could not be opened: {error}")))?;
    let mut command = Command::new(program);
    command
        .arg0(&spec.argv[0])
        .args(&spec.argv[1..])
        .current_dir(&spec.cwd)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    die_with_guardian(&mut command);
    let mut child = command.spawn().map_err(|error| explain(&error, program))?;
    Ok(Started {
        pid: Pid::from_child(&child),
        stdout: child.stdout.take().expect("stdout is piped a few lines above").into(),
        stderr: child.stderr.take().expect("stderr is piped a few lines above").into(),
        #[cfg(target_os = "linux")]
        relay: None,
    })
}

/// A guardian that is killed takes the program with it: nobody would be left to stop it or to hear its end.
#[cfg(target_os = "linux")]
fn die_with_guardian(command: &mut Command) {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    let guardian = getpid();
    let bind = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The guardian may have been killed just before; then the signal would never come.
        if getppid() == Some(guardian) { Ok(()) } else { Err(rustix::io::Errno::SRCH.into()) }
    };
    #[expect(
        unsafe_code,
        reason = "the death signal is lost on fork, so it can only be set between fork and exec"
    )]
    // SAFETY: the closure makes two system calls and neither allocates nor locks.
    unsafe {
        command.pre_exec(bind);
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_guardian(_command: &mut Command) {}

fn explain(error: &io::Error, program: &Path) -> Failure {
    let shown = program.display();
    match error.kind() {
        io::ErrorKind::NotFound => match interpreter(program) {
            Some(interpreter) => {
                let message =
                    format!("{shown} names the interpreter `{interpreter}`, which is not there: install it");
                (SpawnFailure::NotFound, message)
            }
            None => (SpawnFailure::NotFound, format!("{shown} could not be run: {error}")),
        },
        io::ErrorKind::PermissionDenied => {
            (SpawnFailure::NotExecutable, format!("{shown} may not be executed: {error}"))
        }
        io::ErrorKind::ArgumentListTooLong => {
            let message =
                format!("{shown}: the arguments and the environment are too large: give large data on stdin");
            (SpawnFailure::TooLarge, message)
        }
        _ => (SpawnFailure::Other, format!("{shown} could not be run: {error}")),
    }
}

/// The interpreter in a script's first line, if it has one.
fn interpreter(program: &Path) -> Option<String> {
    let mut head = Vec::new();
    File::open(program).ok()?.take(256).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line).trim().to_owned())
}
