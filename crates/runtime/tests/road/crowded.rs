//! A disk of this machine that takes nothing more while it is told not to: no file, and no byte beyond the end of one.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cantus_engine::local::{Access, Disk, DiskFile, Locked, RealDisk};

#[derive(Debug, Default)]
pub(crate) struct Crowded {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    is_full: AtomicBool,
    refused: AtomicUsize,
}

impl State {
    fn check(&self) -> io::Result<()> {
        if !self.is_full.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::SeqCst);
        Err(io::ErrorKind::StorageFull.into())
    }
}

impl Crowded {
    /// Nothing more fits, as if somebody else had taken all there was.
    pub(crate) fn fill(&self) {
        self.state.is_full.store(true, Ordering::SeqCst);
    }

    /// There is room again.
    pub(crate) fn free(&self) {
        self.state.is_full.store(false, Ordering::SeqCst);
    }

    /// How often something did not fit.
    pub(crate) fn refused(&self) -> usize {
        self.state.refused.load(Ordering::SeqCst)
    }

    fn file(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(CrowdedFile { file, state: self.state.clone() })
    }
}

impl Disk for Crowded {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.state.check()?;
        Ok(self.file(RealDisk.create(path)?))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(RealDisk.open(path, access)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.link(from, to)
    }

    fn is_linked(&self, path: &Path) -> io::Result<bool> {
        RealDisk.is_linked(path)
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

    /// A look never finds it out: only whoever needs room does.
    fn free_bytes(&self, _dir: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn lock(&self, path: &Path) -> io::Result<Locked> {
        RealDisk.lock(path)
    }
}

#[derive(Debug)]
struct CrowdedFile {
    file: Arc<dyn DiskFile>,
    state: Arc<State>,
}

impl CrowdedFile {
    /// A write that makes the file longer needs room.
    fn check(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match offset + bytes.len() as u64 > self.file.len()? {
            true => self.state.check(),
            false => Ok(()),
        }
    }
}

impl DiskFile for CrowdedFile {
    fn pread(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.pread(offset, buffer)
    }

    fn pread_device(&self, offset: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.file.pread_device(offset, buffer)
    }

    fn pwrite(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.check(offset, bytes)?;
        self.file.pwrite(offset, bytes)
    }

    fn pwrite_device(&self, offset: u64, bytes: &[u8]) -> io::Result<Option<usize>> {
        self.check(offset, bytes)?;
        self.file.pwrite_device(offset, bytes)
    }

    fn end_device_access(&self) {
        self.file.end_device_access();
    }

    fn fdatasync(&self) -> io::Result<()> {
        self.file.fdatasync()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }
}
