//! What can be chosen when a log is opened.

use std::sync::Arc;

use super::disk::Disk;
use super::frame::FRAME_BYTES_LIMIT;
use super::real_disk::RealDisk;

/// How a log is opened. The defaults are those of a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// How large the first segment is prepared, in bytes; each next one has twice the size.
    pub segment_bytes_first: u64,
    /// How large segments get, in bytes.
    pub segment_bytes_max: u64,
    /// The largest frame taken, in bytes; at most 64 MiB.
    pub frame_bytes_max: usize,
    /// The low-water mark: with less than this many bytes free, only frames that may use the reserve are taken.
    pub reserve_bytes: u64,
    /// Go on although durable bytes of the newest segment are lost; readers see a gap.
    pub accept_damage: bool,
    /// Prepare segments and write indexes in a thread of their own. Off, it happens within `write`: for simulations.
    pub background: bool,
    /// The identity of a new log; made from the clock unless given.
    pub log_id: Option<u64>,
    /// The disk underneath.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            segment_bytes_first: 8 * MIB,
            segment_bytes_max: 128 * MIB,
            frame_bytes_max: FRAME_BYTES_LIMIT,
            reserve_bytes: 1024 * MIB,
            accept_damage: false,
            background: true,
            log_id: None,
            disk: Arc::new(RealDisk),
        }
    }
}

impl Options {
    /// The size of the segment of the given generation, counting from 1.
    pub(crate) fn segment_bytes(&self, generation: u64) -> u64 {
        let doublings = generation.saturating_sub(1).min(32) as u32;
        let grown = self.segment_bytes_first.saturating_mul(1 << doublings);
        // A frame's place is a 32-bit number, and the largest frame may grow a segment beyond its prepared size.
        grown.min(self.segment_bytes_max).clamp(super::segment::HEADER_BLOCK * 2, 1 << 31)
    }
}
