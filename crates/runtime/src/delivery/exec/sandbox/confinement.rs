//! What a strict sandbox lets a program do.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a program under `sandbox: strict` may reach, and how much of everything it may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Which network it has.
    pub network: Network,
    /// Files and folders it may read, besides the system's programs and its own file.
    pub readable: Vec<Place>,
    /// Files and folders it may change, besides its private `/tmp`.
    pub writable: Vec<Place>,
    /// Files and folders it never sees, also not inside a place it may read: the server's state and its secrets.
    pub hidden: Vec<PathBuf>,
    /// How much it may use.
    pub limits: Limits,
    /// SHA-256 of the program as hex, when it was a script as the definitions were installed. Another script is not run.
    pub script: Option<String>,
}

/// Which network a program has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// None at all, also not this machine's own addresses.
    #[default]
    None,
    /// That of the server.
    Host,
}

/// A file or folder that was declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its absolute path as declared; the program finds it there.
    pub path: PathBuf,
    /// Where that led when the definitions were installed. A path that leads elsewhere now is refused.
    pub led_to: Option<PathBuf>,
}

impl Place {
    /// Returns a place that may lead anywhere.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), led_to: None }
    }
}

/// How much a program may use. Each number holds for one process, except where it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory of its own.
    pub memory_bytes: u64,
    /// Processor time in seconds; none means four times the time limit of the attempt.
    pub cpu_seconds: Option<u64>,
    /// Processes and threads, of all of an attempt together.
    pub processes: u64,
    /// Open files.
    pub files: u64,
    /// Bytes of one file, and of all files in the private `/tmp` together.
    pub file_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 4 << 30, cpu_seconds: None, processes: 512, files: 1024, file_bytes: 1 << 30 }
    }
}

impl Limits {
    /// Returns the processor time of one process.
    pub fn cpu(&self, timeout: Duration) -> u64 {
        self.cpu_seconds.unwrap_or_else(|| timeout.as_secs().saturating_mul(4).max(4))
    }
}
