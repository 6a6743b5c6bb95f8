//! The folder of one attempt, and the two lists that say which folders still matter.
//!
//! ```text
//! <data-dir>/attempts/<delivery>/<attempt>/   spec stdin alive bell cancel state stdout stderr guardian.log
//!                    /.open/<delivery>.<attempt>             started and not yet collected
//!                    /.collected/<ms>-<kib>-<delivery>.<attempt>   may be swept; named by age and size
//!                    /.new/                                  folders under construction
//! ```

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Longest accepted delivery id in bytes; leaves room for the markers' other parts in a file name.
const DELIVERY_ID_BYTES_MAX: usize = 128;

/// Names one attempt: the delivery's id and the attempt's number, counting from one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId {
    delivery: String,
    number: u32,
}

/// Says why a delivery id can not name a folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{delivery}` can not name an attempt: 1 to 128 of `A-Z a-z 0-9 _ -` are expected")]
pub struct InvalidAttemptId {
    delivery: String,
}

impl AttemptId {
    /// Returns the id of attempt `number` of `delivery`; refuses what could not be a file name of ours.
    pub fn parse(delivery: &str, number: u32) -> Result<Self, InvalidAttemptId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if delivery.is_empty() || delivery.len() > DELIVERY_ID_BYTES_MAX || !delivery.bytes().all(allowed) {
            return Err(InvalidAttemptId { delivery: delivery.chars().take(80).collect() });
        }
        Ok(Self { delivery: delivery.to_owned(), number })
    }

    /// Returns the delivery's id.
    pub fn delivery(&self) -> &str {
        &self.delivery
    }

    /// Returns the attempt's number.
    pub fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn marker(&self) -> String {
        format!("{}.{}", self.delivery, self.number)
    }

    pub(super) fn from_marker(marker: &str) -> Option<Self> {
        let (delivery, number) = marker.rsplit_once('.')?;
        Self::parse(delivery, number.parse().ok()?).ok()
    }
}

impl std::fmt::Display for AttemptId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.delivery, self.number)
    }
}

/// An attempt found at start that nobody has collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// Which attempt it is.
    pub attempt: AttemptId,
    /// Whether its guardian still lives; if not, its outcome can be read at once.
    pub alive: bool,
}

/// `<data-dir>/attempts`: knows where everything is, and decides nothing.
#[derive(Debug)]
pub(super) struct Attempts {
    root: PathBuf,
    built: AtomicU64,
}

impl Attempts {
    /// Opens the folder, making it and its lists where they are missing, readable by this user alone.
    pub(super) fn open(data_dir: &Path) -> io::Result<Self> {
        let attempts = Self { root: data_dir.join("attempts"), built: AtomicU64::new(0) };
        for folder in
            [attempts.root.clone(), attempts.open_list(), attempts.collected_list(), attempts.new_list()]
        {
            private_folder(&folder)?;
        }
        Ok(attempts)
    }

    pub(super) fn folder(&self, attempt: &AttemptId) -> PathBuf {
        self.root.join(&attempt.delivery).join(attempt.number.to_string())
    }

    pub(super) fn delivery_folder(&self, attempt: &AttemptId) -> PathBuf {
        self.root.join(&attempt.delivery)
    }

    pub(super) fn root(&self) -> PathBuf {
        self.root.clone()
    }

    pub(super) fn open_list(&self) -> PathBuf {
        self.root.join(".open")
    }

    pub(super) fn collected_list(&self) -> PathBuf {
        self.root.join(".collected")
    }

    pub(super) fn new_list(&self) -> PathBuf {
        self.root.join(".new")
    }

    pub(super) fn open_marker(&self, attempt: &AttemptId) -> PathBuf {
        self.open_list().join(attempt.marker())
    }

    /// Makes an empty folder nobody else uses, to be filled and then installed.
    pub(super) fn build(&self, attempt: &AttemptId) -> io::Result<PathBuf> {
        let serial = self.built.fetch_add(1, Ordering::Relaxed);
        let folder = self.new_list().join(format!("{}.{}.{serial}", attempt.marker(), std::process::id()));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        private_folder(&folder)?;
        Ok(folder)
    }

    /// Gives a filled folder its final name. Returns false, and removes it, if the attempt has a folder already.
    pub(super) fn install(&self, built: &Path, attempt: &AttemptId) -> io::Result<bool> {
        fs::File::create(self.open_marker(attempt))?;
        let target = self.folder(attempt);
        // A sweep may remove the delivery's empty folder between the two calls; then it is made again.
        for _ in 0..8 {
            private_folder(&self.delivery_folder(attempt))?;
            match fs::rename(built, &target) {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound && built.exists() => {}
                Err(_) if target.exists() => {
                    fs::remove_dir_all(built)?;
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("the delivery's folder is removed as fast as it is made"))
    }
}

/// The names in `folder` that are ours, unsorted.
pub(super) fn names(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<String>>> {
    let text = |name: &OsStr| name.to_str().map(str::to_owned);
    Ok(fs::read_dir(folder)?.filter_map(move |entry| entry.map(|entry| text(&entry.file_name())).transpose()))
}

fn private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_id_can_not_leave_its_folder() {
        for hostile in ["", "..", "a/b", ".open", "a.b", "a\0b", "é", &"x".repeat(129)] {
            assert!(AttemptId::parse(hostile, 1).is_err(), "{hostile:?}");
        }
    }

    #[test]
    fn a_marker_names_its_attempt() {
        let attempt = AttemptId::parse("dlv_01ABC-x", 12).unwrap();
        assert_eq!(AttemptId::from_marker(&attempt.marker()), Some(attempt));
        assert_eq!(AttemptId::from_marker("nonsense"), None);
    }
}
