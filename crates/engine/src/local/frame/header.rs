//! The 96 bytes before a frame's body.

use super::{ALIGN, FRAME_BYTES_LIMIT};
use crate::local::checksum::{Seed, chain};
use crate::local::fields::{Fields, Put};

pub(crate) const HEADER_BYTES: usize = 96;
/// `CFRM`, little-endian.
pub(crate) const MAGIC: u32 = u32::from_le_bytes(*b"CFRM");
pub(crate) const VERSION: u16 = 1;
/// Frames of which records were removed. Version 2 was never written.
pub(crate) const VERSION_REWRITTEN: u16 = 3;
/// A frame without records that only says how far the log was durable.
pub(crate) const FLAG_MARK: u16 = 1;
/// A frame written anew; its hash and chain are those of the original.
pub(crate) const FLAG_REWRITTEN: u16 = 2;
/// Takes the place of frames of which nothing is left: leads from the chain before them, in the place of the body's hash,
/// to the chain behind them.
pub(crate) const FLAG_BRIDGE: u16 = 4;
/// A bridge over damage: the chain behind it is not known, the next frame is believed.
pub(crate) const FLAG_UNCHAINED: u16 = 8;

/// A frame's header, field by field in the order of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: u32,
    pub(crate) crc: u32,
    pub(crate) version: u16,
    pub(crate) flags: u16,
    pub(crate) tenant: u32,
    pub(crate) offset: u32,
    pub(crate) seed: u64,
    pub(crate) first_position: u64,
    pub(crate) last_position: u64,
    pub(crate) log_time_ms: u64,
    pub(crate) durable_mark: u64,
    pub(crate) body_hash: u64,
    pub(crate) chain: u64,
    pub(crate) records: u32,
    pub(crate) words: u32,
    pub(crate) dictionary_bytes: u32,
    pub(crate) durable_offset: u32,
}

/// Why some bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("no frame begins here")]
    NoFrame,
    #[error("its length cannot be right")]
    Length,
    #[error("it was written for another place or by another generation of the segment")]
    Misplaced,
    #[error("its checksum does not match")]
    Checksum,
    #[error("its format version {0} is not known")]
    Version(u16),
    #[error("it does not follow its predecessor")]
    Chain,
    #[error("its content breaks the format: {0}")]
    Structure(&'static str),
}

impl FrameHeader {
    /// Reads a header and checks what can be checked without the body. `room` is how many bytes the file has from here on.
    pub(crate) fn read(bytes: &[u8], room: u64) -> Result<Self, Fault> {
        let header = Self::fields(bytes).ok_or(Fault::NoFrame)?;
        let length = header.length as usize;
        if !(HEADER_BYTES..=FRAME_BYTES_LIMIT).contains(&length)
            || !length.is_multiple_of(ALIGN)
            || length as u64 > room
        {
            return Err(Fault::Length);
        }
        Ok(header)
    }

    fn fields(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes.get(..HEADER_BYTES)?);
        if fields.u32()? != MAGIC {
            return None;
        }
        Some(Self {
            length: fields.u32()?,
            crc: fields.u32()?,
            version: fields.u16()?,
            flags: fields.u16()?,
            tenant: fields.u32()?,
            offset: fields.u32()?,
            seed: fields.u64()?,
            first_position: fields.u64()?,
            last_position: fields.u64()?,
            log_time_ms: fields.u64()?,
            durable_mark: fields.u64()?,
            body_hash: fields.u64()?,
            chain: fields.u64()?,
            records: fields.u32()?,
            words: fields.u32()?,
            dictionary_bytes: fields.u32()?,
            durable_offset: fields.u32()?,
        })
    }

    /// Writes the header over the first 96 bytes of a frame and stamps the checksum over all of it.
    pub(crate) fn write(&mut self, frame: &mut [u8], seed: Seed) {
        Put::new(frame)
            .u32(MAGIC)
            .u32(self.length)
            .u32(0)
            .u16(self.version)
            .u16(self.flags)
            .u32(self.tenant)
            .u32(self.offset)
            .u64(self.seed)
            .u64(self.first_position)
            .u64(self.last_position)
            .u64(self.log_time_ms)
            .u64(self.durable_mark)
            .u64(self.body_hash)
            .u64(self.chain)
            .u32(self.records)
            .u32(self.words)
            .u32(self.dictionary_bytes)
            .u32(self.durable_offset);
        self.crc = crc_of(frame, seed);
        frame[8..12].copy_from_slice(&self.crc.to_le_bytes());
    }

    /// Checks a whole frame against its header, its place and its generation. The checksum comes before the version: its
    /// place and rule are the same in every version, so a newer frame is known to be one.
    pub(crate) fn verify(&self, frame: &[u8], seed: Seed, offset: u64) -> Result<(), Fault> {
        if self.seed != seed.value() || u64::from(self.offset) != offset {
            return Err(Fault::Misplaced);
        }
        if frame.len() != self.length as usize {
            return Err(Fault::Length);
        }
        if crc_of(frame, seed) != self.crc {
            return Err(Fault::Checksum);
        }
        match self.version {
            VERSION | VERSION_REWRITTEN => Ok(()),
            version => Err(Fault::Version(version)),
        }
    }

    /// Says whether the frame follows a chain hash; `None` is one that is not known.
    pub(crate) fn continues(&self, before: Option<u64>) -> bool {
        let Some(before) = before else { return true };
        if self.is_bridge() {
            return self.body_hash == before;
        }
        chain(before, self.first_position, self.log_time_ms, self.body_hash) == self.chain
    }

    /// The chain hash the next frame continues; `None` if that is not known.
    pub(crate) fn chain_after(&self) -> Option<u64> {
        (self.flags & FLAG_UNCHAINED == 0).then_some(self.chain)
    }

    pub(crate) fn is_bridge(&self) -> bool {
        self.flags & FLAG_BRIDGE != 0
    }

    pub(crate) fn is_mark(&self) -> bool {
        self.flags & FLAG_MARK != 0
    }

    /// The position a frame after this one begins at, at the earliest.
    pub(crate) fn next_position(&self) -> u64 {
        self.last_position.saturating_add(1)
    }
}

/// The checksum covers everything but its own four bytes.
fn crc_of(frame: &[u8], seed: Seed) -> u32 {
    seed.crc(&[&frame[..8], &frame[12..]])
}
