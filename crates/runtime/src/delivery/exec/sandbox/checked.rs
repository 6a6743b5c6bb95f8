//! The program, opened once: what was looked at is what is run, whatever happens to its name meanwhile.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::delivery::exec::outcome::SpawnFailure;

type Failure = (SpawnFailure, String);

/// Longest script: it is copied, so that nobody can change it between the look and the run.
const SCRIPT_BYTES_MAX: u64 = 16 << 20;
/// How much of a script's first line the kernel reads.
const FIRST_LINE_BYTES: usize = 256;
const SETUID_OR_SETGID: u32 = 0o6000;

/// A program that may be run.
pub(super) struct Checked {
    /// Where it was found.
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    /// The kernel runs it.
    Binary(Handle),
    /// An interpreter runs the copy.
    Script { bytes: Vec<u8>, interpreter: Handle, interpreter_path: PathBuf, argument: Option<CString> },
}

/// An open file and who it is.
pub(super) struct Handle {
    pub(super) file: File,
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl Checked {
    /// Opens a program and refuses what may not be run. `script` is the hash its script must have, if it is one.
    pub(super) fn open(path: &Path, script: Option<&str>) -> Result<Self, Failure> {
        let (handle, bytes) = opened(path)?;
        let path = path.to_owned();
        let Some(bytes) = bytes else {
            if script.is_some() {
                return Err(changed(&path, "it was a script when the definitions were installed"));
            }
            return Ok(Self { path, kind: Kind::Binary(handle) });
        };
        if script.is_some_and(|wanted| wanted != hex(&bytes)) {
            return Err(changed(&path, "its content is not that of when the definitions were installed"));
        }
        let Some((interpreter_path, argument)) = first_line(&bytes) else {
            let message =
                format!("{} is no program: begin it with a line such as `#!/bin/sh`", path.display());
            return Err((SpawnFailure::NotExecutable, message));
        };
        let (interpreter, script) = opened(&interpreter_path).map_err(|(kind, message)| {
            let shown = interpreter_path.display();
            (kind, format!("{} names the interpreter `{shown}`: {message}", path.display()))
        })?;
        if script.is_some() {
            let shown = interpreter_path.display();
            let message =
                format!("{} names the interpreter `{shown}`, which is a script itself", path.display());
            return Err((SpawnFailure::NotExecutable, message));
        }
        Ok(Self { path, kind: Kind::Script { bytes, interpreter, interpreter_path, argument } })
    }
}

/// Returns the hash of the script at `path`; `None` if it is a binary, or can not be read.
pub(in crate::delivery::exec) fn script_hash(path: &Path) -> Option<String> {
    opened(path).ok()?.1.map(|bytes| hex(&bytes))
}

/// Opens a file that may be run; with its content, if it is not a binary.
fn opened(path: &Path) -> Result<(Handle, Option<Vec<u8>>), Failure> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            (SpawnFailure::NotFound, format!("there is no program {shown}: install it"))
        }
        _ => (SpawnFailure::NotExecutable, format!("{shown} can not be read: {error}")),
    })?;
    let refused = |message: String| Err((SpawnFailure::NotExecutable, message));
    let about = file.metadata().map_err(|error| (SpawnFailure::Other, format!("{shown}: {error}")))?;
    if !about.is_file() {
        return refused(format!("{shown} is not a file"));
    }
    let mode = about.permissions().mode();
    if mode & 0o111 == 0 {
        return refused(format!("{shown} may not be executed: run `chmod +x` on it"));
    }
    if mode & SETUID_OR_SETGID != 0 {
        return refused(format!("{shown} changes its user when run (setuid), which no confined program may"));
    }
    let handle = Handle { device: about.dev(), inode: about.ino(), file };
    let unreadable = |error: io::Error| (SpawnFailure::Other, format!("{shown} can not be read: {error}"));
    let mut magic = [0; 4];
    let read = (&handle.file).read(&mut magic).map_err(unreadable)?;
    if magic[..read] == *b"\x7fELF" {
        return Ok((handle, None));
    }
    if about.len() > SCRIPT_BYTES_MAX {
        return refused(format!(
            "{shown} is a script of {} bytes, and one may have {SCRIPT_BYTES_MAX}",
            about.len()
        ));
    }
    let mut bytes = magic[..read].to_vec();
    (&handle.file).take(SCRIPT_BYTES_MAX).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok((handle, Some(bytes)))
}

/// The interpreter and its one argument, as the kernel reads them.
fn first_line(script: &[u8]) -> Option<(PathBuf, Option<CString>)> {
    let head = &script[..script.len().min(FIRST_LINE_BYTES)];
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?.trim_ascii();
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let (interpreter, argument) = line.split_at(end);
    if interpreter.is_empty() || interpreter.contains(&0) {
        return None;
    }
    let argument = argument.trim_ascii();
    let argument = (!argument.is_empty()).then(|| CString::new(argument)).transpose().ok()?;
    Some((PathBuf::from(std::ffi::OsStr::from_bytes(interpreter)), argument))
}

fn changed(path: &Path, how: &str) -> Failure {
    let message = format!(
        "{} is not what it was, {how}: look at it, then restart the server or run `cantus apply` to accept it",
        path.display()
    );
    (SpawnFailure::Changed, message)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_read_as_the_kernel_reads_it() {
        let read = |line: &str| {
            first_line(line.as_bytes()).map(|(path, argument)| {
                (path.display().to_string(), argument.map(|text| text.into_string().unwrap()))
            })
        };
        assert_eq!(read("#!/bin/sh\nx"), Some(("/bin/sh".into(), None)));
        assert_eq!(read("#! /usr/bin/env  -S a b \n"), Some(("/usr/bin/env".into(), Some("-S a b".into()))));
        assert_eq!(read("#!\n"), None);
        assert_eq!(read("echo"), None);
    }
}
