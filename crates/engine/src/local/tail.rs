//! The end of the newest segment after a start: made certain, and clean, before anything is read from it or written behind it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Access, Disk, DiskFile, read_full, write_all};
use super::error::{DiskError, Doing};
use super::prepare::write_zeros;
use super::scan::{Scanned, Tail};
use super::segment::name;
use super::window::{Source, Window};

const STEP: usize = 1024 * 1024;
/// How many copies of cut tails are kept; the oldest go first.
const COPIES_MAX: usize = 16;

/// A torn tail that was cut: written by an earlier process, never synced and so never answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub file: PathBuf,
    /// Where the tail began.
    pub offset: u64,
    /// How many bytes it had.
    pub bytes: u64,
    /// Where a copy of it was put.
    pub copy: PathBuf,
}

/// Makes sure that what was found valid is on the device, and that nothing else is behind it.
///
/// An earlier process may have died of a failed sync. Then the page cache can show bytes the device has lost, and call them
/// clean (promise R2). So the device's own bytes were scanned; where the cache differs it is made to agree. Without direct
/// reads everything not vouched for is written once more instead.
pub(crate) fn settle(
    disk: &dyn Disk,
    dir: &Path,
    path: &Path,
    file: &Arc<dyn DiskFile>,
    scanned: &Scanned,
    window: &mut Window,
) -> Result<Option<Cut>, DiskError> {
    let cut = match scanned.tail {
        Some(tail) => Some(put_aside(disk, dir, path, tail, window)?),
        None => None,
    };
    match window.source() {
        Source::Device => agree_with_device(path, file, scanned.durable_offset, window)?,
        Source::Cache => write_again(path, file, scanned, window)?,
    }
    if let Some(tail) = scanned.tail {
        write_zeros(&**file, tail.start, tail.end).doing("cutting the torn tail of", path)?;
    }
    file.fdatasync().doing("syncing", path)?;
    Ok(cut)
}

/// Copies a torn tail into a file of its own, durably, before it is overwritten.
fn put_aside(
    disk: &dyn Disk,
    dir: &Path,
    path: &Path,
    tail: Tail,
    window: &mut Window,
) -> Result<Cut, DiskError> {
    let names = disk.list(dir).doing("listing", dir)?;
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    let mut copies: Vec<(u64, String)> = names
        .into_iter()
        .filter_map(|copy| Some((copy.rsplit_once('-')?.1.parse().ok()?, copy)))
        .filter(|(_, copy)| copy.contains(name::TAIL) && !copy.ends_with(name::TEMPORARY))
        .collect();
    copies.sort_unstable();
    let number = copies.last().map_or(1, |(number, _)| number + 1);
    let copy = dir.join(format!("{stem}{}{}-{number}", name::TAIL, tail.start));
    let temporary = name::temporary(&copy);
    let spare = dir.join(name::SPARE);
    let copied = disk.create(&temporary).doing("creating", &temporary);
    let from = match copied.and_then(|file| copy_tail(&*file, &temporary, path, tail, window)) {
        Ok(()) => temporary,
        // A full disk: the file that was to be the next segment has blocks of its own. The next one waits for room.
        Err(error) if error.is_full() => {
            tracing::warn!(error = %error, "there is no room for a copy of the torn tail; it takes the next segment's place");
            let _ = disk.unlink(&temporary);
            let file = disk.open(&spare, Access::ReadWrite).map_err(|_| error)?;
            copy_tail(&*file, &spare, path, tail, window)?;
            spare
        }
        Err(error) => return Err(error),
    };
    disk.rename(&from, &copy).doing("renaming", &from)?;
    for (_, oldest) in copies.iter().rev().skip(COPIES_MAX - 1) {
        let oldest = dir.join(oldest);
        disk.unlink(&oldest).doing("removing", &oldest)?;
    }
    disk.sync_dir(dir).doing("syncing", dir)?;
    Ok(Cut { file: path.to_owned(), offset: tail.start, bytes: tail.end - tail.start, copy })
}

fn copy_tail(
    to: &dyn DiskFile,
    to_path: &Path,
    path: &Path,
    tail: Tail,
    window: &mut Window,
) -> Result<(), DiskError> {
    let mut at = tail.start;
    while at < tail.end {
        let length = ((tail.end - at) as usize).min(STEP);
        let bytes = window.bytes(at, length).doing("reading", path)?;
        if bytes.is_empty() {
            break;
        }
        write_all(to, at - tail.start, bytes).doing("writing", to_path)?;
        at += bytes.len() as u64;
    }
    to.fdatasync().doing("syncing", to_path)
}

/// Compares cache and device from where nothing is vouched for, and writes the device's bytes over what differs.
fn agree_with_device(
    path: &Path,
    file: &Arc<dyn DiskFile>,
    from: u64,
    window: &mut Window,
) -> Result<(), DiskError> {
    let mut cached = vec![0; STEP];
    let mut at = from;
    while at < window.file_bytes() {
        let device = window.bytes(at, STEP).doing("reading", path)?;
        let cached = &mut cached[..device.len()];
        let count = read_full(&**file, at, cached).doing("reading", path)?;
        if cached[..count] != *device {
            tracing::warn!(file = %path.display(), offset = at, "the page cache showed bytes the disk does not have");
            write_all(&**file, at, device).doing("writing", path)?;
        }
        at += device.len().max(1) as u64;
    }
    Ok(())
}

/// Writes everything valid that no frame vouches for once more, so that the next sync really covers it.
fn write_again(
    path: &Path,
    file: &Arc<dyn DiskFile>,
    scanned: &Scanned,
    window: &mut Window,
) -> Result<(), DiskError> {
    let mut at = scanned.durable_offset;
    while at < scanned.totals.end_offset {
        let length = ((scanned.totals.end_offset - at) as usize).min(STEP);
        let bytes = window.bytes(at, length).doing("reading", path)?;
        if bytes.is_empty() {
            break;
        }
        write_all(&**file, at, bytes).doing("writing", path)?;
        at += bytes.len() as u64;
    }
    Ok(())
}
