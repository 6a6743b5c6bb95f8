//! A sliding view of a file, for walking through it once. What the device cannot read shows as zeros and is remembered.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::disk::{DiskFile, is_unreadable, read_full, read_full_device};

const STEP: usize = 1024 * 1024;
const BLOCK: usize = 4096;
/// Remembered ranges of unreadable bytes; one more extends the last.
const UNREADABLE_MAX: usize = 1024;

/// Where the bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// What any reader sees.
    Cache,
    /// What the device holds, if the file system can tell.
    Device,
}

#[derive(Debug)]
pub(crate) struct Window {
    file: Arc<dyn DiskFile>,
    source: Source,
    file_bytes: u64,
    start: u64,
    buffer: Vec<u8>,
    unreadable: Vec<Range<u64>>,
}

impl Window {
    /// Opens a view. Falls back to [`Source::Cache`] where the file system has nothing else; `source` tells.
    pub(crate) fn new(file: Arc<dyn DiskFile>, mut source: Source) -> io::Result<Self> {
        let file_bytes = file.len()?;
        if source == Source::Device
            && read_full_device(&*file, 0, &mut [0; 1]).is_ok_and(|read| read.is_none())
        {
            source = Source::Cache;
        }
        Ok(Self { file, source, file_bytes, start: 0, buffer: Vec::new(), unreadable: Vec::new() })
    }

    pub(crate) fn source(&self) -> Source {
        self.source
    }

    pub(crate) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Returns `length` bytes at `offset`; fewer only at the end of the file.
    pub(crate) fn bytes(&mut self, offset: u64, length: usize) -> io::Result<&[u8]> {
        let end = offset.saturating_add(length as u64).min(self.file_bytes);
        let offset = offset.min(end);
        if offset < self.start || end > self.start + self.buffer.len() as u64 {
            self.load(offset, end)?;
        }
        let from = (offset - self.start) as usize;
        Ok(&self.buffer[from..from + (end - offset) as usize])
    }

    fn load(&mut self, offset: u64, end: u64) -> io::Result<()> {
        self.start = offset - offset % BLOCK as u64;
        let wanted = ((end - self.start) as usize).max(STEP).min((self.file_bytes - self.start) as usize);
        self.buffer.clear();
        self.buffer.resize(wanted, 0);
        for at in (0..wanted).step_by(STEP) {
            self.load_range(at..(at + STEP).min(wanted), STEP)?;
        }
        Ok(())
    }

    fn load_range(&mut self, range: Range<usize>, step: usize) -> io::Result<()> {
        let place = self.start + range.start as u64;
        let part = &mut self.buffer[range.clone()];
        let read = match self.source {
            Source::Cache => read_full(&*self.file, place, part),
            Source::Device => match read_full_device(&*self.file, place, part) {
                Ok(Some(count)) => Ok(count),
                Ok(None) => read_full(&*self.file, place, part),
                Err(error) => Err(error),
            },
        };
        match read {
            Ok(count) => {
                // A file that shrinks while it is read ends in zeros here, which no checksum takes for a frame.
                part[count..].fill(0);
                Ok(())
            }
            Err(error) if is_unreadable(&error) && step > BLOCK => {
                for at in range.clone().step_by(BLOCK) {
                    self.load_range(at..(at + BLOCK).min(range.end), BLOCK)?;
                }
                Ok(())
            }
            Err(error) if is_unreadable(&error) => {
                part.fill(0);
                self.note_unreadable(place..place + range.len() as u64);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn note_unreadable(&mut self, range: Range<u64>) {
        if self.unreadable.iter().any(|known| known.start <= range.start && range.end <= known.end) {
            return;
        }
        let full = self.unreadable.len() == UNREADABLE_MAX;
        match self.unreadable.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            Some(last) if full => last.end = last.end.max(range.end),
            _ => self.unreadable.push(range),
        }
    }

    /// Says whether the device refused any byte of a range that was looked at.
    pub(crate) fn was_unreadable(&self, range: Range<u64>) -> bool {
        self.unreadable.iter().any(|known| known.start < range.end && range.start < known.end)
    }
}
