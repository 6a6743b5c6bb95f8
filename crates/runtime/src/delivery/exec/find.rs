//! Which file a program's name means.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::outcome::SpawnFailure;

type Failure = (SpawnFailure, String);

/// Finds the program as a shell would, but from the child's own PATH and folder.
///
/// Looked up here and not by the C library, which hands a script without `#!` to a shell nobody asked for.
pub(in crate::delivery) fn find(
    name: &str,
    cwd: &Path,
    env: &[(String, String)],
) -> Result<PathBuf, Failure> {
    match fs::metadata(cwd) {
        Ok(cwd) if cwd.is_dir() => {}
        Ok(_) => return Err((SpawnFailure::Folder, format!("`cwd` {} is not a folder", cwd.display()))),
        Err(error) => {
            return Err((SpawnFailure::Folder, format!("`cwd` {} can not be used: {error}", cwd.display())));
        }
    }
    if name.contains('/') {
        let path = cwd.join(name);
        return runnable(&path).map(|()| path);
    }
    let path = env.iter().find(|(variable, _)| variable == "PATH").map_or("", |(_, value)| value.as_str());
    let mut refused = None;
    for folder in path.split(':').filter(|folder| !folder.is_empty()) {
        let candidate = cwd.join(folder).join(name);
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
