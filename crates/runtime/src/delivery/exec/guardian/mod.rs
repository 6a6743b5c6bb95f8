//! The guardian: a small process that stands between the server and one program.
//!
//! Started as `cantus guardian <attempt folder>` with the writing end of `alive` as its standard input. It leads a
//! session of its own and adopts orphans, so nothing the program starts can get away from it, and nothing that happens
//! to the server or its terminal reaches it. Two threads, no runtime: it waits in `poll`.
//!
//! Read `program` (starting it), `reaper` (who has ended), `capture` (its outputs), `watch` (the loop).

mod capture;
mod program;
mod reaper;
mod watch;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, getpid};
use rustix::time::{ClockId, clock_gettime};

use super::life::Bell;
use super::outcome::End;
use super::processes::Identity;
use super::spec::SpecFile;
use super::state::{Ended, Kept, State};
use capture::Keeper;
use watch::Watch;

/// `EX_SOFTWARE`: the guardian itself failed, and what became of the program is unknown.
const EXIT_FAILED: u8 = 70;

/// Guards the attempt whose folder is `dir`, from before its program starts until after its last descendant is gone.
///
/// The outcome is in the folder; the exit code only says whether the guardian could do its work. Takes the whole process
/// over (its session, its open files, its children): to be called first thing in `main`, before any thread is started.
pub fn main(dir: &Path) -> ExitCode {
    match guard(dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cantus guardian {}: {error}", dir.display());
            ExitCode::from(EXIT_FAILED)
        }
    }
}

fn guard(folder: &Path) -> io::Result<()> {
    let spec = SpecFile::read(folder)?.ok_or_else(|| {
        io::Error::other("there is no `spec`: this command is for the server, which prepares one")
    })?;
    stand_apart()?;
    let began = now();
    // Made while failing still means that nothing was started.
    let [stdout, stderr] =
        [Keeper::create(folder, "stdout", &spec)?, Keeper::create(folder, "stderr", &spec)?];
    let mut state = State::begun(Identity::of(getpid()), wall_ms());
    state.write(folder, false)?;
    // From here on the program may have been started as far as anybody can tell. The secrets live on in memory only.
    SpecFile::remove(folder)?;

    let mut bell = Bell::open(folder)?;
    if bell.cancelled() {
        return finish(folder, state, began, End::Cancelled, [Kept::default(); 2], 0);
    }
    let started = match program::start(&spec, folder) {
        Ok(started) => started,
        Err((kind, message)) => {
            return finish(folder, state, began, End::SpawnFailed { kind, message }, [Kept::default(); 2], 0);
        }
    };
    // The program reads its input through its own descriptor; nobody else needs the name.
    let _ = std::fs::remove_file(folder.join("stdin"));
    state.child = Some(Identity::of(started.pid));
    // For people who look; a disk that is full just now is no reason to end the program.
    let _ = state.write(folder, false);

    let watch = Watch {
        deadline: began + spec.timeout(),
        kill_after: spec.kill_after(),
        stdout: stdout.listen(started.stdout)?,
        stderr: stderr.listen(started.stderr)?,
        bell,
        #[cfg(target_os = "linux")]
        relay: started.relay,
    };
    let seen = watch.until_all_are_gone(started.pid)?;
    finish(folder, state, began, seen.end, [seen.stdout, seen.stderr], seen.leftovers)
}

/// Leaves the server's files, session and terminal behind, and becomes the parent of orphans.
fn stand_apart() -> io::Result<()> {
    close_inherited_files();
    // Fails only for one who leads a group already, such as a guardian started by hand: no reason to stop.
    let _ = rustix::process::setsid();
    #[cfg(target_os = "linux")]
    {
        // Started through `/proc/self/exe`, it would be listed as `exe`.
        rustix::thread::set_name(c"cantus-guardian")?;
        rustix::process::set_child_subreaper(Some(getpid()))?;
    }
    Ok(())
}

/// Closes everything but standard input, output and error, whatever the server or its libraries left open.
///
/// The program must not see it, and somebody may be waiting for its end while the guardian outlives the server.
fn close_inherited_files() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<i32> =
        entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    // The listing's own descriptor is among them, and closed by now.
    let open = |number: &i32| std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok();
    for number in numbers.into_iter().filter(|number| *number > 2).filter(open) {
        #[expect(
            unsafe_code,
            reason = "files that nothing in this process owns can only be closed by number"
        )]
        // SAFETY: called first, on the only thread, before this process has opened anything it still uses.
        unsafe {
            rustix::io::close(number);
        }
    }
}

fn finish(
    folder: &Path,
    mut state: State,
    began: Duration,
    end: End,
    [stdout, stderr]: [Kept; 2],
    leftovers: u32,
) -> io::Result<()> {
    let duration_ms = u64::try_from(now().saturating_sub(began).as_millis()).unwrap_or(u64::MAX);
    state.ended = Some(Ended { end, ended_at_ms: wall_ms(), duration_ms, stdout, stderr, leftovers });
    state.write(folder, true)
}

/// The boot-time clock, which goes on while the machine sleeps.
fn now() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A program that has been started.
struct Started {
    /// The program; in a sandbox, its first process, which all others end with.
    pid: Pid,
    stdout: std::os::fd::OwnedFd,
    stderr: std::os::fd::OwnedFd,
    /// In a sandbox, what tells the program's end.
    #[cfg(target_os = "linux")]
    relay: Option<super::sandbox::Relay>,
}
