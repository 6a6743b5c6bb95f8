//! What the library is told. Read once, from variables:
//!
//! | variable | meaning |
//! |---|---|
//! | `FAULTS_DIR` | only files below this folder are watched |
//! | `FAULTS_COUNTS` | a file of 16 bytes that the counts are kept in: operations, syncs |
//! | `FAULTS_KILL_AT` | SIGKILL at this operation, counting from 1: write, sync, rename, unlink, create, truncate |
//! | `FAULTS_KILL_HOW` | `before` it, `after` it, or `torn`: after half of a write |
//! | `FAULTS_SYNC_AT` | this sync fails, counting from 1; later ones succeed |
//! | `FAULTS_SYNC_DROP` | `1`: what was written since the last good sync of that file is gone then |
//! | `FAULTS_ERROR` | the error of a failed sync: `EIO` or `ENOSPC` |
//! | `FAULTS_READ` | reads fail with EIO: `NAME:FROM:TO`, for files whose name ends like this, in this range of bytes |
//! | `FAULTS_BYTES` | so many bytes may be written; then ENOSPC |

use std::ffi::CStr;
use std::sync::OnceLock;

pub(crate) struct Settings {
    pub(crate) dir: Vec<u8>,
    pub(crate) counts: Option<Vec<u8>>,
    pub(crate) kill_at: Option<u64>,
    pub(crate) kill_how: How,
    pub(crate) sync_at: Option<u64>,
    pub(crate) sync_drops: bool,
    pub(crate) error: i32,
    pub(crate) read: Option<Range>,
    pub(crate) bytes: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Before,
    After,
    Torn,
}

pub(crate) struct Range {
    pub(crate) name: Vec<u8>,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

pub(crate) fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(Settings::read)
}

impl Settings {
    fn read() -> Self {
        let number = |name: &CStr| text(name).and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok());
        Self {
            dir: text(c"FAULTS_DIR").unwrap_or_default(),
            counts: text(c"FAULTS_COUNTS"),
            kill_at: number(c"FAULTS_KILL_AT"),
            kill_how: match text(c"FAULTS_KILL_HOW").as_deref() {
                Some(b"after") => How::After,
                Some(b"torn") => How::Torn,
                _ => How::Before,
            },
            sync_at: number(c"FAULTS_SYNC_AT"),
            sync_drops: text(c"FAULTS_SYNC_DROP").as_deref() == Some(b"1"),
            error: if text(c"FAULTS_ERROR").as_deref() == Some(b"ENOSPC") { libc::ENOSPC } else { libc::EIO },
            read: text(c"FAULTS_READ").and_then(|text| range(&text)),
            bytes: number(c"FAULTS_BYTES"),
        }
    }
}

fn range(text: &[u8]) -> Option<Range> {
    let mut parts = std::str::from_utf8(text).ok()?.rsplitn(3, ':');
    let (to, from) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Range { name: parts.next()?.as_bytes().to_vec(), from, to })
}

fn text(name: &CStr) -> Option<Vec<u8>> {
    #[expect(unsafe_code, reason = "the standard library's own way may not be set up this early")]
    // SAFETY: the name is a C string, and the answer is copied before anybody could change it.
    unsafe {
        let value = libc::getenv(name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value).to_bytes().to_vec())
    }
}
