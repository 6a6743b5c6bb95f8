//! Reading an attempt's output, also while it is being written.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::life;
use super::state::State;

/// The most one call returns.
const CHUNK_BYTES_MAX: usize = 1 << 20;

/// Which output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A part of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The bytes from the offset asked for; empty if there are no more yet.
    pub bytes: Vec<u8>,
    /// Where to go on.
    pub next_offset: u64,
    /// Nothing more will come after these bytes.
    pub ended: bool,
    /// How many bytes beyond the cap were dropped; known only at the end.
    pub dropped: u64,
}

pub(super) fn read(folder: &Path, stream: Stream, offset: u64, limit: usize) -> io::Result<Chunk> {
    let name = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    // Asked before reading: what is written after the answer "ended" can not be missed.
    let state = State::read(folder);
    let counts = state.and_then(|state| state.ended).map(|ended| match stream {
        Stream::Stdout => ended.stdout,
        Stream::Stderr => ended.stderr,
    });
    let over = counts.is_some() || !life::is_alive(folder);
    let mut bytes = Vec::new();
    match File::open(folder.join(name)) {
        Ok(mut file) => {
            file.seek(SeekFrom::Start(offset))?;
            // One byte more than is given out tells whether there is more.
            let limit = limit.clamp(1, CHUNK_BYTES_MAX);
            file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
            let more = bytes.len() > limit;
            bytes.truncate(limit);
            Ok(Chunk {
                next_offset: offset + bytes.len() as u64,
                bytes,
                ended: over && !more,
                dropped: counts.map_or(0, |counts| counts.dropped),
            })
        }
        // The guardian has not come so far yet, or never will.
        Err(error) if error.kind() == io::ErrorKind::NotFound && folder.exists() => {
            Ok(Chunk { bytes, next_offset: offset, ended: over, dropped: 0 })
        }
        Err(error) => Err(error),
    }
}
