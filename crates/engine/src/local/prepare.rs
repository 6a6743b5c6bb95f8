//! Making segment files ready before they are needed. Writing into blocks that were written before syncs several times faster.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Access, Disk, DiskFile, write_all};
use super::error::{DiskError, Doing};
use super::segment::{SegmentHeader, name};

/// How much is written between two syncs: a larger flush would hold up the log's own syncs on the same device.
const STEP: usize = 1024 * 1024;
static ZEROS: [u8; STEP] = [0; STEP];

/// A prepared file: every block written, no frame of the coming generation in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spare {
    pub(crate) bytes: u64,
    /// Found ready at start: what is in it is not known.
    pub(crate) recycled: bool,
}

/// Writes zeros over a range of a file, a step at a time.
pub(crate) fn write_zeros(file: &dyn DiskFile, start: u64, end: u64) -> io::Result<()> {
    let mut at = start;
    while at < end {
        let step = ((end - at) as usize).min(STEP);
        write_all(file, at, &ZEROS[..step])?;
        if end - start > STEP as u64 {
            file.fdatasync()?;
        }
        at += step as u64;
    }
    Ok(())
}

/// Makes the spare file of a log's directory: temporary name, zeros really written, synced, renamed, directory synced.
pub(crate) fn spare(disk: &dyn Disk, dir: &Path, bytes: u64) -> Result<Spare, DiskError> {
    let ready = dir.join(name::SPARE);
    let temporary = name::temporary(&ready);
    let file = disk.create(&temporary).doing("creating", &temporary)?;
    let filled = write_zeros(&*file, 0, bytes).doing("filling", &temporary);
    if let Err(error) = filled.and_then(|()| file.fdatasync().doing("syncing", &temporary)) {
        // On a full disk the half-made file would hold the very space that is missing.
        let _ = disk.unlink(&temporary);
        return Err(error);
    }
    disk.rename(&temporary, &ready).doing("renaming", &temporary)?;
    disk.sync_dir(dir).doing("syncing", dir)?;
    Ok(Spare { bytes, recycled: false })
}

/// Looks for a spare file left by an earlier process.
pub(crate) fn find_spare(disk: &dyn Disk, dir: &Path, bytes_min: u64) -> Option<Spare> {
    let file = disk.open(&dir.join(name::SPARE), Access::Read).ok()?;
    let bytes = file.len().ok()?;
    (bytes_min..=1 << 31).contains(&bytes).then_some(Spare { bytes, recycled: true })
}

/// Turns the spare file into the segment its header says. Frames may be written once this has returned.
pub(crate) fn install(
    disk: &dyn Disk,
    dir: &Path,
    header: SegmentHeader,
) -> Result<(PathBuf, Arc<dyn DiskFile>), DiskError> {
    let spare = dir.join(name::SPARE);
    let path = name::segment(dir, header.first_position);
    let file = disk.open(&spare, Access::ReadWrite).doing("opening", &spare)?;
    write_all(&*file, 0, &header.to_block()).doing("writing", &spare)?;
    file.fdatasync().doing("syncing", &spare)?;
    disk.rename(&spare, &path).doing("renaming", &spare)?;
    disk.sync_dir(dir).doing("syncing", dir)?;
    Ok((path, file))
}
