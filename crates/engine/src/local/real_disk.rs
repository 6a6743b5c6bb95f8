//! The disk of this machine. Reads, writes and syncs go through the C library, so that tests can put a shim in between.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::disk::{Access, Disk, DiskFile, Guard, Locked};

/// Reads and writes past the page cache need their place, length and memory aligned to the device's blocks; 4096 fits every
/// device in use.
const ALIGNMENT: usize = 4096;

/// So much of the memory of a read past the page cache is kept for the next one.
const SCRATCH_KEPT: usize = 2 * 1024 * 1024;

/// The directories of locks that are held, with handles of theirs: a log goes on when no more files can be opened.
static HELD: Mutex<Vec<(PathBuf, Arc<File>)>> = Mutex::new(Vec::new());

/// The file systems of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut made = Vec::new();
        let mut missing = Some(dir);
        while let Some(path) = missing.filter(|path| !path.as_os_str().is_empty() && !path.exists()) {
            made.push(path);
            missing = path.parent();
        }
        std::fs::create_dir_all(dir)?;
        for path in made {
            match path.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => self.sync_dir(parent)?,
                _ => self.sync_dir(Path::new("."))?,
            }
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        Ok(Arc::new(RealFile::new(file, Access::ReadWrite)))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(access == Access::ReadWrite).open(path)?;
        Ok(Arc::new(RealFile::new(file, access)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    fn is_linked(&self, path: &Path) -> io::Result<bool> {
        Ok(std::fs::symlink_metadata(path)?.nlink() > 1)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        let held = held.iter().find(|(path, _)| path == dir).map(|(_, handle)| handle.clone());
        match held {
            Some(handle) => handle.sync_all(),
            None => File::open(dir)?.sync_all(),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            if !entry.file_type()?.is_file() {
                continue;
            }
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn lock(&self, path: &Path) -> io::Result<Locked> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
                let dir = path.parent().unwrap_or(Path::new("."));
                let handle = Arc::new(File::open(dir)?);
                let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
                held.push((dir.to_owned(), handle.clone()));
                Ok(Locked::Held(Box::new(LockFile { _file: file, dir: handle })))
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let holder = (&mut file).take(32).read_to_string(&mut text).ok();
                Ok(Locked::Taken(holder.and_then(|_| text.trim().parse().ok())))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// The lock lives as long as this handle; the kernel releases it with the process.
#[derive(Debug)]
struct LockFile {
    _file: File,
    dir: Arc<File>,
}

impl Drop for LockFile {
    fn drop(&mut self) {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|(_, handle)| !Arc::ptr_eq(handle, &self.dir));
    }
}

impl Guard for LockFile {}

#[derive(Debug)]
struct RealFile {
    file: File,
    access: Access,
    device: RwLock<Device>,
    /// Set once the file system has refused a write past the page cache.
    refuses_writes: AtomicBool,
    aligned: Mutex<Vec<u8>>,
}

/// A second handle of a file, that reads and writes past the page cache. Most files never need it.
#[derive(Debug, Default)]
enum Device {
    #[default]
    NotAsked,
    Open(Arc<File>),
    /// There is none here.
    Refused,
}

impl RealFile {
    fn new(file: File, access: Access) -> Self {
        Self {
            file,
            access,
            device: RwLock::default(),
            refuses_writes: AtomicBool::new(false),
            aligned: Mutex::new(Vec::new()),
        }
    }

    fn device(&self) -> Option<Arc<File>> {
        match &*self.device.read().unwrap_or_else(PoisonError::into_inner) {
            Device::Open(device) => return Some(device.clone()),
            Device::Refused => return None,
            Device::NotAsked => {}
        }
        let mut device = self.device.write().unwrap_or_else(PoisonError::into_inner);
        match open_device(&self.file, self.access) {
            Ok(opened) => {
                let opened = Arc::new(opened);
                *device = Device::Open(opened.clone());
                Some(opened)
            }
            // With descriptors to spare it may go.
            Err(error) if has_no_descriptors(&error) => None,
            Err(_) => {
                *device = Device::Refused;
                None
            }
        }
    }
}

/// Opens a file once more by its descriptor: it may have another name than when it was opened.
fn open_device(file: &File, access: Access) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let writes = access == Access::ReadWrite;
    let direct = direct_flag().ok_or(io::ErrorKind::Unsupported)?;
    OpenOptions::new().read(true).write(writes).custom_flags(direct).open(path)
}

fn has_no_descriptors(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].iter().any(|it| number == Some(it.raw_os_error()))
}

#[cfg(target_os = "linux")]
fn direct_flag() -> Option<i32> {
    i32::try_from(rustix::fs::OFlags::DIRECT.bits()).ok()
}

#[cfg(not(target_os = "linux"))]
fn direct_flag() -> Option<i32> {
    None
}

impl DiskFile for RealFile {
    fn pread(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn pread_device(&self, offset: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(device) = self.device() else { return Ok(None) };
        let lead = (offset % ALIGNMENT as u64) as usize;
        let length = (lead + buffer.len()).next_multiple_of(ALIGNMENT);
        let mut scratch = self.aligned.lock().unwrap_or_else(PoisonError::into_inner);
        scratch.resize(length + ALIGNMENT, 0);
        let start = scratch.as_ptr().align_offset(ALIGNMENT);
        let Some(aligned) = scratch.get_mut(start..start + length) else { return Ok(None) };
        let read = match device.read_at(aligned, offset - lead as u64) {
            Ok(count) => {
                let there = count.saturating_sub(lead).min(buffer.len());
                buffer[..there].copy_from_slice(&aligned[lead..lead + there]);
                Ok(Some(there))
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            Err(error) => Err(error),
        };
        if scratch.len() > SCRATCH_KEPT {
            *scratch = Vec::new();
        }
        read
    }

    fn pwrite_device(&self, offset: u64, bytes: &[u8]) -> io::Result<Option<usize>> {
        let is_aligned = offset.is_multiple_of(ALIGNMENT as u64)
            && bytes.len().is_multiple_of(ALIGNMENT)
            && bytes.as_ptr().align_offset(ALIGNMENT) == 0;
        if !is_aligned || self.refuses_writes.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let Some(device) = self.device() else { return Ok(None) };
        match device.write_at(bytes, offset) {
            Ok(count) => Ok(Some(count)),
            // This file system wants it otherwise, or not at all.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.refuses_writes.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn end_device_access(&self) {
        let mut device = self.device.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(*device, Device::Open(_)) {
            *device = Device::NotAsked;
        }
    }

    fn pwrite(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn fdatasync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}
