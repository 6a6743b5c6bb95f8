//! How long the folders of finished attempts are kept.
//!
//! Each collected attempt has an empty marker whose name holds when it was collected and how large it is, so a sweep
//! reads one list of names and touches nothing it does not remove.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::attempt::{self, AttemptId, Attempts};

/// Folders removed per call.
const REMOVED_PER_CALL_MAX: usize = 256;
/// What even an empty folder costs: itself and its small files.
const FOLDER_KIB: u64 = 16;

/// What is to be kept of collected attempts. Uncollected ones are always kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Since when an attempt may have been collected.
    pub max_age: Duration,
    /// How many bytes they may have together; the oldest go first.
    pub max_bytes: u64,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// How many attempts were removed.
    pub removed: usize,
    /// About how many bytes the remaining ones have.
    pub kept_bytes: u64,
    /// There is more to remove: call again.
    pub more: bool,
}

/// Moves an attempt from the list of open ones to the list of collected ones. One that is in neither is left alone.
pub(super) fn collected(attempts: &Attempts, attempt: &AttemptId) -> io::Result<()> {
    let kib = size_kib(&attempts.folder(attempt)).unwrap_or(FOLDER_KIB);
    let name = format!("{:013}-{kib}-{}", now_ms(), attempt.marker());
    match fs::rename(attempts.open_marker(attempt), attempts.collected_list().join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

pub(super) fn sweep(attempts: &Attempts, keep: Keep) -> io::Result<Swept> {
    let mut collected = Vec::new();
    for name in attempt::names(&attempts.collected_list())? {
        collected.extend(Collected::parse(name?));
    }
    collected.sort_by_key(|attempt| attempt.at_ms);
    let oldest_kept_ms = now_ms().saturating_sub(u64::try_from(keep.max_age.as_millis()).unwrap_or(u64::MAX));
    let mut swept =
        Swept { kept_bytes: collected.iter().map(|one| one.kib * 1024).sum(), ..Swept::default() };
    for one in &collected {
        if one.at_ms >= oldest_kept_ms && swept.kept_bytes <= keep.max_bytes {
            break;
        }
        if swept.removed == REMOVED_PER_CALL_MAX {
            swept.more = true;
            break;
        }
        remove(attempts, one)?;
        swept.removed += 1;
        swept.kept_bytes -= one.kib * 1024;
    }
    Ok(swept)
}

/// Removes an attempt's folder and every marker of it, collected or not.
pub(super) fn forget(attempts: &Attempts, attempt: &AttemptId) -> io::Result<()> {
    for name in attempt::names(&attempts.collected_list())? {
        if let Some(one) = Collected::parse(name?).filter(|one| one.attempt == *attempt) {
            fs::remove_file(attempts.collected_list().join(one.name))?;
        }
    }
    for removed in
        [fs::remove_dir_all(attempts.folder(attempt)), fs::remove_file(attempts.open_marker(attempt))]
    {
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Removes all folders and markers of the deliveries that `is_meant` tells by their ids. Returns how many.
pub(super) fn erase(attempts: &Attempts, is_meant: &dyn Fn(&str) -> bool) -> io::Result<usize> {
    let mut removed = 0;
    for name in attempt::names(&attempts.root())? {
        let name = name?;
        if is_meant(&name) {
            gone(fs::remove_dir_all(attempts.root().join(&name)))?;
            removed += 1;
        }
    }
    for name in attempt::names(&attempts.open_list())? {
        let name = name?;
        if AttemptId::from_marker(&name).is_some_and(|attempt| is_meant(attempt.delivery())) {
            gone(fs::remove_file(attempts.open_list().join(&name)))?;
        }
    }
    for name in attempt::names(&attempts.collected_list())? {
        if let Some(one) = Collected::parse(name?).filter(|one| is_meant(one.attempt.delivery())) {
            gone(fs::remove_file(attempts.collected_list().join(&one.name)))?;
        }
    }
    Ok(removed)
}

/// Somebody else may have removed it.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

struct Collected {
    name: String,
    at_ms: u64,
    kib: u64,
    attempt: AttemptId,
}

impl Collected {
    fn parse(name: String) -> Option<Self> {
        let mut parts = name.splitn(3, '-');
        let at_ms = parts.next()?.parse().ok()?;
        let kib = parts.next()?.parse::<u64>().ok()?.min(1 << 30);
        let attempt = AttemptId::from_marker(parts.next()?)?;
        Some(Self { at_ms, kib, attempt, name })
    }
}

/// Removes the folder, then the marker: a crash in between leaves the marker, and the next sweep finds it again.
fn remove(attempts: &Attempts, one: &Collected) -> io::Result<()> {
    match fs::remove_dir_all(attempts.folder(&one.attempt)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Fails while other attempts of the delivery are there, which is right.
    let _ = fs::remove_dir(attempts.delivery_folder(&one.attempt));
    fs::remove_file(attempts.collected_list().join(&one.name))
}

fn size_kib(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(FOLDER_KIB + bytes.div_ceil(1024))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
