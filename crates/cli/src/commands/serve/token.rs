//! The token of `dev`: written once with mode 0600, read by the command line.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result};

const RANDOM_BYTES: usize = 32;
const MODE: u32 = 0o600;

/// Makes a folder that only this user can look into, unless it is there.
pub(super) fn private_folder(folder: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))
}

/// Returns the token that programs of agents get, kept so that those that outlive a server can go on.
pub(super) fn of_programs(file: &Path) -> Result<String> {
    of_dev(file)
}

/// Returns the token in a file, which is written if there is none.
pub(super) fn of_dev(file: &Path) -> Result<String> {
    if let Some(folder) = file.parent() {
        private_folder(folder)?;
    }
    let named = || format!("the token file {}", file.display());
    match std::fs::read_to_string(file) {
        Ok(text) if !text.trim().is_empty() => {
            std::fs::set_permissions(file, Permissions::from_mode(MODE)).with_context(named)?;
            return Ok(text.trim().to_owned());
        }
        // A file that is empty was begun by a start that did not get any further: nobody has this token.
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(named),
    }
    let token = random()?;
    write(file, &token).with_context(named)?;
    Ok(token)
}

/// Writes a token under another name first: a start that is killed leaves either no file or a whole one.
fn write(file: &Path, token: &str) -> std::io::Result<()> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let made = file.with_file_name(name);
    match std::fs::remove_file(&made) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut new = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&made)?;
    new.write_all(format!("{token}\n").as_bytes())?;
    new.sync_all()?;
    std::fs::rename(&made, file)
}

fn random() -> Result<String> {
    let mut bytes = [0; RANDOM_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("the source of chance cannot be read")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_written_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".cantus/token");
        let token = of_dev(&file).unwrap();
        assert_eq!(token.len(), 64);
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(of_dev(&file).unwrap(), token);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_start_that_was_killed_while_it_wrote_the_token_is_no_obstacle_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "").unwrap();
        std::fs::write(folder.path().join("token.tmp"), "half a tok").unwrap();
        let token = of_dev(&file).unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(of_dev(&file).unwrap(), token);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
