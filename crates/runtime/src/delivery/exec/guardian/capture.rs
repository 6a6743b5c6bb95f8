//! One output of the program: the first bytes go to a file, the rest is counted, and reading never stops.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::delivery::exec::spec::{SpecFile, private_file};
use crate::delivery::exec::state::Kept;

/// Of what is dropped, the end is kept for people to read.
const TAIL_BYTES_MAX: usize = 8 << 10;
const BUFFER_BYTES: usize = 64 << 10;
/// Buffers read before others get their turn.
const BUFFERS_PER_TURN: usize = 16;

/// The files of one output.
pub(super) struct Keeper {
    file: File,
    tail_path: PathBuf,
    cap: u64,
    count: Kept,
    tail: Vec<u8>,
}

/// Reads one output to its end.
pub(super) struct Capture {
    /// `None` once the output has ended.
    pipe: Option<File>,
    keeper: Keeper,
    buffer: Box<[u8]>,
}

impl Capture {
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
                Ok(read) => self.keeper.keep(&self.buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.pipe = None,
            }
        }
    }

    /// Makes durable what was kept.
    pub(super) fn finish(self) -> io::Result<Kept> {
        self.keeper.finish()
    }
}

impl Keeper {
    pub(super) fn create(folder: &Path, name: &str, spec: &SpecFile) -> io::Result<Self> {
        Ok(Self {
            file: private_file(&folder.join(name))?,
            tail_path: folder.join(format!("{name}.tail")),
            cap: spec.output_cap,
            count: Kept::default(),
            tail: Vec::new(),
        })
    }

    /// Begins to read the program's end of the output.
    pub(super) fn listen(self, pipe: impl Into<OwnedFd>) -> io::Result<Capture> {
        let pipe = pipe.into();
        // The flag belongs to our end of the pipe; the program's end stays as programs expect it.
        fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Ok(Capture { pipe: Some(File::from(pipe)), keeper: self, buffer })
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = usize::try_from(self.cap - self.count.kept).unwrap_or(usize::MAX);
        let (kept, dropped) = bytes.split_at(room.min(bytes.len()));
        if let Err(error) = self.file.write_all(kept) {
            // A full disk must not stop the program; what is missing counts as dropped, and nothing more is tried.
            eprintln!("output can not be kept any more: {error}");
            let written = self.file.metadata().map_or(self.count.kept, |file| file.len());
            self.count.dropped += (self.count.kept + bytes.len() as u64).saturating_sub(written);
            self.count.kept = written;
            self.cap = written;
            return;
        }
        self.count.kept += kept.len() as u64;
        self.count.dropped += dropped.len() as u64;
        self.tail.extend_from_slice(&dropped[dropped.len().saturating_sub(TAIL_BYTES_MAX)..]);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL_BYTES_MAX));
    }

    fn finish(self) -> io::Result<Kept> {
        // An empty file that is lost reads as an empty output all the same.
        if self.count.kept > 0 {
            self.file.sync_all()?;
        }
        if !self.tail.is_empty() {
            let mut tail = private_file(&self.tail_path)?;
            tail.write_all(&self.tail)?;
            tail.sync_all()?;
        }
        Ok(self.count)
    }
}
