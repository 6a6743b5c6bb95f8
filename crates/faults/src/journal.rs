//! What was there before it was overwritten, so that a failed sync can lose what it did not write: a kernel drops such pages.

use std::ffi::CString;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use crate::real;

/// Writes between two syncs that are remembered; older ones stay written.
const WRITES_MAX: usize = 4096;

/// A file by its device and number: it may be open more than once.
type Inode = (u64, u64);

struct Before {
    file: Inode,
    offset: i64,
    bytes: Vec<u8>,
}

static WRITTEN: Mutex<Vec<Before>> = Mutex::new(Vec::new());

/// Remembers what a write is about to replace.
pub(crate) fn remember(file: i32, offset: i64, count: usize) {
    let Some(inode) = inode(file) else { return };
    let mut bytes = vec![0; count];
    // The file may be open for reads and writes past the page cache, which want their memory aligned.
    let path = CString::new(format!("/proc/self/fd/{file}")).unwrap_or_default();
    let plain = real::open64(path.as_ptr(), libc::O_RDONLY, 0);
    let read = real::pread64(plain, bytes.as_mut_ptr().cast(), count, offset);
    real::close(plain);
    bytes.truncate(usize::try_from(read).unwrap_or(0));
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    if written.len() < WRITES_MAX {
        written.push(Before { file: inode, offset, bytes });
    }
}

/// Forgets a file: it is synced, or closed.
pub(crate) fn forget(file: i32) {
    let Some(inode) = inode(file) else { return };
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).retain(|before| before.file != inode);
}

/// Puts everything back, the last write first.
pub(crate) fn undo(file: i32) {
    let Some(inode) = inode(file) else { return };
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    for before in written.iter().rev().filter(|before| before.file == inode) {
        real::pwrite64(file, before.bytes.as_ptr().cast(), before.bytes.len(), before.offset);
    }
    written.retain(|before| before.file != inode);
}

fn inode(file: i32) -> Option<Inode> {
    let path = format!("/proc/self/fd/{file}");
    let about = std::fs::metadata(path).ok()?;
    Some((about.dev(), about.ino()))
}
