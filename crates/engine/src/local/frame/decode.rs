//! Reading a frame. Its structure is checked once, when it is taken in; what comes after cannot fail.

use std::ops::Range;

use bytes::Bytes;

use super::header::{Fault, FrameHeader, HEADER_BYTES, VERSION_REWRITTEN};
use crate::local::checksum::{Seed, body_hash};
use crate::local::fields::Fields;
use crate::local::removed::{self, Run};

/// Where things are in a frame's bytes.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) header: FrameHeader,
    words: Box<[(u32, u32)]>,
    records_at: usize,
}

impl Layout {
    /// Walks through a frame whose checksum was verified and checks every length in it.
    pub(crate) fn read(header: FrameHeader, frame: &[u8]) -> Result<Self, Fault> {
        let body = frame.get(HEADER_BYTES..).ok_or(Fault::Structure("shorter than a header"))?;
        let dictionary_bytes = header.dictionary_bytes as usize;
        let dictionary =
            body.get(..dictionary_bytes).ok_or(Fault::Structure("dictionary longer than the frame"))?;
        // Every word takes at least one byte, every record three: the counts bound what is allocated.
        if header.words as usize > dictionary_bytes {
            return Err(Fault::Structure("more words than bytes"));
        }
        let records_at = HEADER_BYTES + dictionary_bytes;
        if header.records as usize > body.len() / 3 {
            return Err(Fault::Structure("more records than bytes"));
        }
        let words = Self::read_words(dictionary, header.words)?;
        Self::read_records(&header, &frame[records_at..])?;
        Ok(Self { header, words, records_at })
    }

    fn read_words(dictionary: &[u8], count: u32) -> Result<Box<[(u32, u32)]>, Fault> {
        const BROKEN: Fault = Fault::Structure("a word runs over the end of the dictionary");
        let mut words = Vec::with_capacity(count as usize);
        let mut fields = Fields::new(dictionary);
        for _ in 0..count {
            let length = fields.length().ok_or(BROKEN)?;
            let start = HEADER_BYTES + dictionary.len() - fields.left();
            let word = fields.bytes(length).ok_or(BROKEN)?;
            if std::str::from_utf8(word).is_err() {
                return Err(Fault::Structure("a word is not UTF-8"));
            }
            words.push((start as u32, length as u32));
        }
        if fields.left() != 0 {
            return Err(Fault::Structure("the dictionary holds more than its words"));
        }
        Ok(words.into())
    }

    fn read_records(header: &FrameHeader, bytes: &[u8]) -> Result<(), Fault> {
        if header.is_mark() {
            let empty = header.records == 0
                && bytes.is_empty()
                && header.last_position == header.first_position.wrapping_sub(1);
            return if empty { Ok(()) } else { Err(Fault::Structure("a mark with records")) };
        }
        let rewritten = header.version == VERSION_REWRITTEN;
        let mut records = Records {
            fields: Fields::new(bytes),
            left: header.records,
            before: None,
            first: header.first_position,
            with_removed: rewritten,
        };
        let mut last = None;
        while records.left > 0 {
            let record = records.read().ok_or(Fault::Structure("a record is cut short or out of order"))?;
            last = Some(records.before.unwrap_or(record.position));
        }
        match last {
            _ if rewritten && last.is_none_or(|last| last <= header.last_position) => {}
            None => return Err(Fault::Structure("no records")),
            Some(last) if rewritten || last != header.last_position => {
                return Err(Fault::Structure("the last record is not at the last position"));
            }
            Some(_) => {}
        }
        if records.fields.rest().iter().any(|&byte| byte != 0) {
            return Err(Fault::Structure("bytes after the last record"));
        }
        Ok(())
    }

    pub(crate) fn words<'a>(&'a self, frame: &'a [u8]) -> Words<'a> {
        Words { spans: &self.words, frame }
    }

    /// The records, without those that stand for removed ones.
    pub(crate) fn records<'a>(&self, frame: &'a [u8]) -> Records<'a> {
        Records {
            fields: Fields::new(&frame[self.records_at..]),
            left: self.header.records,
            before: None,
            first: self.header.first_position,
            with_removed: self.header.version == VERSION_REWRITTEN,
        }
    }

    /// Records and what was removed between them, in order.
    pub(crate) fn items<'a>(&self, frame: &'a [u8]) -> Items<'a> {
        Items { records: self.records(frame) }
    }

    /// What was removed.
    pub(crate) fn runs<'a>(&self, frame: &'a [u8]) -> impl Iterator<Item = Run> + use<'a> {
        self.items(frame).filter_map(|item| match item {
            Item::Removed(run) => Some(run),
            Item::Record(_) => None,
        })
    }

    /// Says whether the body still is what was first written (a rewritten frame's is not, rightly).
    pub(crate) fn body_is_original(&self, frame: &[u8]) -> bool {
        let (dictionary, rest) = frame[HEADER_BYTES..].split_at(self.header.dictionary_bytes as usize);
        body_hash(dictionary, rest) == self.header.body_hash
    }
}

/// One frame, read from disk and verified. Clones share the bytes, and with them the read-ahead around the frame: whoever
/// keeps one record for long copies it.
#[derive(Debug, Clone)]
pub struct Frame {
    layout: Layout,
    bytes: Bytes,
}

