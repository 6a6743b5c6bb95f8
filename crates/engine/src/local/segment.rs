//! A segment file: its names, its header, and an open one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::checksum::{Seed, crc_plain, is_rotten_version};
use super::disk::DiskFile;
use super::fields::{Fields, Put};
use super::index::Index;

/// The header has a block of its own, so that no later write touches its sectors. Frames begin behind it.
pub(crate) const HEADER_BLOCK: u64 = 4096;
pub(crate) const VERSION: u16 = 1;
/// Segments that were written anew. Version 2 was never written.
pub(crate) const VERSION_REWRITTEN: u16 = 3;
const MAGIC: &[u8; 8] = b"CANTUSLG";
/// The prepared bytes may hold frames of older generations instead of zeros.
pub(crate) const FLAG_RECYCLED: u16 = 1;

/// The names of the files in a log's directory.
pub(crate) mod name {
    use super::{Path, PathBuf};

    pub(crate) const LOCK: &str = "lock";
    pub(crate) const SPARE: &str = "spare.ready";
    pub(crate) const TEMPORARY: &str = ".tmp";
    pub(crate) const TAIL: &str = ".tail-";
    /// A dropped segment's file, kept to become a spare.
    pub(crate) const RECYCLED: &str = ".recycled";

    pub(crate) fn segment(dir: &Path, first_position: u64) -> PathBuf {
        dir.join(format!("{first_position:020}.segment"))
    }

    pub(crate) fn index(dir: &Path, first_position: u64) -> PathBuf {
        dir.join(format!("{first_position:020}.idx"))
    }

    /// A file while it is made; it counts for nothing until it is renamed.
    pub(crate) fn temporary(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(TEMPORARY);
        PathBuf::from(name)
    }

    pub(crate) fn first_position(file_name: &str, suffix: &str) -> Option<u64> {
        let digits = file_name.strip_suffix(suffix)?;
        (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| digits.parse().ok())?
    }
}

/// What the first block of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) flags: u16,
    pub(crate) log_id: u64,
    pub(crate) generation: u64,
    pub(crate) first_position: u64,
    pub(crate) previous_chain: u64,
    pub(crate) prepared_bytes: u64,
    pub(crate) log_time_ms: u64,
    /// How often it was written anew.
    pub(crate) revision: u64,
}

/// Why a block is not the header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Damaged,
    UnknownVersion(u16),
}

impl SegmentHeader {
    pub(crate) fn to_block(self) -> Vec<u8> {
        let mut block = vec![0; HEADER_BLOCK as usize];
        Put::new(&mut block)
            .bytes(MAGIC)
            .u16(if self.revision == 0 { VERSION } else { VERSION_REWRITTEN })
            .u16(self.flags)
            .u32(0) // The tenant field, reserved.
            .u64(self.log_id)
            .u64(self.generation)
            .u64(self.first_position)
            .u64(self.previous_chain)
            .u64(self.prepared_bytes)
            .u64(self.log_time_ms)
            .u64(self.revision);
        let crc = crc_plain(&block[..block.len() - 4]);
        Put::new(&mut block[HEADER_BLOCK as usize - 4..]).u32(crc);
        block
    }

    pub(crate) fn from_block(block: &[u8]) -> Result<Self, HeaderFault> {
        Self::read(block).unwrap_or(Err(HeaderFault::Damaged))
    }

    /// The version is looked at before the checksum: a newer format may sum its header otherwise. One that has rotted is
    /// told from that.
    fn read(block: &[u8]) -> Option<Result<Self, HeaderFault>> {
        let (content, crc) = block.split_at_checked(HEADER_BLOCK as usize - 4)?;
        let crc = Fields::new(crc).u32()?;
        let mut fields = Fields::new(content);
        if fields.bytes(8)? != MAGIC {
            return None;
        }
        let rewritten = match fields.u16()? {
            VERSION => false,
            VERSION_REWRITTEN => true,
            _ if is_rotten_version(content, crc, &[VERSION, VERSION_REWRITTEN]) => return None,
            version => return Some(Err(HeaderFault::UnknownVersion(version))),
        };
        if crc != crc_plain(content) {
            return None;
        }
        let flags = fields.u16()?;
        let _tenant = fields.u32()?;
        Some(Ok(Self {
            flags,
            log_id: fields.u64()?,
            generation: fields.u64()?,
            first_position: fields.u64()?,
            previous_chain: fields.u64()?,
            prepared_bytes: fields.u64()?,
            log_time_ms: fields.u64()?,
            revision: if rewritten { fields.u64()? } else { 0 },
        }))
    }

    pub(crate) fn seed(&self) -> Seed {
        match self.revision {
            0 => Seed::of(self.log_id, self.generation),
            revision => Seed::of_revision(self.log_id, self.generation, revision),
        }
    }

    pub(crate) fn is_recycled(&self) -> bool {
        self.flags & FLAG_RECYCLED != 0
    }
}

/// An open segment, as readers share it.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// `None` if the block was lost.
    pub(crate) header: Option<SegmentHeader>,
    pub(crate) first_position: u64,
    pub(crate) seed: Seed,
    pub(crate) file: Arc<dyn DiskFile>,
    index: RwLock<Index>,
}

impl Segment {
    pub(crate) fn new(
        path: PathBuf,
        header: Option<SegmentHeader>,
        first_position: u64,
        seed: Seed,
        file: Arc<dyn DiskFile>,
        index: Index,
    ) -> Self {
        Self { path, header, first_position, seed, file, index: RwLock::new(index) }
    }

    pub(crate) fn index(&self) -> Index {
        self.index.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_index(&self, index: Index) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            flags: 0,
            log_id: 1,
            generation: 2,
            first_position: 3,
            previous_chain: 4,
            prepared_bytes: 5,
            log_time_ms: 6,
            revision: 0,
        }
    }

    #[test]
    fn a_header_reads_back_as_written() {
        assert_eq!(SegmentHeader::from_block(&header().to_block()), Ok(header()));
        let rewritten = SegmentHeader { revision: 7, ..header() };
        assert_eq!(SegmentHeader::from_block(&rewritten.to_block()), Ok(rewritten));
        assert_ne!(rewritten.seed(), header().seed(), "what was in the file before never verifies");
    }

    #[test]
    fn no_bit_of_a_header_can_change_unnoticed() {
        let block = header().to_block();
        for bit in 0..block.len() * 8 {
            let mut flipped = block.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::from_block(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn only_twenty_digits_name_a_segment() {
        assert_eq!(name::first_position("00000000000000000012.segment", ".segment"), Some(12));
        assert_eq!(name::first_position("12.segment", ".segment"), None);
        assert_eq!(name::first_position("99999999999999999999.segment", ".segment"), None);
        assert_eq!(name::first_position("+0000000000000000012.segment", ".segment"), None);
    }
}
