//! Frames on their way into the file: gathered in memory in whole blocks, so that they can go past the page cache.
//!
//! Where memory is virtual the first touch of a page of cache costs microseconds, more than all that is done with the events in
//! it. So what is synced at once goes to the device directly; what must be with the operating system before it is synced goes
//! through the cache, and so does what follows it up to the sync.

use std::io;

use super::disk::{DiskFile, read_full, read_full_device, write_all, write_all_device};

/// What is written begins and ends at multiples of this many bytes: that fits every device in use.
const BLOCK: usize = 4096;
/// So much is gathered at most, unless a frame is larger.
const GATHERED_MAX: usize = 1024 * 1024;
/// What is not synced at once goes past the page cache all the same from so many bytes on.
const DEVICE_MIN: usize = 16 * 1024;

/// Where bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// A sync follows at once.
    Sync,
    /// Somebody acts on it before it is synced.
    Use,
}

/// The end of the segment being written, from the block on in which the next frame begins.
#[derive(Debug)]
pub(crate) struct Outgoing {
    buffer: Aligned,
    /// Where in the file the buffer begins: a multiple of a block.
    start: u64,
    /// How many bytes the file has of those in the buffer.
    written: usize,
    /// The page cache has bytes the device does not have yet.
    cached: bool,
}

impl Outgoing {
    /// Goes on at a place of a file. What its block has before that is written again with what follows: as the device has it,
    /// whatever the page cache shows.
    pub(crate) fn at(file: &dyn DiskFile, offset: u64) -> io::Result<Self> {
        let mut outgoing = Self::at_block(offset - offset % BLOCK as u64);
        let mut block = vec![0; (offset - outgoing.start) as usize];
        let count = match read_full_device(file, outgoing.start, &mut block)? {
            Some(count) => count,
            None => read_full(file, outgoing.start, &mut block)?,
        };
        if count < block.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        outgoing.buffer.push(&block);
        outgoing.written = block.len();
        Ok(outgoing)
    }

    /// Begins with a block of which nothing is used.
    pub(crate) fn at_block(start: u64) -> Self {
        Self { buffer: Aligned::default(), start, written: 0, cached: false }
    }

    /// Takes a frame behind the others. Says whether it is time to write.
    pub(crate) fn push(&mut self, frame: &[u8]) -> bool {
        self.buffer.push(frame);
        self.pending() >= GATHERED_MAX
    }

    /// How many bytes the file does not have yet.
    pub(crate) fn pending(&self) -> usize {
        self.buffer.len - self.written
    }

    /// Writes all there is into a file of which `prepared` bytes are, with zeros up to the end of the last block: half of what
    /// stood there, such as a mark, would look like a torn tail.
    pub(crate) fn write(&mut self, file: &dyn DiskFile, prepared: u64, before: Before) -> io::Result<()> {
        if self.pending() == 0 {
            return Ok(());
        }
        let from = self.written / BLOCK * BLOCK;
        let prepared = usize::try_from(prepared.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let end = self.buffer.len.next_multiple_of(BLOCK).min(prepared);
        let (at, pending) = (self.start + from as u64, self.pending());
        let bytes = self.buffer.padded(from..end);
        // A page that waits in the cache would be written first, and then once more.
        let past_cache = !self.cached && (before == Before::Sync || pending >= DEVICE_MIN);
        match past_cache {
            true => write_all_device(file, at, bytes)?,
            false => write_all(file, at, bytes)?,
        }
        self.cached |= !past_cache;
        let kept = self.buffer.len / BLOCK * BLOCK;
        self.buffer.drop_front(kept);
        self.start += kept as u64;
        self.written = self.buffer.len;
        Ok(())
    }

    /// All that was written is on the device.
    pub(crate) fn synced(&mut self) {
        self.cached = false;
    }
}

/// Bytes that begin at a multiple of a block in memory, as writes past the page cache need it.
#[derive(Debug, Default)]
struct Aligned {
    bytes: Vec<u8>,
    /// Where in `bytes` they begin.
    lead: usize,
    len: usize,
}

impl Aligned {
    fn push(&mut self, more: &[u8]) {
        let len = self.len + more.len();
        // Room for the rest of the last block as well.
        self.reserve(len.next_multiple_of(BLOCK));
        self.bytes[self.lead + self.len..self.lead + len].copy_from_slice(more);
        self.len = len;
    }

    fn reserve(&mut self, len: usize) {
        if self.lead + len <= self.bytes.len() {
            return;
        }
        let mut bytes = vec![0; len.next_power_of_two() + BLOCK];
        // Where that can not be told, writes go through the page cache.
        let lead = match bytes.as_ptr().align_offset(BLOCK) {
            lead if lead < BLOCK => lead,
            _ => 0,
        };
        bytes[lead..lead + self.len].copy_from_slice(&self.bytes[self.lead..self.lead + self.len]);
        (self.bytes, self.lead) = (bytes, lead);
    }

