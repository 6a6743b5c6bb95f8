//! Putting a frame together. The buffers are kept from frame to frame.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::decode::Frame;
use super::header::{
    FLAG_BRIDGE, FLAG_MARK, FLAG_REWRITTEN, FLAG_UNCHAINED, FrameHeader, HEADER_BYTES, VERSION,
    VERSION_REWRITTEN,
};
use super::{ALIGN, FRAME_BYTES_LIMIT};
use crate::local::checksum::{self, Seed};
use crate::local::describe::Description;
use crate::local::fields::put_varint;
use crate::local::index::About;
use crate::local::removed::{self, Run};

/// Collects the records of one frame.
///
/// ```text
/// begin(first position, log time) → word(…)* record(…)* … → Log::write
/// ```
#[derive(Debug, Default)]
pub struct FrameBuilder {
    first_position: u64,
    last_position: Option<u64>,
    log_time_ms: u64,
    essential: bool,
    slice_open: bool,
    record_count: u32,
    word_spans: Vec<(u32, u32)>,
    words_by_hash: HashMap<u64, u32, BuildHasherDefault<AsHashed>>,
    dictionary: Vec<u8>,
    records: Vec<u8>,
    sealed: Vec<u8>,
    about: About,
}

/// Why a record or a frame cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The frame would be larger than a frame may be; write what is there first.
    #[error("the frame would have {bytes} bytes; at most {bytes_max} fit: write it in smaller batches")]
    TooLarge {
        /// How large it would be.
        bytes: usize,
        /// How large it may be.
        bytes_max: usize,
    },
    /// Positions must rise, and begin at the one the frame was begun with.
    #[error("position {position} is out of order; the next one is at least {at_least}")]
    Order {
        /// The position given.
        position: u64,
        /// The lowest one possible.
        at_least: u64,
    },
    /// A frame must have records.
    #[error("the frame has no records")]
    Empty,
    /// The last record must end a slice, or half of one command's facts would be durable.
    #[error("the last record does not end its slice")]
    SliceOpen,
}

/// What only the log knows about a frame's place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seal {
    pub(crate) seed: Seed,
    pub(crate) offset: u32,
    pub(crate) chain_before: u64,
    pub(crate) durable_mark: u64,
    pub(crate) durable_offset: u32,
}

/// Where a frame that is written anew goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) seed: Seed,
    pub(crate) offset: u32,
}

/// Gives a whole frame another place, and changes nothing else of it.
pub(crate) fn restamp(header: &FrameHeader, frame: &mut [u8], place: Place) -> FrameHeader {
    let mut header = FrameHeader {
        offset: place.offset,
        seed: place.seed.value(),
        // Nothing of a file that is written anew is read before all of it is durable.
        durable_offset: place.offset,
        ..*header
    };
    header.write(frame, place.seed);
    header
}

impl FrameBuilder {
    /// Returns an empty builder; `begin` comes first.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a frame, forgetting what was collected. Positions count from 1; the log time is in milliseconds.
    pub fn begin(&mut self, first_position: u64, log_time_ms: u64) {
        self.first_position = first_position;
        self.last_position = None;
        self.log_time_ms = log_time_ms;
        self.essential = false;
        self.slice_open = false;
        self.record_count = 0;
        self.word_spans.clear();
        self.words_by_hash.clear();
        self.dictionary.clear();
        self.records.clear();
        self.about.clear();
    }

    /// Lets this frame be written below the low-water mark of the disk, from the reserve: acks and deletions, never publishes.
    pub fn use_reserve(&mut self) {
        self.essential = true;
    }

    /// Returns the number of a word in this frame's dictionary, adding it when it is new.
    pub fn word(&mut self, word: &str) -> u32 {
        let hash = xxh3_64(word.as_bytes());
        if let Some(&number) = self.words_by_hash.get(&hash)
            && self.word_text(number) == Some(word.as_bytes())
        {
            return number;
        }
        let number = self.word_spans.len() as u32;
        put_varint(&mut self.dictionary, word.len() as u64);
        self.word_spans.push((self.dictionary.len() as u32, word.len() as u32));
        self.dictionary.extend_from_slice(word.as_bytes());
        self.words_by_hash.insert(hash, number);
        number
    }

