//! Where the log is that a command works on.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use crate::exit::Failure;

/// Names a log by its folder, or by the data folder it is in.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The data folder, or the log in it; --data-dir unless given
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The data folder
    #[arg(
        long,
        value_name = "FOLDER",
        env = "CANTUS_DATA_DIR",
        hide_env_values = true,
        default_value = ".cantus"
    )]
    data_dir: PathBuf,
}

impl Place {
    /// Returns the folder of the log.
    pub(super) fn folder(&self) -> Result<PathBuf> {
        log_folder(self.folder.as_ref().unwrap_or(&self.data_dir))
    }
}

/// Returns the folder of the log: `FOLDER/log` if there is one, else the folder itself.
fn log_folder(folder: &Path) -> Result<PathBuf> {
    let below = folder.join("log");
    match (below.is_dir(), folder.is_dir()) {
        (true, _) => Ok(below),
        (false, true) => Ok(folder.to_owned()),
        (false, false) => {
            let hint = "name the folder that `cantus dev` or `cantus serve` keeps its state in";
            Err(Failure::not_found(format!("there is no folder {}", folder.display())).hint(hint).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_found_in_the_data_folder_or_named_itself() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(log_folder(folder.path()).unwrap(), folder.path());
        std::fs::create_dir(folder.path().join("log")).unwrap();
        assert_eq!(log_folder(folder.path()).unwrap(), folder.path().join("log"));
        assert!(log_folder(&folder.path().join("nothing")).is_err());
    }
}
