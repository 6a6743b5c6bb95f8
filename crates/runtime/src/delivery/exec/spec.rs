//! What an attempt runs: program, folder, environment, input and limits.
//!
//! A spec is checked before anything is started, so that what the kernel would refuse with a bare number
//! (`E2BIG`, a NUL) is refused here in words.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outcome::SpawnFailure;
use super::processes;
use super::sandbox::Confinement;

/// Bytes kept of stdout and of stderr, each, unless the spec says otherwise.
pub const OUTPUT_CAP_DEFAULT: u64 = 4 << 20;
/// The most a spec may ask to keep; an outcome is read into memory.
pub(super) const OUTPUT_CAP_MAX: u64 = 64 << 20;
/// The kernel's own limit on one argument or variable (`MAX_ARG_STRLEN`), NUL included.
const ARGUMENT_BYTES_MAX: usize = 128 << 10;
/// Arguments and environment together, pointers included: half of what the kernel takes with its usual 8 MiB stack.
const ARGUMENTS_BYTES_MAX: usize = 1 << 20;
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(600);
const TIMEOUT_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
const KILL_AFTER_DEFAULT: Duration = Duration::from_secs(10);
const VERSION: u32 = 1;

/// What to run for one attempt.
#[derive(Clone, PartialEq, Eq)]
pub struct Spec {
    /// The program and its arguments. No shell reads them.
    pub argv: Vec<String>,
    /// The folder it starts in; a relative program with a slash is looked up from here.
    pub cwd: PathBuf,
    /// Its complete environment; nothing is inherited.
    pub env: Vec<(String, String)>,
    /// What it can read on standard input.
    pub stdin: Vec<u8>,
    /// When it is asked to stop (SIGTERM to its whole group).
    pub timeout: Duration,
    /// How long after that it and all its descendants are killed.
    pub kill_after: Duration,
    /// Bytes kept of stdout and of stderr, each; what is beyond is read, counted and dropped.
    pub output_cap: u64,
    /// How it is confined.
    pub sandbox: Sandbox,
}

/// How a program is confined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sandbox {
    /// Not at all: it may do what this user may do.
    None,
    /// To what is declared: see [`super::sandbox`].
    Strict(Box<Confinement>),
}

/// Says why a spec can not be run; nothing has been started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidSpec {
    pub(super) kind: SpawnFailure,
    message: String,
}

impl Spec {
    /// Returns a spec with the usual limits: ten minutes, killed ten seconds later, 4 MiB kept of each output.
    pub fn new(argv: impl IntoIterator<Item = impl Into<String>>, cwd: impl Into<PathBuf>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            cwd: cwd.into(),
            env: Vec::new(),
            stdin: Vec::new(),
            timeout: TIMEOUT_DEFAULT,
            kill_after: KILL_AFTER_DEFAULT,
            output_cap: OUTPUT_CAP_DEFAULT,
            sandbox: Sandbox::None,
        }
    }

    /// Refuses what no kernel would run: no program, NUL bytes, bad variable names, too many or too large arguments.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        let invalid = |message: String| Err(InvalidSpec { kind: SpawnFailure::Invalid, message });
        if self.argv.first().is_none_or(String::is_empty) {
            return invalid("`exec` names no program: its first item must be one".into());
        }
        if let Some(index) = self.argv.iter().position(|argument| argument.contains('\0')) {
            return invalid(format!("argument {index} contains a NUL byte, which no program can be given"));
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) {
                return invalid(format!("`{}` can not be the name of a variable", name.escape_default()));
            }
            if value.contains('\0') {
                return invalid(format!(
                    "variable {name} contains a NUL byte, which no program can be given"
                ));
            }
        }
        if self.cwd.to_str().is_none_or(|cwd| cwd.contains('\0')) {
            return invalid(format!("the folder {:?} is not UTF-8 without NUL", self.cwd));
        }
        if self.output_cap > OUTPUT_CAP_MAX {
            return invalid(format!(
                "an output cap of {} bytes is above the limit of {OUTPUT_CAP_MAX}",
                self.output_cap
            ));
        }
        self.check_size()
    }

    fn check_size(&self) -> Result<(), InvalidSpec> {
        let too_large = |message: String| Err(InvalidSpec { kind: SpawnFailure::TooLarge, message });
        let arguments =
            self.argv.iter().enumerate().map(|(index, text)| (format!("argument {index}"), text.len() + 1));
        let variables =
            self.env.iter().map(|(name, value)| (format!("variable {name}"), name.len() + value.len() + 2));
        let mut total = 0;
        for (what, bytes) in arguments.chain(variables) {
            if bytes > ARGUMENT_BYTES_MAX {
                return too_large(format!(
                    "{what} has {bytes} bytes, and one may have {ARGUMENT_BYTES_MAX}: give large data on stdin"
                ));
            }
            total += bytes + size_of::<usize>();
        }
        if total > ARGUMENTS_BYTES_MAX {
            return too_large(format!(
                "{} arguments and {} variables take {total} bytes, and together they may take {ARGUMENTS_BYTES_MAX}: \
                 give large data on stdin",
                self.argv.len(),
                self.env.len()
            ));
        }
        Ok(())
    }
}

