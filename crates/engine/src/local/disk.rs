//! The few file operations the log stands on, as a trait, so that tests can put a disk underneath that loses power and fails to sync.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A directory tree of files. Paths are used as given; nothing is buffered by the implementation.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Creates a directory with its parents, durably. An existing one is fine.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Creates an empty file for reading and writing, emptying one that is there.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens an existing file.
    fn open(&self, path: &Path, access: Access) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file over whatever has the new name. Durable after [`Disk::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name, on the same file system.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Says whether a file has more than one name.
    fn is_linked(&self, path: &Path) -> io::Result<bool>;
    /// Removes a file. Durable after [`Disk::sync_dir`].
    fn unlink(&self, path: &Path) -> io::Result<()>;
    /// Makes the entries of a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Returns the names of the files in a directory, unordered.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Returns how many bytes an unprivileged process may still write to the file system of `dir`.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
    /// Takes the exclusive lock that the file at `path` stands for and writes this process's id into it, or says who has it.
    fn lock(&self, path: &Path) -> io::Result<Locked>;
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// The answer to [`Disk::lock`].
#[derive(Debug)]
pub enum Locked {
    /// The lock is held until the guard is dropped.
    Held(Box<dyn Guard>),
    /// Another process has it, with this id where it could be read.
    Taken(Option<u32>),
}

/// Something whose drop releases a lock.
pub trait Guard: Debug + Send + Sync {}

/// An open file. Reads and writes take their place as an argument, so one handle serves many threads.
#[expect(clippy::len_without_is_empty, reason = "nobody asks whether a file is empty")]
pub trait DiskFile: Debug + Send + Sync {
    /// Reads at most `buffer.len()` bytes at `offset`; 0 means the end of the file.
    fn pread(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Reads what the device holds, past the page cache; `None` where the file system cannot.
    ///
    /// After a failed sync the page cache may show bytes the device has lost (promise R2).
    fn pread_device(&self, offset: u64, buffer: &mut [u8]) -> io::Result<Option<usize>>;
    /// Writes at most `bytes.len()` bytes at `offset` and returns how many.
    fn pwrite(&self, offset: u64, bytes: &[u8]) -> io::Result<usize>;
    /// Writes past the page cache; `None` where that can not be done with these bytes at this
    /// place: then nothing was written. Durable after [`DiskFile::fdatasync`], as all bytes written.
    fn pwrite_device(&self, offset: u64, bytes: &[u8]) -> io::Result<Option<usize>>;
    /// Says that nothing is read or written past the page cache for now: what that takes may be let go of.
    fn end_device_access(&self) {}
    /// Makes every byte written so far, and the length of the file, durable.
    fn fdatasync(&self) -> io::Result<()>;
    /// Returns the length of the file in bytes.
    fn len(&self) -> io::Result<u64>;
}

/// Reads until `buffer` is full or the file ends; returns how many bytes there were.
pub(crate) fn read_full(file: &dyn DiskFile, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.pread(offset + done as u64, &mut buffer[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// As [`read_full`], from the device; `None` where the file system cannot.
pub(crate) fn read_full_device(
    file: &dyn DiskFile,
    offset: u64,
    buffer: &mut [u8],
) -> io::Result<Option<usize>> {
    let mut done = 0;
    while done < buffer.len() {
        match file.pread_device(offset + done as u64, &mut buffer[done..]) {
            Ok(None) => return Ok(None),
            Ok(Some(0)) => break,
            Ok(Some(count)) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Some(done))
}

/// Writes all of `bytes` at `offset`, going on after interruptions and short writes.
pub(crate) fn write_all(file: &dyn DiskFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match file.pwrite(offset + written as u64, &bytes[written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// As [`write_all`], past the page cache as far as that can be done.
pub(crate) fn write_all_device(file: &dyn DiskFile, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        match file.pwrite_device(offset + written as u64, &bytes[written..]) {
            Ok(None) => return write_all(file, offset + written as u64, &bytes[written..]),
            Ok(Some(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(Some(count)) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Says whether an error means that the disk, or this user's part of it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Says whether an error means that the device could not read its own bytes.
pub(crate) fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Reads and writes at most three bytes at a time, and is interrupted before each.
    #[derive(Debug, Default)]
    struct Reluctant {
        bytes: Mutex<Vec<u8>>,
        interrupted: Mutex<bool>,
    }

    impl Reluctant {
        fn pause(&self) -> io::Result<()> {
            let mut interrupted = self.interrupted.lock().unwrap();
            *interrupted = !*interrupted;
            if *interrupted { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
        }
    }

    impl DiskFile for Reluctant {
        fn pread(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
            self.pause()?;
            let bytes = self.bytes.lock().unwrap();
            let rest = &bytes[(offset as usize).min(bytes.len())..];
            let count = rest.len().min(buffer.len()).min(3);
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        }

        fn pread_device(&self, offset: u64, buffer: &mut [u8]) -> io::Result<Option<usize>> {
            self.pread(offset, buffer).map(Some)
        }

        fn pwrite(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
            self.pause()?;
            let mut all = self.bytes.lock().unwrap();
            let part = &bytes[..bytes.len().min(3)];
            let end = offset as usize + part.len();
            if all.len() < end {
                all.resize(end, 0);
            }
            all[offset as usize..end].copy_from_slice(part);
            Ok(part.len())
        }

        fn pwrite_device(&self, offset: u64, bytes: &[u8]) -> io::Result<Option<usize>> {
            match bytes.len() {
                0..8 => Ok(None),
                _ => self.pwrite(offset, bytes).map(Some),
            }
        }

        fn fdatasync(&self) -> io::Result<()> {
            Ok(())
        }

        fn len(&self) -> io::Result<u64> {
            Ok(self.bytes.lock().unwrap().len() as u64)
        }
    }

    #[test]
    fn short_and_interrupted_reads_and_writes_go_on() {
        let file = Reluctant::default();
        write_all(&file, 2, b"all of these bytes").unwrap();
        let mut buffer = [0; 32];
        assert_eq!(read_full(&file, 0, &mut buffer).unwrap(), 20);
        assert_eq!(&buffer[..20], b"\0\0all of these bytes");
        assert_eq!(read_full_device(&file, 6, &mut buffer[..4]).unwrap(), Some(4));
        assert_eq!(&buffer[..4], b"of t");
        write_all_device(&file, 2, b"none of them is as before").unwrap();
        assert_eq!(read_full(&file, 0, &mut buffer).unwrap(), 27);
        assert_eq!(&buffer[..27], b"\0\0none of them is as before");
    }
}
