//! What became of an attempt.

use serde::{Deserialize, Serialize};

/// How an attempt ended, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// What was kept of standard output.
    pub stdout: Output,
    /// What was kept of standard error.
    pub stderr: Output,
    /// Wall clock at the start, in milliseconds since 1970; 0 if it never began.
    pub started_at_ms: u64,
    /// Boot-time clock from the start to the end; 0 if the end is unknown.
    pub duration_ms: u64,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The program returned this exit code.
    Exited(i32),
    /// This signal, not sent by us, ended the program.
    Signaled(i32),
    /// The deadline passed; the program was ended.
    TimedOut,
    /// It was asked to end by [`super::Exec::cancel`].
    Cancelled,
    /// The program was never started.
    SpawnFailed {
        /// What kept it from starting.
        kind: SpawnFailure,
        /// The same in words, saying what to do.
        message: String,
    },
    /// Nobody saw the end: the guardian was killed, or the machine stopped. The program may have done its work.
    Unknown,
}

/// What kept a program from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpawnFailure {
    /// There is no such program, or its interpreter is missing.
    NotFound,
    /// The file may not be executed, or is no program.
    NotExecutable,
    /// The working folder is missing or is no folder.
    Folder,
    /// Arguments and environment are larger than can be passed.
    TooLarge,
    /// Arguments or environment can not be passed at all, such as a NUL byte.
    Invalid,
    /// The confinement that is asked for is not to be had: the kernel refuses it, or a declared path does.
    Sandbox,
    /// The program, or a declared path, is not what it was when the definitions were installed.
    Changed,
    /// The guardian could not be started, or ended before the program was started.
    Guardian,
    /// The kernel refused for another reason, such as too many processes.
    Other,
}

/// What was kept of one output stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The first bytes, up to the cap.
    pub bytes: Vec<u8>,
    /// How many bytes beyond the cap were read and dropped.
    pub dropped: u64,
    /// The last bytes of the dropped part, 8 KiB at most.
    pub tail: Vec<u8>,
}

impl Output {
    /// Returns the last `bytes_max` bytes the program wrote, as far as they were kept.
    pub fn end(&self, bytes_max: usize) -> &[u8] {
        let last = if self.tail.is_empty() { &self.bytes } else { &self.tail };
        &last[last.len().saturating_sub(bytes_max)..]
    }
}

impl Outcome {
    /// An attempt of which nothing is known but how it ended.
    pub(super) fn bare(end: End) -> Self {
        Self { end, stdout: Output::default(), stderr: Output::default(), started_at_ms: 0, duration_ms: 0 }
    }

    pub(super) fn not_started(kind: SpawnFailure, message: impl Into<String>) -> Self {
        Self::bare(End::SpawnFailed { kind, message: message.into() })
    }
}
