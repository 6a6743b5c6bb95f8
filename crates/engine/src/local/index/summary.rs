//! One line per frame: where it is, and what it may be about.

use super::about::{About, bits};
use crate::local::damage::{Cause, Damage, Lost};
use crate::local::fields::{Fields, Put};
use crate::local::frame::FrameHeader;

/// What is known of a frame without reading it. Topics, types and priorities are sets that may show too much, never too
/// little: what a summary denies is not in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// The position the frame begins at.
    pub first_position: u64,
    /// The position of its last record.
    pub last_position: u64,
    /// Its log time in milliseconds.
    pub log_time_ms: u64,
    /// How many records it has.
    pub records: u32,
    pub(crate) offset: u32,
    pub(crate) length: u32,
    pub(crate) covers: Covers,
    topics: u64,
    kinds: u64,
    priorities: u8,
    flags: u16,
}

/// Records of the frame were removed, and somebody may miss them.
const FLAG_REMOVED: u16 = 1;

/// What a summary stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Covers {
    Frame,
    /// A range that was already lost when the index was made.
    Gap(Cause),
}

impl Summary {
    pub(crate) const BYTES: usize = 56;

    pub(crate) fn of_frame(header: &FrameHeader, about: &About) -> Self {
        Self {
            first_position: header.first_position,
            last_position: header.last_position,
            log_time_ms: header.log_time_ms,
            records: header.records,
            offset: header.offset,
            length: header.length,
            covers: Covers::Frame,
            topics: about.topics,
            kinds: about.kinds,
            priorities: about.priorities,
            flags: 0,
        }
    }

    /// Notes that records were removed that somebody may miss.
    pub(crate) fn note_removed(&mut self) {
        self.flags |= FLAG_REMOVED;
    }

    /// Says whether the frame tells of removed records.
    pub fn has_removed(&self) -> bool {
        self.flags & FLAG_REMOVED != 0
    }

    pub(crate) fn of_gap(damage: &Damage) -> Self {
        Self {
            first_position: damage.lost.first,
            last_position: damage.lost.last,
            log_time_ms: 0,
            records: 0,
            offset: damage.offset.min(u64::from(u32::MAX)) as u32,
            length: damage.end_offset.saturating_sub(damage.offset).min(u64::from(u32::MAX)) as u32,
            covers: Covers::Gap(damage.cause),
            topics: u64::MAX,
            kinds: u64::MAX,
            priorities: u8::MAX,
            flags: 0,
        }
    }

    /// Says whether the frame may have a record of the topic with this hash.
    pub fn may_have_topic(&self, hash: u64) -> bool {
        self.topics & bits(hash) == bits(hash)
    }

    /// Says whether the frame may have a record of the type with this hash.
    pub fn may_have_kind(&self, hash: u64) -> bool {
        self.kinds & bits(hash) == bits(hash)
    }

    /// Says whether the frame may have a record of this priority.
    pub fn may_have_priority(&self, priority: u8) -> bool {
        self.priorities & 1 << (priority & 7) != 0
    }

    pub(crate) fn lost(&self) -> Lost {
        Lost { first: self.first_position, last: self.last_position }
    }

    pub(crate) fn write(&self, out: &mut [u8]) {
        let cause = match self.covers {
            Covers::Frame => 0,
            Covers::Gap(cause) => cause_number(cause),
        };
        Put::new(out)
            .u64(self.first_position)
            .u64(self.last_position)
            .u64(self.log_time_ms)
            .u64(self.topics)
            .u64(self.kinds)
            .u32(self.records)
            .u32(self.offset)
            .u32(self.length)
            .u8(self.priorities)
            .u8(cause)
            .u16(self.flags);
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let (first_position, last_position, log_time_ms) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let (topics, kinds) = (fields.u64()?, fields.u64()?);
        let (records, offset, length) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let priorities = fields.u8()?;
        let covers = match fields.u8()? {
            0 => Covers::Frame,
            number => Covers::Gap(cause_of(number)),
        };
        let flags = fields.u16()?;
        Some(Self {
            first_position,
            last_position,
            log_time_ms,
            records,
            offset,
            length,
            covers,
            topics,
            kinds,
            priorities,
            flags,
        })
    }
}

/// The numbers of causes in index files; never reused.
fn cause_number(cause: Cause) -> u8 {
    match cause {
        Cause::Frame => 1,
        Cause::Unreadable => 2,
        Cause::Header => 3,
        Cause::Misplaced => 4,
        Cause::Truncated => 5,
        Cause::Missing => 6,
        Cause::Chain => 7,
        Cause::Index => 8,
        Cause::Base => 9,
    }
}

fn cause_of(number: u8) -> Cause {
    match number {
        2 => Cause::Unreadable,
        3 => Cause::Header,
        4 => Cause::Misplaced,
        5 => Cause::Truncated,
        6 => Cause::Missing,
        7 => Cause::Chain,
        8 => Cause::Index,
        9 => Cause::Base,
        _ => Cause::Frame,
    }
}
