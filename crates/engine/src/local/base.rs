//! Bases: all state as of one position, in a file of its own beside the log. Before records are removed, what they led to
//! stands in two of them.
//!
//! ```text
//! header block, then blocks of rows: each a length, a checksum, rows one behind the other
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::checksum::Seed;
use super::disk::{Access, Disk, DiskFile, is_unreadable, read_full, read_full_device, write_all};
use super::error::{DiskError, Doing};
use super::fields::{Fields, Put, put_varint};
use super::header_block;
use super::segment::{HEADER_BLOCK, name};
use super::window::Source;

pub(crate) const VERSION: u16 = 1;
const MAGIC: &[u8; 8] = b"CANTUSBS";
/// A block is written when it has so many bytes; one row may make it longer.
const BLOCK: usize = 256 * 1024;
/// Length and checksum of a block.
const BLOCK_HEAD: usize = 8;
/// No row is longer than a frame.
const ROW_BYTES_MAX: usize = super::frame::FRAME_BYTES_LIMIT;
/// How much is written between two syncs, so that a base never holds up the log's own syncs for long.
const STEP: u64 = 1024 * 1024;
/// The suffix of a base's name.
pub(crate) const SUFFIX: &str = ".base";
/// How many are kept.
pub(crate) const KEPT: usize = 2;

/// A base, as its header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseHeader {
    /// The log it belongs to.
    pub log_id: u64,
    /// The position all its rows are as of.
    pub reached: u64,
    /// Rises with every base of a log.
    pub number: u64,
    /// The log time at that position in milliseconds.
    pub log_time_ms: u64,
    /// How many rows it has.
    pub rows: u64,
    /// How many blocks they lie in.
    pub blocks: u64,
    /// The length of the file.
    pub bytes: u64,
}

/// Why a base cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaseError {
    /// Its bytes are not what was written.
    #[error("the base {} is damaged at byte {offset}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
    },
    /// A row is too long.
    #[error("a row of {bytes} bytes is longer than a base can hold")]
    Row {
        /// Its length.
        bytes: usize,
    },
    /// A newer program wrote it.
    #[error("the base {} has format version {found}, this program knows {VERSION}", path.display())]
    UnknownVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u16,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl BaseHeader {
    fn to_block(self) -> Vec<u8> {
        header_block::made(MAGIC, VERSION, |put| {
            put.u64(self.log_id)
                .u64(self.reached)
                .u64(self.number)
                .u64(self.log_time_ms)
                .u64(self.rows)
                .u64(self.blocks)
                .u64(self.bytes);
        })
    }

    /// The version is looked at before the checksum; `Err` is an unknown one, not one that has rotted.
    fn read(block: &[u8]) -> Option<Result<Self, u16>> {
        let mut fields = match header_block::fields(block, MAGIC, VERSION)? {
            Ok(fields) => fields,
            Err(version) => return Some(Err(version)),
        };
        Some(Ok(Self {
            log_id: fields.u64()?,
            reached: fields.u64()?,
            number: fields.u64()?,
            log_time_ms: fields.u64()?,
            rows: fields.u64()?,
            blocks: fields.u64()?,
            bytes: fields.u64()?,
        }))
    }

    /// The start of every checksum in the file: its blocks fit no other base.
    fn seed(&self) -> Seed {
        let mut bytes = [0; 24];
        for (place, value) in bytes.chunks_exact_mut(8).zip([self.log_id, self.reached, self.number]) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        Seed::from_value(xxh3_64(&bytes))
    }
}

pub(crate) fn path_of(dir: &Path, reached: u64, number: u64) -> PathBuf {
    dir.join(format!("{reached:020}-{number}{SUFFIX}"))
}

/// Position and number, from a file's name.
pub(crate) fn parse_name(file_name: &str) -> Option<(u64, u64)> {
    let (reached, number) = file_name.strip_suffix(SUFFIX)?.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if reached.len() != 20 || !digits(reached) || !digits(number) {
        return None;
    }
    Some((reached.parse().ok()?, number.parse().ok()?))
}

/// Writes a base row by row; it counts for nothing before [`Writing::finish`].
pub(crate) struct Writing<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    temporary: PathBuf,
    file: Arc<dyn DiskFile>,
    header: BaseHeader,
    seed: Seed,
    block: Vec<u8>,
    unsynced: u64,
}

impl<'a> Writing<'a> {
    /// Begins the base of a position.
    pub(crate) fn begin(
        disk: &'a dyn Disk,
        dir: &'a Path,
        log_id: u64,
        reached: u64,
        number: u64,
        log_time_ms: u64,
    ) -> Result<Self, BaseError> {
        let temporary = name::temporary(&path_of(dir, reached, number));
        let file = disk.create(&temporary).doing("creating", &temporary)?;
        let bytes = HEADER_BLOCK;
        let header = BaseHeader { log_id, reached, number, log_time_ms, rows: 0, blocks: 0, bytes };
        let block = vec![0; BLOCK_HEAD];
        Ok(Self { disk, dir, temporary, file, header, seed: header.seed(), block, unsynced: 0 })
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), BaseError> {
        let bytes = key.len() + value.len();
        if bytes > ROW_BYTES_MAX {
            return Err(BaseError::Row { bytes });
        }
        if self.block.len() > BLOCK_HEAD && self.block.len() + bytes > BLOCK {
            self.end_block()?;
        }
        put_varint(&mut self.block, key.len() as u64);
        self.block.extend_from_slice(key);
        put_varint(&mut self.block, value.len() as u64);
        self.block.extend_from_slice(value);
        self.header.rows += 1;
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), BaseError> {
        if self.block.len() == BLOCK_HEAD {
            return Ok(());
        }
        let length = (self.block.len() - BLOCK_HEAD) as u32;
        let crc = block_crc(self.seed, self.header.blocks, length, &self.block[BLOCK_HEAD..]);
        Put::new(&mut self.block).u32(length).u32(crc);
        write_all(&*self.file, self.header.bytes, &self.block).doing("writing", &self.temporary)?;
        self.header.bytes += self.block.len() as u64;
        self.header.blocks += 1;
        self.unsynced += self.block.len() as u64;
        if self.unsynced >= STEP {
            self.file.fdatasync().doing("syncing", &self.temporary)?;
            self.unsynced = 0;
        }
        self.block.clear();
        self.block.resize(BLOCK_HEAD, 0);
        Ok(())
    }

