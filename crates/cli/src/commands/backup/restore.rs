//! `cantus restore`

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cantus_engine::codec;
use cantus_engine::local::{RealDisk, verify};
use clap::Args;

use super::unpack::Unpack;
use crate::context::Context;
use crate::exit::Failure;

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// Bring a backup back into an empty data folder
///
/// Every byte is verified before anything gets its final name. No server may use the folder. The server that starts on it goes on where
/// the backup ends: what was accepted later is not there, and its positions are given out again.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup: a folder, or a file that ends in .tar
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// The data folder; empty or not there
    #[arg(
        long,
        value_name = "FOLDER",
        env = "CANTUS_DATA_DIR",
        hide_env_values = true,
        default_value = ".cantus"
    )]
    data_dir: PathBuf,
}

impl Restore {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let to = &self.data_dir;
        if !super::is_free(to)? {
            let failure = Failure::conflict(format!("{} holds something already", to.display()));
            return Err(failure.hint("restore into a folder that is empty or not there").into());
        }
        if !self.from.exists() {
            return Err(Failure::not_found(format!("there is no {}", self.from.display())).into());
        }
        fs::create_dir_all(to).with_context(|| format!("{} cannot be made", to.display()))?;
        let partial = to.join("restore.part");
        fs::create_dir(&partial).with_context(|| format!("{} cannot be made", partial.display()))?;
        let restored = self.bring(&partial).and_then(|bytes| {
            let end = check(&partial)?;
            install(&partial, to)?;
            Ok((bytes, end))
        });
        let (bytes, end) = match restored {
            Ok(restored) => restored,
            Err(error) => {
                // What is there was made by this command.
                let _ = fs::remove_dir_all(&partial);
                return Err(error);
            }
        };
        let told = serde_json::json!({"data_dir": to.display().to_string(), "bytes": bytes, "up_to": format!("0:{end}")});
        context.screen.show(&told, || {
            format!("{bytes} bytes are in {}, up to 0:{end}; every byte was verified\n", to.display())
        })
    }

    fn bring(&self, to: &Path) -> Result<u64> {
        if self.from.is_dir() {
            return copy(&self.from, to);
        }
        let mut file =
            File::open(&self.from).with_context(|| format!("{} cannot be read", self.from.display()))?;
        let (mut unpack, mut piece) = (Unpack::into(to), vec![0; PIECE]);
        loop {
            let count =
                file.read(&mut piece).with_context(|| format!("{} cannot be read", self.from.display()))?;
            if count == 0 {
                return unpack.end();
            }
            unpack.take(&piece[..count])?;
        }
    }
}

/// Copies every file below a folder; whoever restores keeps the backup.
fn copy(from: &Path, to: &Path) -> Result<u64> {
    let mut bytes = 0;
    let entries = fs::read_dir(from).with_context(|| format!("{} cannot be read", from.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("{} cannot be read", from.display()))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().with_context(|| format!("{} cannot be read", path.display()))?;
        if kind.is_dir() {
            fs::create_dir(&target).with_context(|| format!("{} cannot be made", target.display()))?;
            bytes += copy(&path, &target)?;
        } else if kind.is_file() {
            bytes +=
                fs::copy(&path, &target).with_context(|| format!("{} cannot be copied", path.display()))?;
            let file = File::open(&target).with_context(|| format!("{} cannot be read", target.display()))?;
            file.sync_all().with_context(|| format!("{} cannot be synced", target.display()))?;
        }
    }
    Ok(bytes)
}

/// Verifies every byte of a backup's log. Returns its last position.
pub(super) fn check(folder: &Path) -> Result<u64> {
    let log = folder.join("log");
    if !log.is_dir() {
        return Err(Failure::failed("this is no backup: it has no folder `log`").into());
    }
    let report = verify(&RealDisk, &log, &codec::describe, &mut |_, _| ())
        .with_context(|| format!("the log in {} cannot be read", log.display()))?;
    if report.segments.is_empty() {
        return Err(Failure::failed("this is no backup: its log is empty").into());
    }
    match report.damage.first() {
        None => Ok(report.end),
        Some(damage) => {
            let text = format!("the backup is damaged: {damage}");
            Err(Failure::failed(text)
                .hint("take an older one; cantus log verify FOLDER says all of it")
                .into())
        }
    }
}

/// Gives everything its final name, the log last: a folder without one is begun anew, never half.
fn install(partial: &Path, to: &Path) -> Result<()> {
    let rename = |name: &std::ffi::OsStr| {
        let (from, target) = (partial.join(name), to.join(name));
        fs::rename(&from, &target).with_context(|| format!("{} cannot be renamed", from.display()))
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(partial).with_context(|| format!("{} cannot be read", partial.display()))? {
        names.push(entry.with_context(|| format!("{} cannot be read", partial.display()))?.file_name());
    }
    names.sort_by_key(|name| name == "log");
    names.iter().try_for_each(|name| rename(name))?;
    fs::remove_dir(partial).with_context(|| format!("{} cannot be removed", partial.display()))?;
    let folder = File::open(to).with_context(|| format!("{} cannot be read", to.display()))?;
    folder.sync_all().with_context(|| format!("{} cannot be synced", to.display()))
}
