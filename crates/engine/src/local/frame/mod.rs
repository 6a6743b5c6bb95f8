//! Frames: the unit that is written, checked and read whole. Nobody ever sees a part of one.
//!
//! Read `header`, then `builder` (writing), then `decode` (reading). `docs/formats.md` has every byte.

mod builder;
mod decode;
mod header;
#[cfg(test)]
mod tests;

pub use builder::{FrameBuilder, FrameError};
pub(crate) use builder::{Place, Seal, restamp};
pub(crate) use decode::Layout;
pub use decode::{Frame, Item, Items, Record, Records, Words};
pub(crate) use header::{Fault, FrameHeader, HEADER_BYTES, MAGIC, VERSION_REWRITTEN};

/// Frames begin at multiples of this many bytes.
pub(crate) const ALIGN: usize = 8;

/// No frame is larger, whatever the options say: a longer length field is damage.
pub(crate) const FRAME_BYTES_LIMIT: usize = 64 * 1024 * 1024;
