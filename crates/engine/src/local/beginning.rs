//! Where a log begins whose oldest segments were dropped: written down durably before they go, so that what is missing is
//! known to be gone on purpose.

use std::path::Path;

use super::disk::{Access, Disk, is_unreadable, read_full, write_all};
use super::error::{DiskError, Doing, OpenError};
use super::header_block;
use super::removed::Run;
use super::segment::{HEADER_BLOCK, name};

pub(crate) const VERSION: u16 = 1;
const MAGIC: &[u8; 8] = b"CANTUSBG";
/// The file's name.
pub(crate) const NAME: &str = "beginning";
/// The same twice, so that one bad block is no loss.
const COPIES: u64 = 2;

/// Where the log begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beginning {
    pub(crate) log_id: u64,
    /// The first position of the oldest segment there is.
    pub(crate) first_position: u64,
    /// The chain hash behind the last frame that went.
    pub(crate) chain: u64,
    /// What went, of which readers are told; `None` if nobody misses it.
    pub(crate) run: Option<Run>,
}

impl Beginning {
    fn to_block(&self) -> Vec<u8> {
        let mut run = Vec::new();
        if let Some(removed) = &self.run {
            removed.write(&mut run);
        }
        header_block::made(MAGIC, VERSION, |put| {
            put.u64(self.log_id)
                .u64(self.first_position)
                .u64(self.chain)
                .u64(self.run.as_ref().map_or(0, |run| run.first))
                .u32(run.len() as u32)
                .bytes(&run);
        })
    }

    /// The version is looked at before the checksum; `Err` is an unknown one, not one that has rotted.
    fn read_block(block: &[u8]) -> Option<Result<Self, u16>> {
        let mut fields = match header_block::fields(block, MAGIC, VERSION)? {
            Ok(fields) => fields,
            Err(version) => return Some(Err(version)),
        };
        let (log_id, first_position, chain) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let (run_first, run_bytes) = (fields.u64()?, fields.u32()?);
        let run = fields.bytes(run_bytes as usize)?;
        let run = if run.is_empty() { None } else { Some(Run::read(run_first, run)?) };
        Some(Ok(Self { log_id, first_position, chain, run }))
    }

    /// Writes it down, durably.
    pub(crate) fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
        let path = dir.join(NAME);
        let temporary = name::temporary(&path);
        let file = disk.create(&temporary).doing("creating", &temporary)?;
        let block = self.to_block();
        let written = (0..COPIES).try_for_each(|copy| write_all(&*file, copy * HEADER_BLOCK, &block));
        let written = written.and_then(|()| file.fdatasync()).doing("writing", &temporary);
        if let Err(error) = written {
            let _ = disk.unlink(&temporary);
            return Err(error);
        }
        disk.rename(&temporary, &path).doing("renaming", &temporary)?;
        disk.sync_dir(dir).doing("syncing", dir)
    }

    /// Reads it; `None` if there is none, or none of its copies is whole.
    ///
    /// # Errors
    /// An unknown format version, or a disk that fails.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<Self>, OpenError> {
        let path = dir.join(NAME);
        let file = match disk.open(&path, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(DiskError { action: "opening", path, source }.into()),
        };
        for copy in 0..COPIES {
            let mut block = vec![0; HEADER_BLOCK as usize];
            let count = match read_full(&*file, copy * HEADER_BLOCK, &mut block) {
                Ok(count) => count,
                Err(error) if is_unreadable(&error) => continue,
                Err(source) => return Err(DiskError { action: "reading", path, source }.into()),
            };
            match Self::read_block(&block[..count]) {
                Some(Ok(beginning)) => return Ok(Some(beginning)),
                Some(Err(found)) => {
                    return Err(OpenError::UnknownVersion { file: path, found, known: VERSION });
                }
                None => {}
            }
        }
        tracing::error!(file = %path.display(), "what says where the log begins is damaged");
        Ok(None)
    }
}
