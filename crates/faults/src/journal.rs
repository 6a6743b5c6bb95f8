//! What was there before it was overwritten, so that a failed sync can lose what it did not write: a kernel drops such pages.

use std::ffi::{CString, c_void};
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
    let plain = plainly(file, libc::O_RDONLY);
    let read = real::pread64(plain, bytes.as_mut_ptr().cast(), count, offset);
    real::close(plain);
    bytes.truncate(usize::try_from(read).unwrap_or(0));
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    if written.len() < WRITES_MAX {
        written.push(Before { file: inode, offset, bytes });
    }
}

/// Opens a file once more: it may be open for reads and writes past the page cache, which want all aligned.
fn plainly(file: i32, flags: i32) -> i32 {
    let path = CString::new(format!("/proc/self/fd/{file}")).unwrap_or_default();
    real::open64(path.as_ptr(), flags, 0)
}

/// Writes so many bytes, however many those are.
pub(crate) fn write_plainly(file: i32, from: *const c_void, count: usize, offset: i64) {
    let plain = plainly(file, libc::O_WRONLY);
    real::pwrite64(plain, from, count, offset);
    real::close(plain);
}

/// Forgets a file: it is synced.
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
