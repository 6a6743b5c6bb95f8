//! The first process of a sandbox: builds the walls around itself, starts the program inside, and reaps.

use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, set_parent_process_death_signal, wait};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::checked::{Checked, Handle, Kind};
use super::confinement::{Confinement, Network};
use super::kernel::{self, Side};
use super::view::{Failure, View};
use super::{landlock, limits, seccomp};
use crate::delivery::exec::outcome::SpawnFailure;

const HOME: &str = "/tmp";
/// What is left when the program could not be run.
const EXIT_FAILED: i32 = 127;

/// What the guardian hands to the first process.
pub(super) struct Handover<'a> {
    pub(super) confinement: &'a Confinement,
    pub(super) program: &'a Checked,
    pub(super) argv: &'a [String],
    pub(super) env: &'a [(String, String)],
    pub(super) cwd: &'a Path,
    pub(super) timeout: Duration,
    /// Any folder, to build the view on.
    pub(super) folder: &'a Path,
    pub(super) stdin: &'a File,
    pub(super) stdout: &'a PipeWriter,
    pub(super) stderr: &'a PipeWriter,
    /// A byte comes once the guardian is surely there to watch.
    pub(super) go: &'a PipeReader,
    /// Takes the reason when the program can not be started; closed by its start.
    pub(super) report: &'a PipeWriter,
    /// Takes the program's end.
    pub(super) status: &'a PipeWriter,
    /// The user and group of the guardian.
    pub(super) ids: (u32, u32),
}

/// Lives the life of the first process; never returns to the guardian's code.
pub(super) fn live(handover: &Handover<'_>) -> ! {
    match confine(handover) {
        Ok(ready) => run_and_reap(handover, &ready),
        Err((kind, message)) => {
            let failure = serde_json::to_vec(&(kind, message)).unwrap_or_default();
            let mut report = handover.report;
            let _ = report.write_all(&failure);
            kernel::exit(EXIT_FAILED)
        }
    }
}

/// Everything the program needs, made before the last door is closed.
struct Ready {
    program: OwnedFd,
    stdin: OwnedFd,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

fn confine(handover: &Handover<'_>) -> Result<Ready, Failure> {
    let sandbox = |what: &'static str| {
        move |error: io::Error| {
            (SpawnFailure::Sandbox, super::start::kernel_refuses(&format!("{what}: {error}")))
        }
    };
    // A guardian that is killed takes the sandbox with it. One that was killed before this line sends no byte.
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| sandbox("a death signal")(error.into()))?;
    let mut go = handover.go;
    if !matches!(go.read(&mut [0]), Ok(1)) {
        kernel::exit(EXIT_FAILED);
    }
    let uncounted = limits::is_uncounted();
    keep_ids(handover.ids).map_err(sandbox("user namespaces"))?;
    if handover.confinement.network == Network::None {
        let loopback =
            rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None);
        loopback
            .map_err(io::Error::from)
            .and_then(|socket| kernel::loopback_up(socket.as_fd()))
            .map_err(sandbox("a network of its own"))?;
    }
    // When memory runs out, the program goes before the server.
    let _ = fs::write("/proc/self/oom_score_adj", "500");
    let stdin = input(handover.stdin).map_err(sandbox("a file in memory"))?;

    let confinement = handover.confinement;
    let view = View::open(confinement, handover.cwd, &seen_besides(handover.program))?;
    view.enter(handover.folder)?;
    let (program, arguments) = put_program(handover.program, handover.argv)?;
    let numbered = limits::bound_process_numbers(&confinement.limits);
    if let (true, Err(error)) = (uncounted, numbered) {
        let message = format!(
            "the kernel does not count root's processes, and this one can not bound their numbers either ({error}; Linux 6.14 \
             can): run the server as another user"
        );
        return Err((SpawnFailure::Sandbox, message));
    }
    let environment = environment(handover.env, confinement)?;
    view.seal()?;

    let _ = rustix::process::setpgid(None, None);
    // A dump, or another process of the same user, would show what the guardian had in memory.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    limits::set(&confinement.limits, handover.timeout).map_err(sandbox("limits"))?;
    give_up_privileges().map_err(sandbox("giving up privileges"))?;
    landlock::restrict(confinement)
        .map_err(|error| (SpawnFailure::Sandbox, super::start::kernel_refuses(&error)))?;
    seccomp::refuse().map_err(sandbox("seccomp filters"))?;
    Ok(Ready { program, stdin, arguments, environment })
}

