//! A segment being written anew, in a file that counts for nothing yet.

use std::path::PathBuf;
use std::sync::Arc;

use crate::local::describe::Describe;
use crate::local::disk::{Disk, DiskFile, write_all};
use crate::local::error::{DiskError, Doing};
use crate::local::frame::{FrameBuilder, FrameHeader, Layout, Place, restamp};
use crate::local::index::{MemoryIndex, Totals};
use crate::local::removed::Run;
use crate::local::segment::{HEADER_BLOCK, SegmentHeader, name};

/// How much is written between two syncs, so that a rewrite never holds up the log's own syncs for long.
const STEP: usize = 1024 * 1024;

/// Frames that went without a trace of their own: what takes their place in the chain.
#[derive(Debug)]
pub(super) struct Bridge {
    pub(super) first_position: u64,
    pub(super) last_position: u64,
    pub(super) log_time_ms: u64,
    pub(super) chain_before: u64,
    /// `None` if it is not known: what was there is damaged.
    pub(super) chain_after: Option<u64>,
    pub(super) run: Option<Run>,
}

impl Bridge {
    /// Takes in what stood behind it.
    pub(super) fn join(&mut self, next: Bridge) {
        self.last_position = next.last_position;
        self.log_time_ms = next.log_time_ms;
        self.chain_after = next.chain_after;
        match (&mut self.run, next.run) {
            (Some(run), Some(next)) => run.join(&next),
            (run, next) => *run = run.take().or(next),
        }
    }
}

/// The new file.
pub(super) struct Output {
    pub(super) temporary: PathBuf,
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) header: SegmentHeader,
    pub(super) index: MemoryIndex,
    describe: Arc<dyn Describe>,
    /// Where the next frame goes.
    offset: u64,
    buffer: Vec<u8>,
    frame: FrameBuilder,
}

impl Output {
    /// Begins a file for a segment; its name is that of the segment with a suffix.
    pub(super) fn begin(
        disk: &dyn Disk,
        path: &std::path::Path,
        header: SegmentHeader,
        describe: Arc<dyn Describe>,
    ) -> Result<Self, DiskError> {
        let temporary = name::temporary(path);
        let file = disk.create(&temporary).doing("creating", &temporary)?;
        let index = MemoryIndex::new(Totals {
            next_position: header.first_position,
            end_offset: HEADER_BLOCK,
            chain: header.previous_chain,
            log_time_ms: header.log_time_ms,
            frames: 0,
            records: 0,
        });
        Ok(Self {
            temporary,
            file,
            header,
            index,
            describe,
            offset: HEADER_BLOCK,
            buffer: Vec::with_capacity(STEP),
            frame: FrameBuilder::new(),
        })
    }

    fn place(&self) -> Place {
        Place { seed: self.header.seed(), offset: self.offset as u32 }
    }

    /// Takes over a frame as it is.
    pub(super) fn copy(&mut self, header: &FrameHeader, bytes: &[u8]) -> Result<(), DiskError> {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        let place = self.place();
        let header = restamp(header, &mut self.buffer[start..], place);
        self.added(header, start)
    }

    /// Writes what is left of a frame; its hashes stay those of the original.
    pub(super) fn changed(
        &mut self,
        original: &FrameHeader,
        left: &mut FrameBuilder,
    ) -> Result<(), DiskError> {
        let (header, bytes) = left.seal_again(self.place(), original);
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        self.added(header, start)
    }

    /// Writes what takes the place of frames that went.
    pub(super) fn bridge(&mut self, bridge: &Bridge) -> Result<(), DiskError> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.begin(bridge.first_position, bridge.log_time_ms);
        if let Some(run) = &bridge.run {
            frame.removed(run);
        }
        let (header, bytes) =
            frame.seal_bridge(self.place(), bridge.last_position, bridge.chain_before, bridge.chain_after);
        let start = self.buffer.len();
        self.buffer.extend_from_slice(bytes);
        self.frame = frame;
        self.added(header, start)
    }

    fn added(&mut self, header: FrameHeader, start: usize) -> Result<(), DiskError> {
        let bytes = &self.buffer[start..];
        let layout = Layout::read(header, bytes).expect("the builder writes what the decoder reads");
        self.index.add_frame(&layout, bytes, &*self.describe);
        self.offset += bytes.len() as u64;
        if self.buffer.len() >= STEP { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        let at = self.offset - self.buffer.len() as u64;
        write_all(&*self.file, at, &self.buffer).doing("writing", &self.temporary)?;
        self.file.fdatasync().doing("syncing", &self.temporary)?;
        self.buffer.clear();
        Ok(())
    }

    /// Makes the file whole and durable, under its temporary name.
    pub(super) fn complete(&mut self) -> Result<(), DiskError> {
        let end = self.offset.next_multiple_of(HEADER_BLOCK).max(2 * HEADER_BLOCK);
        self.buffer.resize(self.buffer.len() + (end - self.offset) as usize, 0);
        self.offset = end;
        self.flush()?;
        self.header.prepared_bytes = end;
        write_all(&*self.file, 0, &self.header.to_block()).doing("writing", &self.temporary)?;
        self.file.fdatasync().doing("syncing", &self.temporary)
    }

    /// Removes what was written.
    pub(super) fn give_up(self, disk: &dyn Disk) {
        // On a full disk the half-made file would hold the very space that is missing. The next start removes it else.
        let _ = disk.unlink(&self.temporary);
    }
}
