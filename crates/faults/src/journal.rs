//! What was there before it was overwritten, so that a failed sync can lose what it did not write: a kernel drops such pages.

use std::sync::{Mutex, PoisonError};

use crate::real;

/// Writes between two syncs that are remembered; older ones stay written.
const WRITES_MAX: usize = 4096;

struct Before {
    file: i32,
    offset: i64,
    bytes: Vec<u8>,
}

static WRITTEN: Mutex<Vec<Before>> = Mutex::new(Vec::new());

/// Remembers what a write is about to replace.
pub(crate) fn remember(file: i32, offset: i64, count: usize) {
    let mut bytes = vec![0; count];
    let read = real::pread64(file, bytes.as_mut_ptr().cast(), count, offset);
    bytes.truncate(usize::try_from(read).unwrap_or(0));
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    if written.len() < WRITES_MAX {
        written.push(Before { file, offset, bytes });
    }
}

/// Forgets a file: it is synced, or closed.
pub(crate) fn forget(file: i32) {
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).retain(|before| before.file != file);
}

/// Puts everything back, the last write first.
pub(crate) fn undo(file: i32) {
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    for before in written.iter().rev().filter(|before| before.file == file) {
        real::pwrite64(file, before.bytes.as_ptr().cast(), before.bytes.len(), before.offset);
    }
    written.retain(|before| before.file != file);
}
