//! No room for another file, although bytes are free: a file system has only so many.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::given::{append_numbered, describe, open, read_all, write};
use crate::local::disk::{Access, Disk, DiskFile, Locked};
use crate::local::model_disk::{Faults, ModelDisk};
use crate::local::{AppendError, FrameBuilder, Log, Options, RealDisk};

/// The disk of this machine, which takes no new file while it is told not to.
#[derive(Debug, Default)]
struct Crowded {
    is_full: AtomicBool,
    /// No more files can be opened.
    is_closed: AtomicBool,
}

impl Disk for Crowded {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        RealDisk.create(path)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir(dir)
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(rustix::io::Errno::MFILE.into());
        }
        RealDisk.open(path, access)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        RealDisk.unlink(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }

    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.link(from, to)
    }

    fn is_linked(&self, path: &Path) -> io::Result<bool> {
        RealDisk.is_linked(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Locked> {
        RealDisk.lock(path)
    }
}

#[test]
fn a_segment_that_can_not_be_made_makes_space_low_before_the_last_one_ends_and_until_one_can() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Crowded::default());
    let options = Options {
        segment_bytes_first: 1 << 20,
        segment_bytes_max: 1 << 20,
        reserve_bytes: 0,
        disk: disk.clone(),
        ..Options::default()
    };
    let (mut log, _) = Log::open(dir.path(), options, Arc::new(describe)).unwrap();
    disk.is_full.store(true, Ordering::Relaxed);
    // The next segment is asked for, and can not be made; what the rest of this one is for is still taken.
    while !log.space().is_low() {
        write_from_the_reserve(&mut log);
    }
    write_from_the_reserve(&mut log);
    disk.is_full.store(false, Ordering::Relaxed);
    // Nobody writes meanwhile, and it is tried again all the same.
    while log.space().is_low() {
        std::thread::yield_now();
    }
    append_numbered(&mut log, 1000, 2000);
}

#[test]
fn a_start_without_room_for_the_next_segment_finds_that_out_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Crowded::default());
    let options = Options {
        segment_bytes_first: 1 << 20,
        segment_bytes_max: 1 << 20,
        reserve_bytes: 0,
        disk: disk.clone(),
        ..Options::default()
    };
    let (mut log, _) = Log::open(dir.path(), options.clone(), Arc::new(describe)).unwrap();
    disk.is_full.store(true, Ordering::Relaxed);
    while !log.space().is_low() {
        write_from_the_reserve(&mut log);
    }
    drop(log);
    let (mut log, _) = Log::open(dir.path(), options, Arc::new(describe)).unwrap();
    while !log.space().is_low() {
        std::thread::yield_now();
    }
    let room = log.sure_bytes();
    log.secure(room).expect("what is prepared is sure");
    assert!(log.secure(room + 1).is_err(), "the rest is kept for what may not be refused");
    disk.is_full.store(false, Ordering::Relaxed);
    log.secure(10 << 20).expect("a segment is made as large as it is asked for");
    append_numbered(&mut log, 40, 60_000);
}

#[test]
fn a_segment_that_is_too_large_to_be_made_leaves_the_one_that_is_there() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    log.secure(log.sure_bytes() + 1).unwrap();
    let room = log.sure_bytes();
    disk.set_faults(Faults { bytes_max: Some(disk.used_bytes() + 10_000), ..Faults::default() });
    assert!(log.secure(1 << 20).is_err());
    assert_eq!(log.sure_bytes(), room);
    assert!(!log.space().is_low(), "most fits all the same");
    append_numbered(&mut log, 20, 1_000);
}

#[test]
fn a_next_segment_that_can_not_be_opened_is_used_as_soon_as_it_can() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Crowded::default());
    let options = Options {
        segment_bytes_first: 1 << 16,
        segment_bytes_max: 1 << 16,
        reserve_bytes: 0,
        background: false,
        disk: disk.clone(),
        ..Options::default()
    };
    let (mut log, _) = Log::open(dir.path(), options.clone(), Arc::new(describe)).unwrap();
    log.secure(log.sure_bytes() + 1).unwrap();
    disk.is_closed.store(true, Ordering::Relaxed);
    let mut taken = 0;
    let refused = loop {
        match write(&mut log, &[&[7; 2000]]) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AppendError::NoSegment(_)), "{refused}");
    disk.is_closed.store(false, Ordering::Relaxed);
    append_numbered(&mut log, 1, 2000);
    assert_eq!(read_all(&log.reader()).len(), taken + 1);
}

fn write_from_the_reserve(log: &mut Log) {
    let mut frame = FrameBuilder::new();
    frame.begin(log.next_position(), log.log_time_ms());
    frame.use_reserve();
    frame.record(log.next_position(), 0, true, &[7; 200]).unwrap();
    log.write(&mut frame).unwrap();
    log.sync().unwrap();
}
