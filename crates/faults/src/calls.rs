//! The functions that take the C library's place.
#![expect(
    unsafe_code,
    reason = "functions of the C library are exported under their own names and get pointers from C; each passes on what it was given"
)]

use std::ffi::{CStr, c_char, c_int, c_void};

use crate::plan::{self, Write};
use crate::settings::settings;
use crate::{files, journal, real};

fn fail(error: c_int) {
    // SAFETY: the address of this thread's error number is valid for its life.
    unsafe { *libc::__errno_location() = error }
}

/// The bytes of a path; empty for none.
fn bytes<'a>(path: *const c_char) -> &'a [u8] {
    if path.is_null() {
        return &[];
    }
    // SAFETY: callers of these functions give a C string that lives as long as the call.
    unsafe { CStr::from_ptr(path) }.to_bytes()
}

/// The descriptor that a file is opened by once more, under another mode.
fn again(path: &[u8]) -> Option<c_int> {
    std::str::from_utf8(path.strip_prefix(b"/proc/self/fd/")?).ok()?.parse().ok()
}

fn open_with(path: *const c_char, flags: c_int, open: impl FnOnce() -> c_int) -> c_int {
    let path = bytes(path);
    let creates = flags & libc::O_CREAT != 0 && files::is_ours(path);
    if creates {
        plan::change();
    }
    let file = open();
    if file >= 0 {
        match again(path) {
            Some(first) => files::opened_again(file, first),
            None => files::opened(file, path),
        }
    }
    if creates {
        plan::done();
    }
    file
}

// Variable arguments are passed as fixed ones are on all platforms this is for, so a mode that was not given is just ignored.
#[unsafe(no_mangle)]
extern "C" fn open(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    open_with(path, flags, || real::open(path, flags, mode))
}

#[unsafe(no_mangle)]
extern "C" fn open64(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    open_with(path, flags, || real::open64(path, flags, mode))
}

#[unsafe(no_mangle)]
extern "C" fn openat64(dir: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    open_with(path, flags, || real::openat64(dir, path, flags, mode))
}

#[unsafe(no_mangle)]
extern "C" fn close(file: c_int) -> c_int {
    if files::is_watched(file) {
        files::closed(file);
    }
    real::close(file)
}

/// Half a write, and then the end.
fn torn(write: impl FnOnce()) -> ! {
    write();
    plan::end()
}

#[unsafe(no_mangle)]
extern "C" fn write(file: c_int, from: *const c_void, count: usize) -> isize {
    if !files::is_watched(file) {
        return real::write(file, from, count);
    }
    match plan::write(count) {
        Write::Full => {
            fail(libc::ENOSPC);
            return -1;
        }
        Write::Torn => torn(|| {
            let _ = real::write(file, from, count / 2);
        }),
        Write::Whole => {}
    }
    let written = real::write(file, from, count);
    plan::done();
    written
}

#[unsafe(no_mangle)]
extern "C" fn writev(file: c_int, pieces: *const libc::iovec, count: c_int) -> isize {
    if !files::is_watched(file) {
        return real::writev(file, pieces, count);
    }
    match plan::write(1) {
        Write::Full => {
            fail(libc::ENOSPC);
            return -1;
        }
        Write::Torn => plan::end(),
        Write::Whole => {}
    }
    let written = real::writev(file, pieces, count);
    plan::done();
    written
}

#[unsafe(no_mangle)]
extern "C" fn pwrite64(file: c_int, from: *const c_void, count: usize, offset: i64) -> isize {
    if !files::is_watched(file) {
        return real::pwrite64(file, from, count, offset);
    }
    match plan::write(count) {
        Write::Full => {
            fail(libc::ENOSPC);
            return -1;
        }
        Write::Torn => torn(|| journal::write_plainly(file, from, count / 2, offset)),
        Write::Whole => {}
    }
    if settings().sync_drops {
        journal::remember(file, offset, count);
    }
    let written = real::pwrite64(file, from, count, offset);
    plan::done();
    written
}

#[unsafe(no_mangle)]
extern "C" fn read(file: c_int, to: *mut c_void, count: usize) -> isize {
    // Where a plain read stands does not matter much: a range that begins at 0 meets it.
    if files::is_rotten(file, 0, count) {
        fail(libc::EIO);
        return -1;
    }
    real::read(file, to, count)
}

#[unsafe(no_mangle)]
extern "C" fn pread64(file: c_int, to: *mut c_void, count: usize, offset: i64) -> isize {
    if files::is_rotten(file, offset, count) {
        fail(libc::EIO);
        return -1;
    }
    real::pread64(file, to, count, offset)
}

fn sync_with(file: c_int, sync: impl FnOnce() -> c_int) -> c_int {
    if !files::is_watched(file) {
        return sync();
    }
    if plan::sync() {
        if settings().sync_drops {
            journal::undo(file);
        }
        fail(settings().error);
        return -1;
    }
    let done = sync();
    if settings().sync_drops {
        journal::forget(file);
    }
    plan::done();
    done
}

#[unsafe(no_mangle)]
extern "C" fn fsync(file: c_int) -> c_int {
    sync_with(file, || real::fsync(file))
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(file: c_int) -> c_int {
    sync_with(file, || real::fdatasync(file))
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(file: c_int, length: i64) -> c_int {
    changing(files::is_watched(file), || real::ftruncate64(file, length))
}

#[unsafe(no_mangle)]
extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    changing(files::is_ours(bytes(to)), || real::rename(from, to))
}

#[unsafe(no_mangle)]
extern "C" fn unlink(path: *const c_char) -> c_int {
    changing(files::is_ours(bytes(path)), || real::unlink(path))
}

#[unsafe(no_mangle)]
extern "C" fn unlinkat(dir: c_int, path: *const c_char, flags: c_int) -> c_int {
    changing(files::is_ours(bytes(path)), || real::unlinkat(dir, path, flags))
}

fn changing(is_ours: bool, change: impl FnOnce() -> c_int) -> c_int {
    if !is_ours {
        return change();
    }
    plan::change();
    let done = change();
    plan::done();
    done
}