    /// Makes it a base: header, sync, read back, rename.
    pub(crate) fn finish(mut self) -> Result<BaseHeader, BaseError> {
        self.end_block()?;
        write_all(&*self.file, 0, &self.header.to_block()).doing("writing", &self.temporary)?;
        self.file.fdatasync().doing("syncing", &self.temporary)?;
        let base = Base { path: self.temporary.clone(), header: self.header, file: self.file.clone() };
        base.read(Source::Device, &mut |_, _| {})?;
        let path = path_of(self.dir, self.header.reached, self.header.number);
        self.disk.rename(&self.temporary, &path).doing("renaming", &self.temporary)?;
        self.disk.sync_dir(self.dir).doing("syncing", self.dir)?;
        Ok(self.header)
    }

    /// Removes what was written.
    pub(crate) fn give_up(self) {
        // On a full disk the half-made file would hold the very space that is missing. The next start removes it else.
        let _ = self.disk.unlink(&self.temporary);
    }
}

fn block_crc(seed: Seed, number: u64, length: u32, rows: &[u8]) -> u32 {
    seed.crc(&[&number.to_le_bytes(), &length.to_le_bytes(), rows])
}

/// An open base whose header is whole.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) path: PathBuf,
    pub(crate) header: BaseHeader,
    file: Arc<dyn DiskFile>,
}

impl Base {
    /// Opens a base and verifies its header, its name and its length.
    pub(crate) fn open(disk: &dyn Disk, dir: &Path, reached: u64, number: u64) -> Result<Self, BaseError> {
        let path = path_of(dir, reached, number);
        let file = disk.open(&path, Access::Read).doing("opening", &path)?;
        let mut block = vec![0; HEADER_BLOCK as usize];
        let damaged = |offset| BaseError::Damaged { path: path.clone(), offset };
        let count = match read_full(&*file, 0, &mut block) {
            Ok(count) => count,
            Err(error) if is_unreadable(&error) => return Err(damaged(0)),
            Err(source) => return Err(DiskError { action: "reading", path, source }.into()),
        };
        let header = match BaseHeader::read(&block[..count]) {
            Some(Ok(header)) => header,
            Some(Err(found)) => return Err(BaseError::UnknownVersion { path, found }),
            None => return Err(damaged(0)),
        };
        let length = file.len().doing("measuring", &path)?;
        if (header.reached, header.number, header.bytes) != (reached, number, length) {
            return Err(damaged(length));
        }
        Ok(Self { path, header, file })
    }

    /// Calls `row` with every row, verifying each block before its rows are given.
    pub(crate) fn read(&self, from: Source, row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), BaseError> {
        let seed = self.header.seed();
        let mut at = HEADER_BLOCK;
        let mut rows = 0;
        let mut buffer = Vec::new();
        for number in 0..self.header.blocks {
            let damaged = || BaseError::Damaged { path: self.path.clone(), offset: at };
            let mut head = [0; BLOCK_HEAD];
            self.fill(from, at, &mut head)?;
            let mut fields = Fields::new(&head);
            let (length, crc) = (fields.u32().ok_or_else(damaged)?, fields.u32().ok_or_else(damaged)?);
            let end = at + (BLOCK_HEAD + length as usize) as u64;
            if end > self.header.bytes {
                return Err(damaged());
            }
            buffer.resize(length as usize, 0);
            self.fill(from, at + BLOCK_HEAD as u64, &mut buffer)?;
            if block_crc(seed, number, length, &buffer) != crc {
                return Err(damaged());
            }
            let mut fields = Fields::new(&buffer);
            while fields.left() > 0 {
                let key = fields.length().and_then(|length| fields.bytes(length)).ok_or_else(damaged)?;
                let value = fields.length().and_then(|length| fields.bytes(length)).ok_or_else(damaged)?;
                row(key, value);
                rows += 1;
            }
            at = end;
        }
        if rows != self.header.rows || at != self.header.bytes {
            return Err(BaseError::Damaged { path: self.path.clone(), offset: at });
        }
        Ok(())
    }

    fn fill(&self, from: Source, at: u64, buffer: &mut [u8]) -> Result<(), BaseError> {
        let read = match from {
            Source::Cache => read_full(&*self.file, at, buffer),
            Source::Device => match read_full_device(&*self.file, at, buffer) {
                Ok(Some(count)) => Ok(count),
                Ok(None) => read_full(&*self.file, at, buffer),
                Err(error) => Err(error),
            },
        };
        match read {
            Ok(count) if count == buffer.len() => Ok(()),
            Ok(_) => Err(BaseError::Damaged { path: self.path.clone(), offset: at }),
            Err(error) if is_unreadable(&error) => {
                Err(BaseError::Damaged { path: self.path.clone(), offset: at })
            }
            Err(source) => Err(DiskError { action: "reading", path: self.path.clone(), source }.into()),
        }
    }
}