/// The program has the user and group it would have outside, and no other.
fn keep_ids((user, group): (u32, u32)) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

/// A copy of the input in memory: the program can open it again by name (`/dev/stdin`), and sees no path of ours.
fn input(stdin: &File) -> io::Result<OwnedFd> {
    let mut copy = File::from(rustix::fs::memfd_create(c"stdin", rustix::fs::MemfdFlags::CLOEXEC)?);
    let mut stdin = stdin;
    io::copy(&mut stdin, &mut copy)?;
    copy.rewind()?;
    Ok(copy.into())
}

/// Files that are seen where they are, although nothing around them is: the program, its interpreter, and `cantus`.
fn seen_besides(program: &Checked) -> Vec<PathBuf> {
    let ours = fs::read_link("/proc/self/exe").ok();
    let theirs = match &program.kind {
        Kind::Binary(_) => program.path.clone(),
        Kind::Script { interpreter_path, .. } => interpreter_path.clone(),
    };
    let system =
        |path: &PathBuf| ["/usr", "/bin", "/sbin", "/lib"].iter().any(|folder| path.starts_with(folder));
    let resolved = theirs.canonicalize().ok().filter(|real| *real != theirs);
    ours.into_iter().chain(resolved).chain([theirs]).filter(|path| !system(path)).collect()
}

/// Opens in the new view what is to be run, and makes sure that it is what was checked.
fn put_program(program: &Checked, argv: &[String]) -> Result<(OwnedFd, Vec<CString>), Failure> {
    let text = |text: &[u8]| {
        CString::new(text).map_err(|_| (SpawnFailure::Invalid, "an argument contains a NUL byte".to_owned()))
    };
    let rest = argv[1..].iter().map(|argument| text(argument.as_bytes()));
    match &program.kind {
        Kind::Binary(handle) => {
            let opened = open_again(&program.path, handle)?;
            let arguments = [text(argv[0].as_bytes())].into_iter().chain(rest).collect::<Result<_, _>>()?;
            Ok((opened, arguments))
        }
        Kind::Script { bytes, interpreter, interpreter_path, argument } => {
            put_script(&program.path, bytes).map_err(|error| {
                (
                    SpawnFailure::Sandbox,
                    format!("{} can not be put in place: {error}", program.path.display()),
                )
            })?;
            let opened = open_again(interpreter_path, interpreter)?;
            let path = |path: &Path| text(path.as_os_str().as_bytes());
            let mut arguments = vec![path(interpreter_path)?];
            arguments.extend(argument.clone());
            arguments.push(path(&program.path)?);
            for argument in rest {
                arguments.push(argument?);
            }
            Ok((opened, arguments))
        }
    }
}

fn open_again(path: &Path, checked: &Handle) -> Result<OwnedFd, Failure> {
    let opened = File::open(path).map_err(|error| {
        (SpawnFailure::NotFound, format!("{} is not in the sandbox: {error}", path.display()))
    })?;
    let same =
        opened.metadata().is_ok_and(|about| (about.dev(), about.ino()) == (checked.device, checked.inode));
    if !same {
        let message = format!("{} was replaced while it was about to be started: try again", path.display());
        return Err((SpawnFailure::Changed, message));
    }
    Ok(opened.into())
}

/// Puts the checked bytes of a script where the program will look for it, in front of whatever lies there now.
fn put_script(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let write = |path: &Path| {
        fs::write(path, bytes)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o555))
    };
    if !path.exists() {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        if write(path).is_ok() {
            return Ok(());
        }
    }
    let copy = Path::new("/.script");
    write(copy)?;
    rustix::mount::mount_bind(copy, path)?;
    let mount = File::open(path)?;
    let read_only = kernel::MOUNT_READ_ONLY | kernel::MOUNT_NO_SETUID | kernel::MOUNT_NO_DEVICES;
    kernel::set_mount(mount.as_fd(), read_only, false)?;
    Ok(())
}