impl Frame {
    /// Takes in bytes from disk if they are the frame that must be at this place.
    pub(crate) fn verify(bytes: Bytes, seed: Seed, offset: u64) -> Result<Self, Fault> {
        let header = FrameHeader::read(&bytes, bytes.len() as u64)?;
        header.verify(&bytes, seed, offset)?;
        Ok(Self { layout: Layout::read(header, &bytes)?, bytes })
    }

    /// A frame that was verified already.
    pub(crate) fn of(layout: Layout, bytes: Bytes) -> Self {
        Self { layout, bytes }
    }

    /// Returns the position the frame begins at.
    pub fn first_position(&self) -> u64 {
        self.layout.header.first_position
    }

    /// Returns the position of its last record.
    pub fn last_position(&self) -> u64 {
        self.layout.header.last_position
    }

    /// Returns its log time in milliseconds.
    pub fn log_time_ms(&self) -> u64 {
        self.layout.header.log_time_ms
    }

    /// Returns the chain hash over this frame and all before it.
    pub fn chain(&self) -> u64 {
        self.layout.header.chain
    }

    /// Returns how many records it has, those counted that stand for removed ones.
    pub fn len(&self) -> usize {
        self.layout.header.records as usize
    }

    /// Says whether it has none of either.
    pub fn is_empty(&self) -> bool {
        self.layout.header.records == 0
    }

    /// Returns its dictionary.
    pub fn words(&self) -> Words<'_> {
        self.layout.words(&self.bytes)
    }

    /// Returns its records in order.
    pub fn records(&self) -> Records<'_> {
        self.layout.records(&self.bytes)
    }

    pub(crate) fn version(&self) -> u16 {
        self.layout.header.version
    }

    /// Says whether its body is what was first written.
    pub(crate) fn is_original(&self) -> bool {
        self.layout.body_is_original(&self.bytes)
    }

    /// Returns its records and, between them, what was removed.
    pub fn items(&self) -> Items<'_> {
        self.layout.items(&self.bytes)
    }

    /// Returns the record at a position, if the frame has one there.
    pub fn record(&self, position: u64) -> Option<Record<'_>> {
        self.records()
            .take_while(|record| record.position <= position)
            .find(|record| record.position == position)
    }

    /// Returns a record's payload without copying it. The record must be of this frame.
    pub fn payload(&self, record: &Record<'_>) -> Bytes {
        self.bytes.slice_ref(record.payload)
    }
}

/// One record of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its place in the log.
    pub position: u64,
    /// The number the codec gave it.
    pub number: u16,
    /// Whether it is the last record of its slice.
    pub slice_end: bool,
    /// Its bytes, opaque to the log.
    pub payload: &'a [u8],
}

/// The records of a frame, in order.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    fields: Fields<'a>,
    left: u32,
    before: Option<u64>,
    first: u64,
    /// Some records stand for removed ones: they are passed over.
    with_removed: bool,
}

impl<'a> Records<'a> {
    fn read(&mut self) -> Option<Record<'a>> {
        let head = self.fields.varint()?;
        let delta = head >> 1;
        let position = match self.before {
            None => self.first.checked_add(delta)?,
            Some(_) if delta == 0 => return None,
            Some(before) => before.checked_add(delta)?,
        };
        let number = u16::try_from(self.fields.varint()?).ok()?;
        let length = self.fields.length()?;
        let payload = self.fields.bytes(length)?;
        // What stands for removed records stands for all of their positions.
        let last = match self.with_removed && number == removed::NUMBER {
            true => Run::read(position, payload)?.last,
            false => position,
        };
        self.before = Some(last);
        self.left -= 1;
        Some(Record { position, number, slice_end: head & 1 == 1, payload })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        while self.left > 0 {
            let record = self.read()?;
            if !self.with_removed || record.number != removed::NUMBER {
                return Some(record);
            }
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (if self.with_removed { 0 } else { self.left as usize }, Some(self.left as usize))
    }
}

/// What lies in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<'a> {
    /// A record.
    Record(Record<'a>),
    /// Records that were removed, and are missed by somebody.
    Removed(Run),
}

/// What lies in a frame, in order; see [`Frame::items`].
#[derive(Debug, Clone)]
pub struct Items<'a> {
    records: Records<'a>,
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.records.left == 0 {
            return None;
        }
        let record = self.records.read()?;
        if self.records.with_removed && record.number == removed::NUMBER {
            return Run::read(record.position, record.payload).map(Item::Removed);
        }
        Some(Item::Record(record))
    }
}

/// The dictionary of a frame: every repeated string once.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a> {
    spans: &'a [(u32, u32)],
    frame: &'a [u8],
}

impl<'a> Words<'a> {
    /// Returns the word with a number, if there is one.
    pub fn get(&self, number: u32) -> Option<&'a str> {
        let &(start, length) = self.spans.get(number as usize)?;
        let Range { start, end } = start as usize..start as usize + length as usize;
        std::str::from_utf8(self.frame.get(start..end)?).ok()
    }

    /// Returns how many words there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }
}
