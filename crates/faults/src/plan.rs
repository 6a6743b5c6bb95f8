//! What happens to the next operation. One count for the whole process, whichever thread it comes from.

use std::ffi::CString;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::settings::{How, settings};

struct Counts {
    operations: &'static AtomicU64,
    syncs: &'static AtomicU64,
}

static BYTES: AtomicU64 = AtomicU64::new(0);

/// What is done with a write.
pub(crate) enum Write {
    Whole,
    /// Only so much of it, and then the end.
    Torn,
    Full,
}

/// Counts a write of so many bytes.
pub(crate) fn write(bytes: usize) -> Write {
    if let Some(budget) = settings().bytes
        && BYTES.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64 > budget
    {
        return Write::Full;
    }
    if is_last() {
        match settings().kill_how {
            How::Before => end(),
            How::Torn => return Write::Torn,
            How::After => {}
        }
    }
    Write::Whole
}

/// Counts any other change.
pub(crate) fn change() {
    if is_last() && settings().kill_how == How::Before {
        end();
    }
}

/// Counts a sync; returns true when it must fail.
pub(crate) fn sync() -> bool {
    change();
    let number = counts().syncs.fetch_add(1, Ordering::Relaxed) + 1;
    settings().sync_at == Some(number)
}

/// To be called when a counted operation is done.
pub(crate) fn done() {
    if settings().kill_at.is_some_and(|last| counts().operations.load(Ordering::Relaxed) >= last) {
        end();
    }
}

/// Ends the process as a power button would, but for the page cache.
pub(crate) fn end() -> ! {
    #[expect(unsafe_code, reason = "the process ends here and now")]
    // SAFETY: ends the process.
    unsafe {
        libc::kill(libc::getpid(), libc::SIGKILL);
        libc::_exit(137)
    }
}

fn is_last() -> bool {
    let number = counts().operations.fetch_add(1, Ordering::Relaxed) + 1;
    settings().kill_at == Some(number)
}

/// The counts, in a file that others read while we run and after we are gone.
fn counts() -> &'static Counts {
    static COUNTS: OnceLock<Counts> = OnceLock::new();
    static UNSEEN: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
    COUNTS.get_or_init(|| mapped().unwrap_or(Counts { operations: &UNSEEN[0], syncs: &UNSEEN[1] }))
}

fn mapped() -> Option<Counts> {
    let path = CString::new(settings().counts.clone()?).ok()?;
    let file = crate::real::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC, 0);
    if file < 0 {
        return None;
    }
    #[expect(unsafe_code, reason = "counts must outlive the process, whose end is sudden")]
    // SAFETY: the file has 16 bytes, the mapping is never undone, and atomics take any value.
    let mapped = unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let address = libc::mmap(std::ptr::null_mut(), 16, protection, libc::MAP_SHARED, file, 0);
        (address != libc::MAP_FAILED).then(|| {
            let numbers = address.cast::<AtomicU64>();
            Counts { operations: &*numbers, syncs: &*numbers.add(1) }
        })
    };
    crate::real::close(file);
    mapped
}