/// As given, with temporary files in the private folder, and home there too when the real one is not in view.
fn environment(given: &[(String, String)], confinement: &Confinement) -> Result<Vec<CString>, Failure> {
    let in_view = |path: &str| {
        let places = confinement.readable.iter().chain(&confinement.writable);
        places.into_iter().any(|place| Path::new(path).starts_with(&place.path))
    };
    let set = |name: &str, value: &str| {
        let mut text = name.as_bytes().to_vec();
        text.push(b'=');
        text.extend_from_slice(OsStr::new(value).as_bytes());
        CString::new(text)
            .map_err(|_| (SpawnFailure::Invalid, format!("variable {name} contains a NUL byte")))
    };
    let others = given.iter().filter(|(name, _)| name != "TMPDIR").map(|(name, value)| match name.as_str() {
        "HOME" if !in_view(value) => set(name, HOME),
        _ => set(name, value),
    });
    others.chain([set("TMPDIR", "/tmp")]).collect()
}

/// No capability is left, and none can come back: not by root's name, not by a file.
fn give_up_privileges() -> io::Result<()> {
    use rustix::thread;
    thread::set_no_new_privs(true)?;
    thread::clear_ambient_capability_set()?;
    for capability in CapabilitySet::all().iter() {
        match thread::remove_capability_from_bounding_set(capability) {
            // A number this kernel does not have.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let none = CapabilitySet::empty();
    thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}

fn run_and_reap(handover: &Handover<'_>, ready: &Ready) -> ! {
    let program = match kernel::fork() {
        Ok(Side::Child) => become_program(handover, ready),
        Ok(Side::Parent(program)) => program,
        Err(error) => {
            let failure = (SpawnFailure::Other, format!("no process could be started: {error}"));
            let mut report = handover.report;
            let _ = report.write_all(&serde_json::to_vec(&failure).unwrap_or_default());
            kernel::exit(EXIT_FAILED)
        }
    };
    let status = rustix::io::fcntl_dupfd_cloexec(handover.status, 3);
    let Ok(status) = status else { kernel::exit(EXIT_FAILED) };
    // Nobody may wait for a file that only this process still holds.
    let _ = rustix::stdio::dup2_stdin(&status);
    let _ = kernel::close_from(1);
    reap(program)
}

/// Collects whoever ends, tells the program's end, and ends with the last one.
fn reap(program: Pid) -> ! {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == program => {
                let end = match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => [0, code],
                    (None, Some(signal)) => [1, signal],
                    (None, None) => continue,
                };
                let bytes: Vec<u8> = end.iter().flat_map(|number| number.to_le_bytes()).collect();
                let _ = rustix::io::write(rustix::stdio::stdin(), &bytes);
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => kernel::exit(0),
        }
    }
}

fn become_program(handover: &Handover<'_>, ready: &Ready) -> ! {
    let prepare = || -> io::Result<()> {
        rustix::stdio::dup2_stdin(&ready.stdin)?;
        rustix::stdio::dup2_stdout(handover.stdout)?;
        rustix::stdio::dup2_stderr(handover.stderr)?;
        kernel::usual_signals();
        kernel::close_others_on_exec()
    };
    let error = match prepare() {
        Ok(()) => kernel::run(ready.program.as_fd(), &ready.arguments, &ready.environment),
        Err(error) => error,
    };
    let failure = match error.kind() {
        io::ErrorKind::ArgumentListTooLong => (
            SpawnFailure::TooLarge,
            "the arguments and the environment are too large: give large data on stdin".to_owned(),
        ),
        _ => (
            SpawnFailure::NotExecutable,
            format!("{} could not be run: {error}", handover.program.path.display()),
        ),
    };
    let mut report = handover.report;
    let _ = report.write_all(&serde_json::to_vec(&failure).unwrap_or_default());
    kernel::exit(EXIT_FAILED)
}
