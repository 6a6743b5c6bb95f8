//! The hashes that state and indexes keep instead of text. They are stored, so they never change.

use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128};

/// Texts up to this size are put together on the stack: hashing at once is several times faster than piece by piece.
const AT_ONCE_MAX: usize = 1024;

/// Returns the hash under which indexes find `text`.
pub fn of(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// Returns the 128-bit hash of an event's identity: its source and its id.
pub fn identity(source: &str, id: &str) -> u128 {
    // A byte that no source can contain keeps ("ab", "c") and ("a", "bc") apart.
    joined::<256>(&[source.as_bytes(), &[0], id.as_bytes()])
}

/// Returns the 128-bit hash of several parts, each behind its length.
pub fn parts(parts: &[&[u8]]) -> u128 {
    let length = parts.iter().map(|part| 8 + part.len()).sum::<usize>();
    if length > AT_ONCE_MAX {
        let mut hasher = Xxh3::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        return hasher.digest128();
    }
    let mut text = [0; AT_ONCE_MAX];
    let mut at = 0;
    for part in parts {
        text[at..at + 8].copy_from_slice(&(part.len() as u64).to_le_bytes());
        text[at + 8..at + 8 + part.len()].copy_from_slice(part);
        at += 8 + part.len();
    }
    xxh3_128(&text[..at])
}

/// Returns the hash of pieces as if they were one text.
fn joined<const MAX: usize>(pieces: &[&[u8]]) -> u128 {
    if pieces.iter().map(|piece| piece.len()).sum::<usize>() > MAX {
        let mut hasher = Xxh3::new();
        for piece in pieces {
            hasher.update(piece);
        }
        return hasher.digest128();
    }
    let mut text = [0; MAX];
    let mut at = 0;
    for piece in pieces {
        text[at..at + piece.len()].copy_from_slice(piece);
        at += piece.len();
    }
    xxh3_128(&text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_what_it_was_when_the_first_log_was_written() {
        assert_eq!(identity("/a", "1"), 256_369_584_232_616_313_494_407_931_745_680_864_987);
    }

    #[test]
    fn long_and_short_texts_are_hashed_by_the_same_rule() {
        for length in [0, 1, 100, 240, 241, 253, 254, 255, 1000, 1006, 1007, 1008, 1009, 1024, 5000] {
            let text = "x".repeat(length);
            let mut hasher = Xxh3::new();
            hasher.update(b"/a\0");
            hasher.update(text.as_bytes());
            assert_eq!(identity("/a", &text), hasher.digest128(), "{length}");
            let mut hasher = Xxh3::new();
            hasher.update(&(length as u64).to_le_bytes());
            hasher.update(text.as_bytes());
            assert_eq!(parts(&[text.as_bytes()]), hasher.digest128(), "{length}");
        }
    }
}
