//! Starting the program, and saying in words why it could not be started.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, getpid};

use super::Started;
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
    let program = find(spec)?;
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

/// Finds the program as a shell would, but from the child's own PATH and folder.
///
/// Looked up here and not by the C library, which hands a script without `#!` to a shell nobody asked for.
fn find(spec: &SpecFile) -> Result<PathBuf, Failure> {
    match fs::metadata(&spec.cwd) {
        Ok(cwd) if cwd.is_dir() => {}
        Ok(_) => return Err((SpawnFailure::Folder, format!("`cwd` {} is not a folder", spec.cwd.display()))),
        Err(error) => {
            return Err((
                SpawnFailure::Folder,
                format!("`cwd` {} can not be used: {error}", spec.cwd.display()),
            ));
        }
    }
    let name = &spec.argv[0];
    if name.contains('/') {
        let path = spec.cwd.join(name);
        return runnable(&path).map(|()| path);
    }
    let path =
        spec.env.iter().find(|(variable, _)| variable == "PATH").map_or("", |(_, value)| value.as_str());
    let mut refused = None;
    for folder in path.split(':').filter(|folder| !folder.is_empty()) {
        let candidate = spec.cwd.join(folder).join(name);
        match runnable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err((SpawnFailure::NotFound, _)) => {}
            Err(failure) => refused = refused.or(Some(failure)),
        }
    }
    Err(refused.unwrap_or_else(|| {
        let message =
            format!("there is no program `{name}` on the PATH ({path}): install it, or write its path");
        (SpawnFailure::NotFound, message)
    }))
}

/// Says whether the kernel can be expected to run this file.
fn runnable(path: &Path) -> Result<(), Failure> {
    let shown = path.display();
    let file = match fs::metadata(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err((SpawnFailure::NotFound, format!("there is no program {shown}")));
        }
        Err(error) => return Err((SpawnFailure::NotExecutable, format!("{shown} can not be used: {error}"))),
    };
    if !file.is_file() {
        return Err((SpawnFailure::NotExecutable, format!("{shown} is not a file")));
    }
    if file.permissions().mode() & 0o111 == 0 {
        return Err((
            SpawnFailure::NotExecutable,
            format!("{shown} may not be executed: run `chmod +x` on it"),
        ));
    }
    let mut head = [0; 2];
    // A program may be executable without being readable; then the kernel judges.
    if let Ok(mut file) = File::open(path) {
        let read = file.read(&mut head).unwrap_or(0);
        if cfg!(target_os = "linux") && head[..read] != *b"#!" && head[..read] != *b"\x7fE" {
            let message = format!("{shown} is no program: begin it with a line such as `#!/bin/sh`");
            return Err((SpawnFailure::NotExecutable, message));
        }
    }
    Ok(())
}

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