    fn word_text(&self, number: u32) -> Option<&[u8]> {
        let (start, length) = *self.word_spans.get(number as usize)?;
        self.dictionary.get(start as usize..start as usize + length as usize)
    }

    /// Adds a record. `number` is the codec's; `slice_end` closes what is atomic for a reader of slices.
    ///
    /// # Errors
    /// Refuses a position that does not rise and a frame that grows too large; the frame stays as it was.
    pub fn record(
        &mut self,
        position: u64,
        number: u16,
        slice_end: bool,
        payload: &[u8],
    ) -> Result<(), FrameError> {
        let at_least = self.last_position.map_or(self.first_position.max(1), |last| last.saturating_add(1));
        if position < at_least || position - self.first_position >= 1 << 62 {
            return Err(FrameError::Order { position, at_least });
        }
        let bytes = self.bytes() + payload.len() + RECORD_OVERHEAD_MAX;
        if bytes > FRAME_BYTES_LIMIT {
            return Err(FrameError::TooLarge { bytes, bytes_max: FRAME_BYTES_LIMIT });
        }
        let delta = position - self.last_position.unwrap_or(self.first_position);
        put_varint(&mut self.records, delta << 1 | u64::from(slice_end));
        put_varint(&mut self.records, u64::from(number));
        put_varint(&mut self.records, payload.len() as u64);
        self.records.extend_from_slice(payload);
        self.last_position = Some(position);
        self.record_count += 1;
        self.slice_open = !slice_end;
        Ok(())
    }

    /// Says what the record that was added last is about, so that the log need not read it again to know. What is said must be
    /// what [`Describe`](crate::local::Describe) would find; said of some records only, it is not used.
    pub fn describe(&mut self, description: &Description) {
        if let Some(position) = self.last_position {
            self.about.add(position, description);
        }
    }

    /// Returns what the records are about, if that was said of every one.
    pub(crate) fn about(&self) -> Option<&About> {
        (self.about.records() == self.record_count).then_some(&self.about)
    }

    /// Adds what stands for removed records, of a frame that is written anew.
    pub fn removed(&mut self, run: &Run) {
        let mut payload = Vec::new();
        run.write(&mut payload);
        let delta = run.first.saturating_sub(self.last_position.unwrap_or(self.first_position));
        put_varint(&mut self.records, delta << 1);
        put_varint(&mut self.records, u64::from(removed::NUMBER));
        put_varint(&mut self.records, payload.len() as u64);
        self.records.extend_from_slice(&payload);
        self.last_position = Some(run.last);
        self.record_count += 1;
    }

    /// Returns how many bytes the frame has on disk as it stands.
    pub fn bytes(&self) -> usize {
        (HEADER_BYTES + self.dictionary.len() + self.records.len()).next_multiple_of(ALIGN)
    }

    /// Returns how many records were added.
    pub fn len(&self) -> usize {
        self.record_count as usize
    }

    /// Says whether no record was added yet.
    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// Returns what was collected as a frame that stands in no log: for engines that keep frames in memory.
    ///
    /// # Errors
    /// As [`Log::write`](crate::local::Log::write) refuses an empty, unfinished or too large frame.
    pub fn to_frame(&mut self) -> Result<Frame, FrameError> {
        self.check(FRAME_BYTES_LIMIT)?;
        let seed = Seed::from_value(0);
        let (_, bytes) =
            self.seal(Seal { seed, offset: 0, chain_before: 0, durable_mark: 0, durable_offset: 0 });
        let bytes = Bytes::copy_from_slice(bytes);
        Ok(Frame::verify(bytes, seed, 0).expect("the builder writes what the decoder reads"))
    }

    /// Returns the frame as it was sealed last.
    pub(crate) fn sealed(&self) -> &[u8] {
        &self.sealed
    }

    pub(crate) fn first_position(&self) -> u64 {
        self.first_position
    }

    pub(crate) fn log_time_ms(&self) -> u64 {
        self.log_time_ms
    }

    pub(crate) fn is_essential(&self) -> bool {
        self.essential
    }

