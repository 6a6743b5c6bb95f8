//! CRC-32C seeded with a segment's generation, and the hashes that chain frames together.

use crc_fast::{CrcAlgorithm, Digest};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// The secret start of every checksum in one generation of a segment file.
///
/// Bytes left over from an older generation, or from another log, never verify under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seed {
    value: u64,
    state: u64,
}

impl Seed {
    /// The seed of the given generation of the given log.
    pub(crate) fn of(log_id: u64, generation: u64) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&log_id.to_le_bytes());
        bytes[8..].copy_from_slice(&generation.to_le_bytes());
        Self::from_value(xxh3_64(&bytes))
    }

    /// The seed of a segment that was written anew so many times.
    pub(crate) fn of_revision(log_id: u64, generation: u64, revision: u64) -> Self {
        let mut bytes = [0; 24];
        for (place, value) in bytes.chunks_exact_mut(8).zip([log_id, generation, revision]) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        Self::from_value(xxh3_64(&bytes))
    }

    /// The seed as it stands in frame headers.
    pub(crate) fn from_value(value: u64) -> Self {
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        digest.update(&value.to_le_bytes());
        Self { value, state: digest.get_state() }
    }

    pub(crate) fn value(self) -> u64 {
        self.value
    }

    /// CRC-32C over the parts, one after the other, starting from the seed.
    pub(crate) fn crc(self, parts: &[&[u8]]) -> u32 {
        let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, self.state);
        for part in parts {
            digest.update(part);
        }
        digest.finalize() as u32
    }
}

/// CRC-32C without a seed: headers of files, whose seed is not known before they are read.
pub(crate) fn crc_plain(bytes: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// Tells whether the version in the head of a file (bytes 8 and 9 of `content`) is a known one of which a bit has flipped:
/// with that bit set back the checksum holds. A newer program's head does not look like that.
pub(crate) fn is_rotten_version(content: &[u8], crc: u32, known: &[u16]) -> bool {
    let mut mended = content.to_vec();
    let Some(place) = content.get(8..10) else { return false };
    let found = u16::from_le_bytes([place[0], place[1]]);
    known.iter().filter(|version| (*version ^ found).count_ones() == 1).any(|version| {
        mended[8..10].copy_from_slice(&version.to_le_bytes());
        crc_plain(&mended) == crc
    })
}

/// The hash of a frame's body as first written: dictionary, records and padding.
pub(crate) fn body_hash(dictionary: &[u8], rest: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(dictionary);
    hasher.update(rest);
    hasher.digest()
}

/// The chain before the first frame of a log.
pub(crate) fn genesis(log_id: u64) -> u64 {
    xxh3_64(&log_id.to_le_bytes())
}

/// The chain after a frame: over the chain before it and what of it a rewrite keeps.
pub(crate) fn chain(before: u64, first_position: u64, log_time_ms: u64, body_hash: u64) -> u64 {
    let mut bytes = [0; 32];
    for (place, value) in bytes.chunks_exact_mut(8).zip([before, first_position, log_time_ms, body_hash]) {
        place.copy_from_slice(&value.to_le_bytes());
    }
    xxh3_64(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crc_in_parts_is_the_crc_of_the_whole() {
        let seed = Seed::of(7, 1);
        assert_eq!(seed.crc(&[b"abc", b"", b"defgh"]), seed.crc(&[b"abcdefgh"]));
    }

    #[test]
    fn generations_and_logs_do_not_share_checksums() {
        let all = [Seed::of(7, 1), Seed::of(7, 2), Seed::of(8, 1)].map(|seed| seed.crc(&[b"the same bytes"]));
        assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2]);
    }

    #[test]
    fn the_plain_checksum_is_crc_32c() {
        assert_eq!(crc_plain(b"123456789"), 0xe306_9283);
    }
}
