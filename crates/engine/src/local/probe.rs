//! Doors for tests that throw bytes at the decoders, past the checksums that would keep almost all of them out.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::checksum::Seed;
use super::disk::{Disk, write_all};
use super::frame::{Frame, HEADER_BYTES, MAGIC};
use super::index::{IndexFile, Key, seal};
use super::model_disk::{Faults, ModelDisk};

/// The segment all probes pretend to be of.
const SEED: u64 = 0x5eed;

/// Takes bytes in as a frame. With `sealed`, magic, length, place and checksum are made right first, so that what is
/// decoded is the content.
pub fn frame(bytes: &[u8], sealed: bool) -> Option<Frame> {
    let mut bytes = bytes.to_vec();
    let seed = Seed::from_value(SEED);
    if sealed {
        bytes.resize(bytes.len().max(HEADER_BYTES).next_multiple_of(super::frame::ALIGN), 0);
        bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
        let length = u32::try_from(bytes.len()).ok()?;
        bytes[4..8].copy_from_slice(&length.to_le_bytes());
        bytes[12..14].copy_from_slice(&1u16.to_le_bytes());
        bytes[20..24].copy_from_slice(&0u32.to_le_bytes());
        bytes[24..32].copy_from_slice(&SEED.to_le_bytes());
        let crc = seed.crc(&[&bytes[..8], &bytes[12..]]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    }
    Frame::verify(Bytes::from(bytes), seed, 0).ok()
}

/// Opens bytes as an index file and asks it everything that can be asked. With `sealed`, the checksums of all pages are
/// made right first. Returns how many answers came without a fault.
pub fn index_file(bytes: &[u8], sealed: bool) -> usize {
    let mut bytes = bytes.to_vec();
    if sealed {
        seal(&mut bytes, Seed::from_value(SEED));
    }
    let disk = ModelDisk::new(Faults::default());
    let path = Path::new("1.idx");
    let file: Arc<dyn super::disk::DiskFile> = match disk.create(path) {
        Ok(file) => file,
        Err(_) => return 0,
    };
    if write_all(&*file, 0, &bytes).is_err() {
        return 0;
    }
    let Ok(index) = IndexFile::open(&disk, path) else { return 0 };
    let mut answers = 1;
    answers += usize::from(index.find(1).is_ok());
    answers += usize::from(index.find(u64::MAX).is_ok());
    answers += usize::from(index.summaries(0..index.summary_count().min(4_096)).is_ok());
    answers += usize::from(index.gaps(path).is_ok());
    for key in [0, 1, u64::MAX, SEED] {
        answers += usize::from(index.lookup(Key(key), 0..u64::MAX, 100).is_ok());
        answers += usize::from(index.lookup_back(Key(key), 0..u64::MAX, 100).is_ok());
    }
    answers
}