    /// Checks that the frame is whole, and not larger than `bytes_max`.
    pub(crate) fn check(&self, bytes_max: usize) -> Result<(), FrameError> {
        if self.record_count == 0 {
            return Err(FrameError::Empty);
        }
        if self.slice_open {
            return Err(FrameError::SliceOpen);
        }
        let bytes_max = bytes_max.min(FRAME_BYTES_LIMIT);
        if self.bytes() > bytes_max {
            return Err(FrameError::TooLarge { bytes: self.bytes(), bytes_max });
        }
        Ok(())
    }

    /// Puts dictionary and records together, behind room for the header; returns the length.
    fn collect(&mut self) -> usize {
        let length = self.bytes();
        self.sealed.clear();
        self.sealed.reserve(length);
        self.sealed.resize(HEADER_BYTES, 0);
        self.sealed.extend_from_slice(&self.dictionary);
        self.sealed.extend_from_slice(&self.records);
        self.sealed.resize(length, 0);
        length
    }

    /// Gives what is left of a frame its place: it covers the same positions, and its hashes are those of the original.
    pub(crate) fn seal_again(&mut self, place: Place, original: &FrameHeader) -> (FrameHeader, &[u8]) {
        let length = self.collect();
        let mut header = FrameHeader {
            length: length as u32,
            version: VERSION_REWRITTEN,
            flags: FLAG_REWRITTEN,
            offset: place.offset,
            seed: place.seed.value(),
            durable_offset: place.offset,
            records: self.record_count,
            words: self.word_spans.len() as u32,
            dictionary_bytes: self.dictionary.len() as u32,
            ..*original
        };
        header.write(&mut self.sealed, place.seed);
        (header, &self.sealed)
    }

    /// Makes a bridge of what was collected: at most one run.
    pub(crate) fn seal_bridge(
        &mut self,
        place: Place,
        last_position: u64,
        chain_before: u64,
        chain_after: Option<u64>,
    ) -> (FrameHeader, &[u8]) {
        let length = self.collect();
        let unchained = if chain_after.is_none() { FLAG_UNCHAINED } else { 0 };
        let mut header = FrameHeader {
            length: length as u32,
            crc: 0,
            version: VERSION_REWRITTEN,
            flags: FLAG_REWRITTEN | FLAG_BRIDGE | unchained,
            tenant: 0,
            offset: place.offset,
            seed: place.seed.value(),
            first_position: self.first_position,
            last_position,
            log_time_ms: self.log_time_ms,
            durable_mark: 0,
            body_hash: chain_before,
            chain: chain_after.unwrap_or(0),
            records: self.record_count,
            words: 0,
            dictionary_bytes: 0,
            durable_offset: place.offset,
        };
        header.write(&mut self.sealed, place.seed);
        (header, &self.sealed)
    }

    /// Gives the frame its place in the log and returns its bytes.
    pub(crate) fn seal(&mut self, seal: Seal) -> (FrameHeader, &[u8]) {
        let length = self.collect();
        let (dictionary, rest) = self.sealed[HEADER_BYTES..].split_at(self.dictionary.len());
        let body_hash = checksum::body_hash(dictionary, rest);
        let mut header = FrameHeader {
            length: length as u32,
            crc: 0,
            version: VERSION,
            flags: if self.record_count == 0 { FLAG_MARK } else { 0 },
            tenant: 0,
            offset: seal.offset,
            seed: seal.seed.value(),
            first_position: self.first_position,
            last_position: self.last_position.unwrap_or(self.first_position - 1),
            log_time_ms: self.log_time_ms,
            durable_mark: seal.durable_mark,
            body_hash,
            chain: checksum::chain(seal.chain_before, self.first_position, self.log_time_ms, body_hash),
            records: self.record_count,
            words: self.word_spans.len() as u32,
            dictionary_bytes: self.dictionary.len() as u32,
            durable_offset: seal.durable_offset,
        };
        header.write(&mut self.sealed, seal.seed);
        (header, &self.sealed)
    }
}

/// Three varints, and the padding.
const RECORD_OVERHEAD_MAX: usize = 10 + 3 + 10 + ALIGN;

/// Words are looked up by a hash already made.
#[derive(Debug, Default)]
struct AsHashed(u64);

impl Hasher for AsHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64(bytes);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}
