//! What a program under `sandbox: strict` may reach and use.

use serde::{Deserialize, Serialize};

use super::{Duration, Size};

/// How a program is confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sandbox {
    /// Not at all, except for its environment and its limits of time and output.
    None,
    /// To the system's programs, its own file, and what is declared.
    Strict,
}

/// Which network a confined program has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// None at all, also not this machine's own addresses.
    None,
    /// That of the server.
    Host,
}

/// How much a confined program may use; what is left out has a default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecLimits {
    /// Memory of one process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Size>,
    /// Processor time of one process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Duration>,
    /// Processes and threads, all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u32>,
    /// Open files of one process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<u32>,
    /// The longest file it can write, and all its temporary files together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_size: Option<Size>,
    /// What is kept of stdout and of stderr, each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Size>,
}

impl ExecLimits {
    /// What each can be: name, least, most. Sizes are in bytes, times in seconds.
    pub const BOUNDS: [(&str, u64, u64); 6] = [
        ("memory", 16 << 20, 1 << 44),
        ("cpu", 1, 366 * 24 * 3600),
        ("processes", 1, 30_000),
        ("files", 8, 1 << 20),
        ("file_size", 4096, 1 << 44),
        ("output", 1024, 64 << 20),
    ];

    /// Returns what is wrong with the first limit that is out of its bounds.
    pub fn check(&self) -> Result<(), String> {
        let size = |size: Option<Size>| size.map(Size::bytes);
        let given = [
            size(self.memory),
            self.cpu.map(|cpu| cpu.as_millis() / 1000),
            self.processes.map(u64::from),
            self.files.map(u64::from),
            size(self.file_size),
            size(self.output),
        ];
        for (value, (name, least, most)) in given.into_iter().zip(Self::BOUNDS) {
            if value.is_some_and(|value| !(least..=most).contains(&value)) {
                let unit = match name {
                    "cpu" => " seconds",
                    "processes" | "files" => "",
                    _ => " bytes",
                };
                return Err(format!("the limit `{name}` can be {least} to {most}{unit}"));
            }
        }
        Ok(())
    }
}