/// Shows everything but the values of variables and the input, which may be secret.
impl std::fmt::Debug for Spec {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("Spec")
            .field("argv", &self.argv)
            .field("cwd", &self.cwd)
            .field("env", &names)
            .field("stdin_bytes", &self.stdin.len())
            .field("timeout", &self.timeout)
            .field("kill_after", &self.kill_after)
            .field("output_cap", &self.output_cap)
            .field("sandbox", &self.sandbox)
            .finish()
    }
}

/// The file `spec`: what the guardian must know. Holds secrets, so only this user reads it and the guardian removes it.
#[derive(Serialize, Deserialize)]
pub(super) struct SpecFile {
    version: u32,
    /// The boot it was written in: together with the file's presence it proves that nothing was started.
    pub(super) boot_id: String,
    pub(super) argv: Vec<String>,
    pub(super) cwd: PathBuf,
    pub(super) env: Vec<(String, String)>,
    timeout_ms: u64,
    kill_after_ms: u64,
    pub(super) output_cap: u64,
    pub(super) sandbox: Sandbox,
}

impl SpecFile {
    const NAME: &str = "spec";

    /// Writes `spec` and `stdin` into a folder under construction.
    pub(super) fn write(spec: &Spec, folder: &Path) -> io::Result<()> {
        let file = Self {
            version: VERSION,
            boot_id: processes::boot_id(),
            argv: spec.argv.clone(),
            cwd: spec.cwd.clone(),
            env: spec.env.clone(),
            timeout_ms: millis(spec.timeout.min(TIMEOUT_MAX)),
            kill_after_ms: millis(spec.kill_after.min(TIMEOUT_MAX)),
            output_cap: spec.output_cap,
            sandbox: spec.sandbox.clone(),
        };
        let json = serde_json::to_vec(&file)?;
        private_file(&folder.join(Self::NAME))?.write_all(&json)?;
        private_file(&folder.join("stdin"))?.write_all(&spec.stdin)
    }

    /// Reads `spec`; `None` if it has been removed, which the guardian does before it starts the program.
    pub(super) fn read(folder: &Path) -> io::Result<Option<Self>> {
        let json = match fs::read(folder.join(Self::NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            json => json?,
        };
        let file: Self = serde_json::from_slice(&json)?;
        if file.version != VERSION {
            return Err(io::Error::other(format!("spec of version {}, expected {VERSION}", file.version)));
        }
        Ok(Some(file))
    }

    pub(super) fn remove(folder: &Path) -> io::Result<()> {
        fs::remove_file(folder.join(Self::NAME))
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    pub(super) fn kill_after(&self) -> Duration {
        Duration::from_millis(self.kill_after_ms)
    }
}

/// Creates a file that only this user can read.
pub(super) fn private_file(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(spec: &Spec) -> (SpawnFailure, String) {
        let error = spec.check().unwrap_err();
        (error.kind, error.to_string())
    }

    #[test]
    fn a_two_mebibyte_argument_is_refused_in_words() {
        let (kind, message) = refusal(&Spec::new(["echo".to_owned(), "x".repeat(2 << 20)], "/"));
        assert_eq!(kind, SpawnFailure::TooLarge);
        assert!(
            message.starts_with("argument 1 has 2097153 bytes") && message.ends_with("on stdin"),
            "{message}"
        );
    }

    #[test]
    fn a_hundred_thousand_arguments_are_refused_in_words() {
        let (kind, message) = refusal(&Spec::new(std::iter::repeat_n("word", 100_000), "/"));
        assert_eq!(kind, SpawnFailure::TooLarge);
        assert!(message.contains("100000 arguments"), "{message}");
    }

    #[test]
    fn nul_bytes_and_impossible_names_are_refused() {
        assert_eq!(refusal(&Spec::new(["echo", "a\0b"], "/")).0, SpawnFailure::Invalid);
        assert_eq!(refusal(&Spec::new([""], "/")).0, SpawnFailure::Invalid);
        for (name, value) in [("A=B", "x"), ("", "x"), ("A\0", "x"), ("A", "x\0y")] {
            let mut spec = Spec::new(["true"], "/");
            spec.env.push((name.into(), value.into()));
            assert_eq!(refusal(&spec).0, SpawnFailure::Invalid, "{name:?}");
        }
    }

    #[test]
    fn printing_a_spec_shows_no_secret() {
        let mut spec = Spec::new(["true"], "/");
        spec.env.push(("API_KEY".into(), "hunter2".into()));
        spec.stdin = b"hunter2".to_vec();
        assert!(!format!("{spec:?}").contains("hunter2"));
    }
}