    /// A range of the bytes; behind the last one there are zeros.
    fn padded(&mut self, range: std::ops::Range<usize>) -> &[u8] {
        let (from, len) = (self.lead, self.len);
        if range.end > len {
            self.bytes[from + len..from + range.end].fill(0);
        }
        &self.bytes[from + range.start..from + range.end]
    }

    fn drop_front(&mut self, count: usize) {
        self.bytes.copy_within(self.lead + count..self.lead + self.len, self.lead);
        self.len -= count;
        // A large frame does not keep its memory for good.
        if self.bytes.len() > 4 * GATHERED_MAX {
            let rest = self.bytes[self.lead..self.lead + self.len].to_vec();
            *self = Self::default();
            self.push(&rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::local::RealDisk;
    use crate::local::disk::Disk;
    use crate::local::model_disk::ModelDisk;

    #[test]
    fn on_a_real_disk_what_goes_past_the_page_cache_is_what_readers_see() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment");
        let file = RealDisk.create(&path).unwrap();
        let prepared = 3 * 1024 * 1024;
        crate::local::prepare::write_zeros(&*file, 0, prepared).unwrap();
        let renamed = folder.path().join("renamed");
        std::fs::rename(&path, &renamed).unwrap();
        let mut outgoing = Outgoing::at_block(BLOCK as u64);
        let mut expected = vec![0; BLOCK];
        for round in 0..60_usize {
            let frame = vec![round as u8 + 1; 1 + round * 577 % 70_000];
            let is_much = outgoing.push(&frame);
            expected.extend(&frame);
            if is_much || round % 3 == 0 {
                let before = if round % 2 == 0 { Before::Sync } else { Before::Use };
                outgoing.write(&*file, prepared, before).unwrap();
                if before == Before::Sync {
                    file.fdatasync().unwrap();
                    outgoing.synced();
                }
                if round % 9 == 0 {
                    file.end_device_access();
                }
                let mut seen = vec![0; expected.len()];
                assert_eq!(read_full(&*file, 0, &mut seen).unwrap(), expected.len());
                assert!(seen == expected, "round {round}");
            }
        }
        outgoing.write(&*file, prepared, Before::Sync).unwrap();
        file.fdatasync().unwrap();
        let mut seen = vec![0; expected.len()];
        let device = read_full_device(&*file, 0, &mut seen).unwrap();
        assert!(device.is_none() || seen == expected, "the device has it too");
        assert!(std::fs::read(&renamed).unwrap()[..expected.len()] == expected);
        assert_eq!(file.len().unwrap(), prepared);
    }

    fn file(disk: &ModelDisk, bytes: usize) -> Arc<dyn DiskFile> {
        let file = disk.create(Path::new("/segment")).unwrap();
        write_all(&*file, 0, &vec![0xee; bytes]).unwrap();
        file
    }

    proptest! {
        #[test]
        fn the_file_has_what_was_pushed_and_nothing_of_what_stood_in_the_rest_of_the_block(
            from in 0usize..9_000,
            pushes in prop::collection::vec((0usize..20_000, any::<u8>(), 0u8..4), 1..20),
            short in 0usize..5_000,
        ) {
            let disk = ModelDisk::default();
            let total = pushes.iter().map(|push| push.0).sum::<usize>();
            let prepared = (from + total).next_multiple_of(BLOCK).saturating_sub(short).max(from + total);
            let file = file(&disk, prepared);
            let mut outgoing = Outgoing::at(&*file, from as u64).unwrap();
            let mut expected = vec![0xee; from];
            for (length, byte, then) in pushes {
                outgoing.push(&vec![byte; length]);
                expected.resize(expected.len() + length, byte);
                match then {
                    0 => outgoing.write(&*file, prepared as u64, Before::Use).unwrap(),
                    1 => {
                        outgoing.write(&*file, prepared as u64, Before::Sync).unwrap();
                        file.fdatasync().unwrap();
                        outgoing.synced();
                    }
                    _ => continue,
                }
                let there = disk.contents(Path::new("/segment")).unwrap();
                prop_assert_eq!(&there[..expected.len()], &expected[..]);
            }
            outgoing.write(&*file, prepared as u64, Before::Sync).unwrap();
            let there = disk.contents(Path::new("/segment")).unwrap();
            prop_assert_eq!(there.len(), prepared, "a file never grows by that");
            prop_assert_eq!(&there[..expected.len()], &expected[..]);
            let end = expected.len().next_multiple_of(BLOCK).min(prepared);
            if total > 0 {
                prop_assert!(there[expected.len()..end].iter().all(|byte| *byte == 0));
            }
        }
    }
}
