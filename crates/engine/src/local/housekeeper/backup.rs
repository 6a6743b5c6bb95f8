//! Copying everything that is durable into another directory, while the writer goes on.

use std::path::{Path, PathBuf};

use super::Housekeeper;
use crate::local::base;
use crate::local::beginning;
use crate::local::disk::{Access, Disk, read_full, write_all};
use crate::local::error::{DiskError, Doing};
use crate::local::index::SUMMARIES_MAX;
use crate::local::segment::{HEADER_BLOCK, Segment, SegmentHeader, name};

const STEP: usize = 1024 * 1024;

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackedUp {
    /// The last position in it.
    pub up_to: u64,
    /// Bytes copied.
    pub copied: u64,
    /// Bytes shared with the original.
    pub linked: u64,
    /// How many files it has.
    pub files: usize,
}

/// Why a backup was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The directory holds something.
    #[error("{} holds something already: name a directory that does not exist or is empty", .0.display())]
    Occupied(PathBuf),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Housekeeper {
    /// Copies what is durable into a directory that opens as a log. Files that do not change any more are linked where that
    /// is possible, if `links` allows it.
    ///
    /// # Errors
    /// Fails if the directory holds something, or the disk fails.
    pub fn backup(&self, to: &Path, links: bool) -> Result<BackedUp, BackupError> {
        let _alone = self.alone();
        let shared = &self.shared;
        let disk = &*shared.disk;
        disk.create_dir(to).doing("creating", to)?;
        if !disk.list(to).doing("listing", to)?.is_empty() {
            return Err(BackupError::Occupied(to.to_owned()));
        }
        let segments = shared.segments();
        // Read behind the list: what is durable by then lies in these segments, or behind them.
        let durable = shared.durable();
        let open = segments.partition_point(|segment| segment.first_position <= durable.max(1));
        let Some((last, sealed)) = segments[..open].split_last() else {
            return Err(BackupError::Disk(DiskError {
                action: "reading",
                path: shared.dir.clone(),
                source: std::io::Error::other("the log has no segment"),
            }));
        };
        let mut copying = Copying { disk, links, done: BackedUp { up_to: durable, ..BackedUp::default() } };
        if shared.beginning().is_some() {
            copying.file(&shared.dir.join(beginning::NAME), &to.join(beginning::NAME))?;
        }
        let bases = shared.bases().clone();
        for base in bases {
            let of = |dir: &Path| base::path_of(dir, base.reached, base.number);
            copying.file(&of(&shared.dir), &of(to))?;
        }
        for segment in sealed {
            let first = segment.first_position;
            copying.file(&segment.path, &name::segment(to, first))?;
            // It may not be written yet, and is made anew where it is missing.
            let _ = copying.file(&name::index(&shared.dir, first), &name::index(to, first));
        }
        copying.prefix(last, durable, &name::segment(to, last.first_position))?;
        disk.sync_dir(to).doing("syncing", to)?;
        Ok(copying.done)
    }
}

struct Copying<'a> {
    disk: &'a dyn Disk,
    links: bool,
    done: BackedUp,
}

impl Copying<'_> {
    /// Links or copies a file that does not change any more.
    fn file(&mut self, from: &Path, to: &Path) -> Result<(), DiskError> {
        let source = self.disk.open(from, Access::Read).doing("opening", from)?;
        let bytes = source.len().doing("measuring", from)?;
        if self.links && self.disk.link(from, to).is_ok() {
            self.done.linked += bytes;
            self.done.files += 1;
            return Ok(());
        }
        self.copy(&*source, from, to, 0..bytes, &[])
    }

    /// Copies the frames up to a position: of the newest segment, which goes on changing behind them.
    fn prefix(&mut self, segment: &Segment, durable: u64, to: &Path) -> Result<(), DiskError> {
        let end = end_of(segment, durable)?;
        let length = end.next_multiple_of(HEADER_BLOCK).max(2 * HEADER_BLOCK);
        let Some(header) = segment.header else {
            return self.copy(&*segment.file, &segment.path, to, 0..end, &[]);
        };
        let header = SegmentHeader { prepared_bytes: length, flags: 0, ..header };
        self.copy(&*segment.file, &segment.path, to, HEADER_BLOCK..end, &header.to_block())
    }

    /// Writes `head`, then a range of a file, then zeros up to the next block.
    fn copy(
        &mut self,
        source: &dyn crate::local::disk::DiskFile,
        from: &Path,
        to: &Path,
        range: std::ops::Range<u64>,
        head: &[u8],
    ) -> Result<(), DiskError> {
        let file = self.disk.create(to).doing("creating", to)?;
        write_all(&*file, 0, head).doing("writing", to)?;
        let shift = head.len() as u64;
        let mut buffer = vec![0; STEP];
        let mut at = range.start;
        while at < range.end {
            let piece = ((range.end - at) as usize).min(STEP);
            let count = read_full(source, at, &mut buffer[..piece]).doing("reading", from)?;
            if count == 0 {
                let source = std::io::ErrorKind::UnexpectedEof.into();
                return Err(DiskError { action: "reading", path: from.to_owned(), source });
            }
            write_all(&*file, at - range.start + shift, &buffer[..count]).doing("writing", to)?;
            at += count as u64;
        }
        let written = at - range.start + shift;
        if !head.is_empty() {
            let end = written.next_multiple_of(HEADER_BLOCK).max(2 * HEADER_BLOCK);
            let zeros = vec![0; (end - written) as usize];
            write_all(&*file, written, &zeros).doing("writing", to)?;
        }
        file.fdatasync().doing("syncing", to)?;
        self.done.copied += written;
        self.done.files += 1;
        Ok(())
    }
}

/// The byte behind the last frame that ends at or before a position.
fn end_of(segment: &Segment, position: u64) -> Result<u64, DiskError> {
    let index = segment.index();
    let fault = |fault| DiskError {
        action: "reading the index of",
        path: segment.path.clone(),
        source: std::io::Error::other(fault),
    };
    let mut at = index.find(position).map_err(fault)?;
    loop {
        let batch = index.summaries(at.saturating_sub(1)..at + SUMMARIES_MAX).map_err(fault)?;
        let covered = batch.iter().rev().find(|summary| summary.last_position <= position);
        match covered {
            Some(summary) => return Ok(u64::from(summary.offset) + u64::from(summary.length)),
            None if at == 0 => return Ok(HEADER_BLOCK),
            None => at -= 1,
        }
    }
}
