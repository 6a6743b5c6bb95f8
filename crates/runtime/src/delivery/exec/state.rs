//! The file `state`: what the guardian has seen, and how an [`Outcome`] is read from a folder.
//!
//! Always replaced as a whole. The last version, the one with the end, is synced together with the outputs before it,
//! so after a machine crash an attempt is either complete or unknown, never a success that is missing its output.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::outcome::{End, Outcome, Output, SpawnFailure};
use super::processes::{self, Identity};
use super::spec::{OUTPUT_CAP_MAX, SpecFile, private_file};

const VERSION: u32 = 1;
const NAME: &str = "state";
/// A state is a few hundred bytes; more is not ours.
const STATE_BYTES_MAX: u64 = 64 << 10;
const LOG_BYTES_SHOWN: usize = 1024;

/// What the guardian has seen so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    version: u32,
    pub(super) guardian: Identity,
    /// The program, once started.
    pub(super) child: Option<Identity>,
    pub(super) started_at_ms: u64,
    pub(super) ended: Option<Ended>,
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) ended_at_ms: u64,
    pub(super) duration_ms: u64,
    pub(super) stdout: Kept,
    pub(super) stderr: Kept,
    /// Descendants that could not be killed, such as those of another user.
    pub(super) leftovers: u32,
}

/// How much of one output is in its file, and how much is not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) kept: u64,
    pub(super) dropped: u64,
}

impl State {
    pub(super) fn begun(guardian: Identity, started_at_ms: u64) -> Self {
        Self { version: VERSION, guardian, child: None, started_at_ms, ended: None }
    }

    /// Replaces the file. With `durable`, returns only once it would survive a power loss.
    pub(super) fn write(&self, folder: &Path, durable: bool) -> io::Result<()> {
        let temporary = folder.join("state.new");
        let mut file = private_file(&temporary)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&temporary, folder.join(NAME))?;
        if durable {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Reads the file; `None` if the guardian has not written one, or it is not readable as ours.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        let mut json = Vec::new();
        File::open(folder.join(NAME)).ok()?.take(STATE_BYTES_MAX).read_to_end(&mut json).ok()?;
        serde_json::from_slice(&json).ok().filter(|state: &Self| state.version == VERSION)
    }
}

/// Reads the outcome of an attempt whose guardian is gone, and kills what a killed guardian left behind.
pub(super) fn outcome(folder: &Path) -> Outcome {
    let Some(state) = State::read(folder) else { return never_begun(folder) };
    let Some(ended) = state.ended else {
        processes::kill_session(&state.guardian);
        let mut outcome = Outcome::bare(End::Unknown);
        outcome.started_at_ms = state.started_at_ms;
        outcome.stdout = output(folder, "stdout", 0).unwrap_or_default();
        outcome.stderr = output(folder, "stderr", 0).unwrap_or_default();
        return outcome;
    };
    let stdout = output(folder, "stdout", ended.stdout.dropped);
    let stderr = output(folder, "stderr", ended.stderr.dropped);
    // The outputs were synced before the state that counts them; if they are shorter, the disk has lost them.
    let whole = |output: &io::Result<Output>, kept: Kept| {
        output.as_ref().is_ok_and(|output| output.bytes.len() as u64 == kept.kept)
    };
    let complete = whole(&stdout, ended.stdout) && whole(&stderr, ended.stderr);
    Outcome {
        end: if complete { ended.end } else { End::Unknown },
        stdout: stdout.unwrap_or_default(),
        stderr: stderr.unwrap_or_default(),
        started_at_ms: state.started_at_ms,
        duration_ms: ended.duration_ms,
    }
}

/// Judges a folder without a state. While `spec` is there nothing was started, unless a power loss brought it back.
fn never_begun(folder: &Path) -> Outcome {
    match SpecFile::read(folder) {
        Ok(Some(spec)) if spec.boot_id == processes::boot_id() => {}
        _ => return Outcome::bare(End::Unknown),
    }
    let log = fs::read(folder.join("guardian.log")).unwrap_or_default();
    let said = String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_BYTES_SHOWN)..]).trim().to_owned();
    let message = if said.is_empty() {
        "the guardian ended before it started the program".to_owned()
    } else {
        format!("the guardian ended before it started the program: {said}")
    };
    Outcome::not_started(SpawnFailure::Guardian, message)
}

fn output(folder: &Path, name: &str, dropped: u64) -> io::Result<Output> {
    let bytes = match read_bounded(&folder.join(name)) {
        // A program that never started has no outputs.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        bytes => bytes?,
    };
    let tail = if dropped > 0 {
        read_bounded(&folder.join(format!("{name}.tail"))).unwrap_or_default()
    } else {
        Vec::new()
    };
    Ok(Output { bytes, dropped, tail })
}

/// The cap holds for what the guardian writes; a program that knows the path may have written more.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(OUTPUT_CAP_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::exec::spec::Spec;

    fn prepared() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        SpecFile::write(&Spec::new(["true"], "/"), folder.path()).unwrap();
        folder
    }

    #[test]
    fn an_unread_spec_of_this_boot_proves_that_nothing_was_started() {
        let folder = prepared();
        let end = outcome(folder.path()).end;
        assert!(matches!(end, End::SpawnFailed { kind: SpawnFailure::Guardian, .. }), "{end:?}");
    }

    #[test]
    fn an_unread_spec_of_another_boot_proves_nothing() {
        // A power loss may undo the removal of the spec, and the state with it.
        let folder = prepared();
        let path = folder.path().join("spec");
        let other = fs::read_to_string(&path).unwrap().replace(&processes::boot_id(), "another boot");
        fs::write(&path, other).unwrap();
        assert_eq!(outcome(folder.path()).end, End::Unknown);
    }

    #[test]
    fn a_state_without_an_end_is_unknown_and_harms_no_stranger() {
        // The guardian's number now belongs to somebody else: this test.
        let folder = prepared();
        let mut identity = serde_json::to_value(Identity::of(rustix::process::getpid())).unwrap();
        identity["started_ticks"] = 1.into();
        State::begun(serde_json::from_value(identity).unwrap(), 7).write(folder.path(), true).unwrap();
        let outcome = outcome(folder.path());
        assert_eq!((outcome.end, outcome.started_at_ms), (End::Unknown, 7));
    }
}
