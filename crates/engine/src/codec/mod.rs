//! How facts lie in frames.
//!
//! A fact is its number and CBOR by the `#[n(..)]` numbers of `cantus_core::fact`. Events are most of all bytes, so
//! their repeated strings are words of the frame's dictionary: read `event`. `describe` says what a record is found by.

mod describe;
mod event;
mod texts;

pub use describe::describe;
pub(crate) use describe::story;

use cantus_core::fact::{Fact, Recorded, UnreadableFact};
use cantus_core::{Position, Timestamp};

use crate::engine::ReadError;
use crate::local::{Frame, FrameBuilder, FrameError, Record};

use texts::Texts;

/// Encodes facts into frames; keeps its buffer.
#[derive(Debug, Default)]
pub struct Encoder {
    buffer: Vec<u8>,
}

impl Encoder {
    /// Adds a fact to a frame.
    ///
    /// # Errors
    /// When the frame would be too large or its order is wrong.
    pub fn add(
        &mut self,
        frame: &mut FrameBuilder,
        recorded: &Recorded,
        slice_end: bool,
    ) -> Result<(), FrameError> {
        self.buffer.clear();
        match &recorded.fact {
            Fact::EventPublished(published) => event::encode_published(published, frame, &mut self.buffer),
            fact => fact.encode(&mut self.buffer),
        }
        frame.record(recorded.position.0, recorded.fact.number(), slice_end, &self.buffer)?;
        frame.describe(&describe::description(&recorded.fact));
        Ok(())
    }

    /// Adds a fact that was read from another frame; `record` is what it was read from. What has no words in its frame's
    /// dictionary is copied byte by byte.
    ///
    /// # Errors
    /// As [`Encoder::add`].
    pub fn copy(
        &mut self,
        frame: &mut FrameBuilder,
        record: &Record<'_>,
        recorded: &Recorded,
        slice_end: bool,
    ) -> Result<(), FrameError> {
        match &recorded.fact {
            Fact::EventPublished(_) => self.add(frame, recorded, slice_end),
            fact => {
                frame.record(record.position, record.number, slice_end, record.payload)?;
                frame.describe(&describe::description(fact));
                Ok(())
            }
        }
    }
}

/// Decodes a record of a frame. For several of one frame, [`Decoder`] does it with less work.
///
/// # Errors
/// When its number is unknown, its layout is damaged, or a word is missing.
pub fn decode(frame: &Frame, record: &Record<'_>) -> Result<Recorded, ReadError> {
    Decoder::new(frame).decode(record)
}

/// Decodes records of one frame. A text that several of its events have is made once and shared by them.
#[derive(Debug)]
pub struct Decoder<'f> {
    frame: &'f Frame,
    texts: Texts<'f>,
}

impl<'f> Decoder<'f> {
    /// Returns a decoder of a frame's records.
    pub fn new(frame: &'f Frame) -> Self {
        Self { frame, texts: Texts::new(frame.words()) }
    }

    /// Decodes a record of the frame.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn decode(&mut self, record: &Record<'_>) -> Result<Recorded, ReadError> {
        let position = Position(record.position);
        let fact = match record.number {
            1 => decode_published(&mut self.texts, record)?,
            number => Fact::decode(number, record.payload)?,
        };
        Ok(Recorded { position, at: Timestamp(self.frame.log_time_ms() as i64), fact })
    }
}

fn decode_published(texts: &mut Texts<'_>, record: &Record<'_>) -> Result<Fact, ReadError> {
    event::decode_published(texts, record.payload).map(Fact::from).map_err(|error| match error {
        event::DecodeError::Layout(reason) => {
            ReadError::Fact(UnreadableFact::Damaged { number: record.number, reason })
        }
        event::DecodeError::Word => ReadError::Word { position: Position(record.position) },
    })
}
