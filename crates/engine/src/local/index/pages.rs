//! Index files are made of pages that carry their own checksum, so that a lookup verifies what it reads and nothing else.

use std::io;
use std::sync::Arc;

use crate::local::checksum::Seed;
use crate::local::disk::{DiskFile, read_full, write_all};

use super::IndexFault;

pub(crate) const PAGE: usize = 4096;
/// What a page holds besides its checksum.
pub(crate) const CONTENT: usize = PAGE - 4;
/// How much is written between two syncs, so that a large index never holds up the log's own syncs for long.
const STEP: usize = 1024 * 1024;

/// Reads page `number` and verifies it.
pub(crate) fn read(file: &dyn DiskFile, seed: Seed, number: u64) -> Result<Box<[u8; PAGE]>, IndexFault> {
    let mut page = Box::new([0; PAGE]);
    let count = read_full(file, number * PAGE as u64, &mut page[..]).map_err(IndexFault::Disk)?;
    let (content, crc) = page.split_at(CONTENT);
    if count < PAGE || crc != checksum(seed, number, content) {
        return Err(IndexFault::Damaged);
    }
    Ok(page)
}

/// The page's number is part of its checksum: a page at the wrong place is a damaged one.
fn checksum(seed: Seed, number: u64, content: &[u8]) -> [u8; 4] {
    seed.crc(&[&number.to_le_bytes(), content]).to_le_bytes()
}

/// Makes the checksums of an index file's pages right, and its magic, version and seed.
#[cfg(feature = "model-disk")]
pub(crate) fn seal(bytes: &mut [u8], seed: Seed) {
    for (number, page) in bytes.chunks_exact_mut(PAGE).enumerate() {
        let (content, crc) = page.split_at_mut(CONTENT);
        if number == 0 {
            content[..10].copy_from_slice(b"CANTUSIX\x01\x00");
            content[24..32].copy_from_slice(&seed.value().to_le_bytes());
            crc.copy_from_slice(&crate::local::checksum::crc_plain(content).to_le_bytes());
        } else {
            crc.copy_from_slice(&checksum(seed, number as u64, content));
        }
    }
}

/// Writes pages one after the other, from page 1 on; page 0 is the header's and comes last.
#[derive(Debug)]
pub(crate) struct Pages {
    file: Arc<dyn DiskFile>,
    seed: Seed,
    next: u64,
    buffer: Vec<u8>,
    /// Where the page being filled begins in the buffer.
    page_at: usize,
}

impl Pages {
    pub(crate) fn new(file: Arc<dyn DiskFile>, seed: Seed) -> Self {
        Self { file, seed, next: 1, buffer: Vec::with_capacity(STEP + PAGE), page_at: 0 }
    }

    /// Adds an item that is never split over two pages.
    pub(crate) fn item(&mut self, item: &[u8]) -> io::Result<()> {
        if self.buffer.len() - self.page_at + item.len() > CONTENT {
            self.end_page()?;
        }
        self.buffer.extend_from_slice(item);
        Ok(())
    }

    /// Ends the page being filled, if there is anything in it.
    pub(crate) fn end_page(&mut self) -> io::Result<()> {
        if self.buffer.len() == self.page_at {
            return Ok(());
        }
        self.buffer.resize(self.page_at + CONTENT, 0);
        let crc = checksum(self.seed, self.next, &self.buffer[self.page_at..]);
        self.buffer.extend_from_slice(&crc);
        self.page_at = self.buffer.len();
        self.next += 1;
        if self.buffer.len() >= STEP { self.flush() } else { Ok(()) }
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let offset = self.next * PAGE as u64 - self.page_at as u64;
        write_all(&*self.file, offset, &self.buffer[..self.page_at])?;
        self.file.fdatasync()?;
        self.buffer.clear();
        self.page_at = 0;
        Ok(())
    }
}
