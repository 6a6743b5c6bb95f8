//! The token of `dev`: written once with mode 0600, read by the command line.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::exit::Failure;

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
    match OpenOptions::new().write(true).create_new(true).mode(MODE).open(file) {
        Ok(mut new) => {
            let token = random()?;
            new.write_all(format!("{token}\n").as_bytes()).with_context(named)?;
            new.sync_all().with_context(named)?;
            Ok(token)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let token = std::fs::read_to_string(file).with_context(named)?.trim().to_owned();
            if token.is_empty() {
                let hint = "delete it, and the next start writes a new one";
                return Err(Failure::failed(format!("{} is empty", file.display())).hint(hint).into());
            }
            std::fs::set_permissions(file, Permissions::from_mode(MODE)).with_context(named)?;
            Ok(token)
        }
        Err(error) => Err(error).with_context(named),
    }
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
}
