//! Making segment files ready before they are needed. Writing into blocks that were written before syncs several times faster.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Access, Disk, DiskFile, write_all, write_all_device};
use super::error::{DiskError, Doing};
use super::segment::{SegmentHeader, name};

/// How much is written between two syncs: a larger flush would hold up the log's own syncs on the same device.
const STEP: usize = 1024 * 1024;
static ZEROS: Zeros = Zeros([0; STEP]);

/// Aligned as writes past the page cache need it.
#[repr(align(4096))]
struct Zeros([u8; STEP]);

/// A prepared file: every block written, no frame of the coming generation in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spare {
    pub(crate) bytes: u64,
    /// Found ready at start: what is in it is not known.
    pub(crate) recycled: bool,
}

/// Writes zeros over a range of a file, a step at a time, and not into the page cache: that would cost more than all that is done
/// with an event later.
pub(crate) fn write_zeros(file: &dyn DiskFile, start: u64, end: u64) -> io::Result<()> {
    let mut at = start;
    while at < end {
        let step = ((end - at) as usize).min(STEP);
        write_all_device(file, at, &ZEROS.0[..step])?;
        if end - start > STEP as u64 {
            file.fdatasync()?;
        }
        at += step as u64;
    }
    Ok(())
}

/// Makes the spare file of a log's directory: temporary name, zeros really written, synced, renamed, directory synced.
pub(crate) fn spare(disk: &dyn Disk, dir: &Path, bytes: u64) -> Result<Spare, DiskError> {
    let fresh = fresh(disk, dir, bytes)?;
    make_ready(disk, dir, fresh)
}

/// A file of zeros that has no meaning yet.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) path: PathBuf,
    bytes: u64,
}

/// Makes a file of zeros, under a temporary name.
pub(crate) fn fresh(disk: &dyn Disk, dir: &Path, bytes: u64) -> Result<Fresh, DiskError> {
    let temporary = name::temporary(&dir.join(name::SPARE));
    let file = disk.create(&temporary).doing("creating", &temporary)?;
    let filled = write_zeros(&*file, 0, bytes).doing("filling", &temporary);
    if let Err(error) = filled.and_then(|()| file.fdatasync().doing("syncing", &temporary)) {
        // On a full disk the half-made file would hold the very space that is missing.
        let _ = disk.unlink(&temporary);
        return Err(error);
    }
    Ok(Fresh { path: temporary, bytes })
}

/// Makes a file of zeros the spare.
pub(crate) fn make_ready(disk: &dyn Disk, dir: &Path, fresh: Fresh) -> Result<Spare, DiskError> {
    disk.rename(&fresh.path, &dir.join(name::SPARE)).doing("renaming", &fresh.path)?;
    disk.sync_dir(dir).doing("syncing", dir)?;
    Ok(Spare { bytes: fresh.bytes, recycled: false })
}

/// How many files are kept for reuse.
const RECYCLED_MAX: usize = 2;
/// A spare or recycled file of another length than these is none of ours.
const BYTES_MAX: u64 = 1 << 31;

/// The files kept for reuse, with their lengths.
fn recycled(disk: &dyn Disk, dir: &Path) -> Result<Vec<(PathBuf, u64)>, DiskError> {
    let mut found = Vec::new();
    for file_name in disk.list(dir).doing("listing", dir)? {
        if name::first_position(&file_name, name::RECYCLED).is_some() {
            let path = dir.join(file_name);
            let length =
                disk.open(&path, Access::Read).and_then(|file| file.len()).doing("opening", &path)?;
            found.push((path, length));
        }
    }
    Ok(found)
}

/// Keeps a dropped segment's file for reuse unless there is enough of that, or the file has a second name: then whoever gave
/// it that would see it change. Says whether it was kept.
pub(crate) fn recycle(disk: &dyn Disk, dir: &Path, path: &Path) -> Result<bool, DiskError> {
    if recycled(disk, dir)?.len() >= RECYCLED_MAX || disk.is_linked(path).unwrap_or(true) {
        return Ok(false);
    }
    let to = path.with_extension(&name::RECYCLED[1..]);
    disk.rename(path, &to).doing("renaming", path)?;
    Ok(true)
}

/// Makes a file kept for reuse the spare, if one is large enough. Its old frames are of another generation: they never
/// verify in the segment it becomes. Smaller ones are removed, as segments only grow.
pub(crate) fn reuse(disk: &dyn Disk, dir: &Path, bytes_min: u64) -> Result<Option<Spare>, DiskError> {
    for (path, bytes) in recycled(disk, dir)? {
        if !(bytes_min..=BYTES_MAX).contains(&bytes) || disk.is_linked(&path).unwrap_or(true) {
            disk.unlink(&path).doing("removing", &path)?;
            continue;
        }
        disk.rename(&path, &dir.join(name::SPARE)).doing("renaming", &path)?;
        disk.sync_dir(dir).doing("syncing", dir)?;
        return Ok(Some(Spare { bytes, recycled: true }));
    }
    Ok(None)
}

/// Removes the files kept for reuse; returns their lengths together.
pub(crate) fn forget_recycled(disk: &dyn Disk, dir: &Path) -> Result<u64, DiskError> {
    let mut forgotten = 0;
    for (path, bytes) in recycled(disk, dir)? {
        disk.unlink(&path).doing("removing", &path)?;
        forgotten += bytes;
    }
    Ok(forgotten)
}

/// Looks for a spare file left by an earlier process.
pub(crate) fn find_spare(disk: &dyn Disk, dir: &Path, bytes_min: u64) -> Option<Spare> {
    let file = disk.open(&dir.join(name::SPARE), Access::Read).ok()?;
    let bytes = file.len().ok()?;
    (bytes_min..=BYTES_MAX).contains(&bytes).then_some(Spare { bytes, recycled: true })
}

/// Opens the spare file. Nothing has changed when that fails.
pub(crate) fn open_spare(disk: &dyn Disk, dir: &Path) -> Result<Arc<dyn DiskFile>, DiskError> {
    let spare = dir.join(name::SPARE);
    disk.open(&spare, Access::ReadWrite).doing("opening", &spare)
}

/// Turns the spare file into the segment its header says. Frames may be written once this has returned.
pub(crate) fn install(
    disk: &dyn Disk,
    dir: &Path,
    file: Arc<dyn DiskFile>,
    header: SegmentHeader,
) -> Result<(PathBuf, Arc<dyn DiskFile>), DiskError> {
    let spare = dir.join(name::SPARE);
    let path = name::segment(dir, header.first_position);
    write_all(&*file, 0, &header.to_block()).doing("writing", &spare)?;
    file.fdatasync().doing("syncing", &spare)?;
    disk.rename(&spare, &path).doing("renaming", &spare)?;
    disk.sync_dir(dir).doing("syncing", dir)?;
    Ok((path, file))
}
