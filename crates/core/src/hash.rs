//! The hashes that state and indexes keep instead of text. They are stored, so they never change.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Returns the hash under which indexes find `text`.
pub fn of(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// Returns the 128-bit hash of an event's identity: its source and its id.
pub fn identity(source: &str, id: &str) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(source.as_bytes());
    // A byte that no source can contain keeps ("ab", "c") and ("a", "bc") apart.
    hasher.update(&[0]);
    hasher.update(id.as_bytes());
    hasher.digest128()
}

/// Returns the 128-bit hash of several parts, each closed by a zero byte.
pub fn parts(parts: &[&[u8]]) -> u128 {
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.digest128()
}
