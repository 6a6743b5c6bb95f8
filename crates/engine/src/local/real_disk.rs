//! The disk of this machine. Reads, writes and syncs go through the C library, so that tests can put a shim in between.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::disk::{Access, Disk, DiskFile, Guard, Locked};

/// Direct reads need their place, length and memory aligned to the device's blocks; 4096 fits every device in use.
const ALIGNMENT: usize = 4096;

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
        Ok(Arc::new(RealFile::new(file, path)))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(access == Access::ReadWrite).open(path)?;
        Ok(Arc::new(RealFile::new(file, path)))
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
    path: PathBuf,
    device: OnceLock<Option<File>>,
    aligned: Mutex<Vec<u8>>,
}

impl RealFile {
    fn new(file: File, path: &Path) -> Self {
        Self { file, path: path.to_owned(), device: OnceLock::new(), aligned: Mutex::new(Vec::new()) }
    }

    /// A second handle that reads past the page cache. It is opened by name, so it is asked for before any rename.
    fn device(&self) -> Option<&File> {
        let open = || OpenOptions::new().read(true).custom_flags(direct_flag()?).open(&self.path).ok();
        self.device.get_or_init(open).as_ref()
    }
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
        match device.read_at(aligned, offset - lead as u64) {
            Ok(count) => {
                let there = count.saturating_sub(lead).min(buffer.len());
                buffer[..there].copy_from_slice(&aligned[lead..lead + there]);
                Ok(Some(there))
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
            Err(error) => Err(error),
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
