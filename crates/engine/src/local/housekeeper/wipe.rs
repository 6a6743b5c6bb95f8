//! Removing what is left of removed records elsewhere than among records.

use super::Housekeeper;
use crate::local::disk::{read_full, write_all};
use crate::local::error::{DiskError, Doing};
use crate::local::segment::name;

const STEP: usize = 1024 * 1024;

impl Housekeeper {
    /// Wipes copies of torn tails, files kept for reuse, and the bytes behind the end of sealed segments. Returns how many
    /// bytes that were.
    ///
    /// # Errors
    /// Fails if the disk does; calling again goes on.
    pub fn wipe(&self) -> Result<u64, DiskError> {
        let _alone = self.alone();
        let shared = &self.shared;
        let mut wiped = 0;
        for file_name in shared.disk.list(&shared.dir).doing("listing", &shared.dir)? {
            if file_name.contains(name::TAIL) && !file_name.ends_with(name::TEMPORARY) {
                let path = shared.dir.join(file_name);
                let file = shared.disk.open(&path, crate::local::disk::Access::Read);
                wiped += file.and_then(|file| file.len()).doing("opening", &path)?;
                shared.disk.unlink(&path).doing("removing", &path)?;
            }
        }
        wiped += self.work.forget_recycled()?;
        shared.disk.sync_dir(&shared.dir).doing("syncing", &shared.dir)?;
        let segments = shared.segments();
        let Some((_active, sealed)) = segments.split_last() else { return Ok(wiped) };
        for segment in sealed {
            let end = segment.index().totals().end_offset;
            wiped += wipe_behind(&*segment.file, end).doing("wiping the end of", &segment.path)?;
        }
        Ok(wiped)
    }
}

/// Overwrites with zeros what lies behind the end, where it is not zeros.
fn wipe_behind(file: &dyn crate::local::disk::DiskFile, end: u64) -> std::io::Result<u64> {
    let length = file.len()?;
    let (mut buffer, zeros) = (vec![0; STEP], vec![0; STEP]);
    let (mut at, mut wiped) = (end, 0);
    while at < length {
        let piece = ((length - at) as usize).min(STEP);
        let count = read_full(file, at, &mut buffer[..piece])?;
        if count == 0 {
            break;
        }
        if buffer[..count] != zeros[..count] {
            write_all(file, at, &zeros[..count])?;
            file.fdatasync()?;
            wiped += count as u64;
        }
        at += count as u64;
    }
    Ok(wiped)
}
