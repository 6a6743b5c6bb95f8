//! One output of the program: the first bytes go to a file, the rest is counted, and reading never stops.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::delivery::exec::spec::private_file;
use crate::delivery::exec::state::Kept;

/// Of what is dropped, the end is kept for people to read.
const TAIL_BYTES_MAX: usize = 8 << 10;
const BUFFER_BYTES: usize = 64 << 10;
/// Buffers read before others get their turn.
const BUFFERS_PER_TURN: usize = 16;

/// Reads one output to its end.
pub(super) struct Capture {
    /// `None` once the output has ended.
    pipe: Option<File>,
    file: File,
    tail_path: PathBuf,
    cap: u64,
    count: Kept,
    tail: Vec<u8>,
    buffer: Box<[u8]>,
}

impl Capture {
    pub(super) fn new(pipe: impl Into<OwnedFd>, folder: &Path, name: &str, cap: u64) -> io::Result<Self> {
        let pipe = pipe.into();
        // The flag belongs to our end of the pipe; the program's end stays as programs expect it.
        fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
        Ok(Self {
            pipe: Some(File::from(pipe)),
            file: private_file(&folder.join(name))?,
            tail_path: folder.join(format!("{name}.tail")),
            cap,
            count: Kept::default(),
            tail: Vec::new(),
            buffer: vec![0; BUFFER_BYTES].into_boxed_slice(),
        })
    }

    /// The descriptor to wait for, until the output has ended.
    pub(super) fn waits_for(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Takes what is there, up to a mebibyte.
    pub(super) fn take(&mut self) {
        for _ in 0..BUFFERS_PER_TURN {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(&mut self.buffer) {
                Ok(0) => self.pipe = None,
                Ok(read) => self.keep(read),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.pipe = None,
            }
        }
    }

    fn keep(&mut self, read: usize) {
        let room = usize::try_from(self.cap - self.count.kept).unwrap_or(usize::MAX);
        let (kept, dropped) = self.buffer[..read].split_at(room.min(read));
        if let Err(error) = self.file.write_all(kept) {
            // A full disk must not stop the program; what is missing counts as dropped, and nothing more is tried.
            eprintln!("output can not be kept any more: {error}");
            let written = self.file.metadata().map_or(self.count.kept, |file| file.len());
            self.count.dropped += (self.count.kept + read as u64).saturating_sub(written);
            self.count.kept = written;
            self.cap = written;
            return;
        }
        self.count.kept += kept.len() as u64;
        self.count.dropped += dropped.len() as u64;
        self.tail.extend_from_slice(&dropped[dropped.len().saturating_sub(TAIL_BYTES_MAX)..]);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL_BYTES_MAX));
    }

    /// Makes durable what was kept.
    pub(super) fn finish(self) -> io::Result<Kept> {
        self.file.sync_all()?;
        if !self.tail.is_empty() {
            let mut tail = private_file(&self.tail_path)?;
            tail.write_all(&self.tail)?;
            tail.sync_all()?;
        }
        Ok(self.count)
    }
}
