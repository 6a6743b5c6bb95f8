//! The C library's own functions, behind ours.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};

/// One function, looked up when it is first needed.
pub(crate) struct Real {
    name: &'static CStr,
    found: AtomicPtr<c_void>,
}

impl Real {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self { name, found: AtomicPtr::new(std::ptr::null_mut()) }
    }

    fn address(&self) -> *mut c_void {
        let found = self.found.load(Ordering::Relaxed);
        if !found.is_null() {
            return found;
        }
        #[expect(unsafe_code, reason = "the next library's function is only found by name")]
        // SAFETY: the name is a C string.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        assert!(!found.is_null(), "the C library has a function of this name");
        self.found.store(found, Ordering::Relaxed);
        found
    }
}

macro_rules! real {
    ($($name:ident = $symbol:literal ( $($argument:ident : $type:ty),* ) -> $result:ty;)*) => {$(
        pub(crate) fn $name($($argument: $type),*) -> $result {
            static REAL: Real = Real::new($symbol);
            #[expect(unsafe_code, reason = "a function found by name is called with the arguments it was called with")]
            // SAFETY: the symbol has this signature, and the arguments are the caller's own.
            unsafe {
                let real: unsafe extern "C" fn($($type),*) -> $result = std::mem::transmute(REAL.address());
                real($($argument),*)
            }
        }
    )*};
}

real! {
    open = c"open" (path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int;
    open64 = c"open64" (path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int;
    openat64 = c"openat64" (dir: c_int, path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int;
    close = c"close" (file: c_int) -> c_int;
    write = c"write" (file: c_int, bytes: *const c_void, count: usize) -> isize;
    writev = c"writev" (file: c_int, pieces: *const libc::iovec, count: c_int) -> isize;
    pwrite64 = c"pwrite64" (file: c_int, bytes: *const c_void, count: usize, offset: i64) -> isize;
    read = c"read" (file: c_int, bytes: *mut c_void, count: usize) -> isize;
    pread64 = c"pread64" (file: c_int, bytes: *mut c_void, count: usize, offset: i64) -> isize;
    fsync = c"fsync" (file: c_int) -> c_int;
    fdatasync = c"fdatasync" (file: c_int) -> c_int;
    ftruncate64 = c"ftruncate64" (file: c_int, length: i64) -> c_int;
    rename = c"rename" (from: *const c_char, to: *const c_char) -> c_int;
    unlink = c"unlink" (path: *const c_char) -> c_int;
    unlinkat = c"unlinkat" (dir: c_int, path: *const c_char, flags: c_int) -> c_int;
}
