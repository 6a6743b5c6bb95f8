//! Which descriptors are watched: those of files in the folder.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::settings::settings;

/// More descriptors than a process of ours has; those beyond are not watched.
const DESCRIPTORS: usize = 1 << 16;
const NOT: u8 = 0;
const WATCHED: u8 = 1;
/// Reads of it fail in the range that was named.
const ROTTEN: u8 = 2;

static FILES: [AtomicU8; DESCRIPTORS] = [const { AtomicU8::new(NOT) }; DESCRIPTORS];

/// Says whether a path lies in the folder.
pub(crate) fn is_ours(path: &[u8]) -> bool {
    let dir = &settings().dir;
    !dir.is_empty() && path.starts_with(dir)
}

pub(crate) fn opened(file: i32, path: &[u8]) {
    let Some(place) = place(file) else { return };
    let rotten = settings().read.as_ref().is_some_and(|range| path.ends_with(&range.name));
    let kind = match (is_ours(path), rotten) {
        (false, _) => NOT,
        (true, false) => WATCHED,
        (true, true) => ROTTEN,
    };
    place.store(kind, Ordering::Relaxed);
}

/// A file that is open already was opened once more.
pub(crate) fn opened_again(file: i32, first: i32) {
    if let (Some(place), Some(first)) = (place(file), place(first)) {
        place.store(first.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

pub(crate) fn closed(file: i32) {
    if let Some(place) = place(file) {
        place.store(NOT, Ordering::Relaxed);
    }
}

pub(crate) fn is_watched(file: i32) -> bool {
    place(file).is_some_and(|place| place.load(Ordering::Relaxed) != NOT)
}

/// Says whether a read of these bytes fails.
pub(crate) fn is_rotten(file: i32, offset: i64, count: usize) -> bool {
    let rotten = place(file).is_some_and(|place| place.load(Ordering::Relaxed) == ROTTEN);
    let (Some(range), Ok(from)) = (&settings().read, u64::try_from(offset)) else { return false };
    rotten && from < range.to && from + count as u64 > range.from
}

fn place(file: i32) -> Option<&'static AtomicU8> {
    FILES.get(usize::try_from(file).ok()?)
}
