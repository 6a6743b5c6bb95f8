//! `cantus backup` and `cantus restore`: everything a server has, taken away while it goes on, and brought back.

mod restore;
mod unpack;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cantus_client::Client;
use clap::Args;

pub(crate) use restore::Restore;
use unpack::Unpack;

use crate::context::Context;
use crate::exit::Failure;

/// Copy everything a running server has into a folder or a tar file
///
/// All that was accepted before is in it, up to one place in the log and nothing behind; the server goes on meanwhile. The copy is
/// verified. `cantus restore` brings it back; a folder can also be served as it is.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus backup /backups/monday.tar\n  \
    cantus backup /backups/monday\n  \
    cantus restore /backups/monday.tar --data-dir /var/lib/cantus")]
pub(crate) struct Backup {
    /// A folder that is empty or not there, or a file that ends in .tar
    #[arg(value_name = "TO")]
    to: PathBuf,
}

impl Backup {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let client = context.client()?;
        let is_tar = self.to.extension().is_some_and(|extension| extension == "tar");
        let bytes =
            if is_tar { into_file(&client, &self.to).await? } else { into_folder(&client, &self.to).await? };
        let told = serde_json::json!({"to": self.to.display().to_string(), "bytes": bytes});
        context.screen.show(&told, || format!("{bytes} bytes are in {}\n", self.to.display()))
    }
}

/// Tells whether a folder is not there or holds nothing.
fn is_free(folder: &Path) -> Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", folder.display())),
    }
}

async fn into_folder(client: &Client, to: &Path) -> Result<u64> {
    if !is_free(to)? {
        let failure = Failure::conflict(format!("{} holds something already", to.display()));
        return Err(failure.hint("name a folder that is empty or not there").into());
    }
    let mut archive = client.backup().await?;
    fs::create_dir_all(to).with_context(|| format!("{} cannot be made", to.display()))?;
    let mut unpack = Unpack::into(to);
    let taken = async {
        while let Some(piece) = archive.piece().await? {
            unpack.take(&piece)?;
        }
        unpack.end()
    };
    let bytes = match taken.await {
        Ok(bytes) => bytes,
        Err(error) => {
            // Half a backup is none.
            let _ = fs::remove_dir_all(to);
            return Err(error);
        }
    };
    restore::check(to)?;
    Ok(bytes)
}

async fn into_file(client: &Client, to: &Path) -> Result<u64> {
    if to.exists() {
        let failure = Failure::conflict(format!("{} is there already", to.display()));
        return Err(failure.hint("name another file").into());
    }
    let mut archive = client.backup().await?;
    let partial = to.with_extension("tar.part");
    let mut file = File::create(&partial).with_context(|| format!("{} cannot be made", partial.display()))?;
    let mut unpack = Unpack::nowhere();
    let taken = async {
        while let Some(piece) = archive.piece().await? {
            unpack.take(&piece)?;
            file.write_all(&piece).with_context(|| format!("{} cannot be written", partial.display()))?;
        }
        let bytes = unpack.end()?;
        file.sync_all().with_context(|| format!("{} cannot be synced", partial.display()))?;
        fs::rename(&partial, to).with_context(|| format!("{} cannot be renamed", partial.display()))?;
        anyhow::Ok(bytes)
    };
    let taken = taken.await;
    if taken.is_err() {
        let _ = fs::remove_file(&partial);
    }
    taken
}
