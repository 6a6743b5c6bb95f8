//! Writing a sealed segment anew without what may go, then putting it in its place.
//!
//! The new file is complete and verified before it takes the name of the old one, in one rename; so after a crash there is
//! one or the other. Frames keep their hashes and so the chain across the log still proves them; what stood between is told
//! by bridges.

use std::sync::Arc;

use bytes::Bytes;

use super::output::{Bridge, Output};
use super::{Fault, Housekeeper, Sealed};
use crate::local::damage::{Cause, Damage, Lost};
use crate::local::error::{DiskError, Doing};
use crate::local::frame::{Frame, FrameBuilder, FrameHeader, HEADER_BYTES, Layout};
use crate::local::index::{self, Identity, Index};
use crate::local::recovery::ground_of;
use crate::local::removed::Run;
use crate::local::scan::{self, Met, scan};
use crate::local::segment::{HEADER_BLOCK, Segment, SegmentHeader, name};
use crate::local::window::{Source, Window};

/// What becomes of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sifted {
    /// It stays as it is.
    Same,
    /// What is left of it is in the builder.
    Changed,
    /// No record of it is left.
    Gone(Option<Run>),
    /// The rewrite is to end, and nothing is changed.
    Stop,
}

/// What a rewrite has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether there is a new file.
    pub changed: bool,
    /// Up to where the segment was written before, in bytes.
    pub bytes_before: u64,
    /// And now.
    pub bytes_after: u64,
    /// Nothing was left, and it is gone.
    pub dropped: bool,
}

/// Why a segment was not written anew. It is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RewriteError {
    /// No sealed segment begins there.
    #[error("no sealed segment begins at position {position}")]
    NoSegment {
        /// The position.
        position: u64,
    },
    /// The one who sifts has stopped it.
    #[error("the rewrite was stopped")]
    Stopped,
    /// A part of the segment can not be read.
    #[error("{0}")]
    Damaged(Damage),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl From<Fault> for RewriteError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damaged(damage) => Self::Damaged(damage),
            Fault::Disk(error) => Self::Disk(error),
        }
    }
}

/// Sifts a frame: leaves what stays in the builder, which was begun for it.
pub(crate) type Sift<'a> = dyn FnMut(&Frame, &mut FrameBuilder) -> Sifted + 'a;

impl Housekeeper {
    /// Writes the sealed segment that begins at a position anew, as `sift` says of each frame. If it is the oldest and
    /// nothing is left of it, it is dropped, and its file used again unless something in it was erased.
    ///
    /// # Errors
    /// Everything is as it was before, and the log goes on.
    pub fn rewrite(&self, first_position: u64, sift: &mut Sift<'_>) -> Result<Outcome, RewriteError> {
        let _alone = self.alone();
        let no_segment = RewriteError::NoSegment { position: first_position };
        let sealed = self.sealed(first_position).ok_or(no_segment)?;
        let segment = &sealed.segment;
        let Some(header) = segment.header else {
            let lost = Lost::NOTHING;
            let file = segment.path.clone();
            let damage = Damage { file, offset: 0, end_offset: HEADER_BLOCK, lost, cause: Cause::Header };
            return Err(RewriteError::Damaged(damage));
        };
        let bytes_before = segment.index().totals().end_offset;
        let unchanged = Outcome { bytes_before, bytes_after: bytes_before, ..Outcome::default() };
        let mut pass = Pass {
            keeper: self,
            segment,
            header: SegmentHeader { revision: header.revision + 1, flags: 0, ..header },
            sift,
            left: FrameBuilder::new(),
            output: None,
            bridge: None,
            chain: header.previous_chain,
            same_until: HEADER_BLOCK,
            any_left: false,
            failed: None,
        };
        let read = self.walk(&sealed, &mut |met| pass.meet(met));
        let Pass { output, bridge, any_left, failed, .. } = pass;
        let failed = failed.or(read.err().map(RewriteError::from));
        let Some(mut output) = output else {
            return match (failed, any_left || !sealed.oldest) {
                (Some(error), _) => Err(error),
                (None, true) => Ok(unchanged),
                (None, false) => {
                    // It held nothing before either.
                    let run = self.run_of(segment)?;
                    self.drop_segments(std::slice::from_ref(segment), &sealed.next, run)?;
                    Ok(Outcome { changed: true, bytes_after: 0, dropped: true, ..unchanged })
                }
            };
        };
        if let Some(error) = failed {
            output.give_up(&*self.shared.disk);
            return Err(error);
        }
        if !any_left && sealed.oldest {
            output.give_up(&*self.shared.disk);
            let run = bridge.and_then(|bridge| bridge.run);
            self.drop_segments(std::slice::from_ref(segment), &sealed.next, run)?;
            return Ok(Outcome { changed: true, bytes_after: 0, dropped: true, ..unchanged });
        }
        let made = bridge.map_or(Ok(()), |bridge| output.bridge(&bridge)).and_then(|()| output.complete());
        if let Err(error) = made.map_err(RewriteError::from).and_then(|()| self.check(&output, &sealed)) {
            output.give_up(&*self.shared.disk);
            return Err(error);
        }
        let bytes_after = output.index.totals().end_offset;
        self.put_in_place(&sealed, output)?;
        Ok(Outcome { changed: true, bytes_after, ..unchanged })
    }

    /// Walks through a sealed segment; damage ends it.
    fn walk(&self, sealed: &Sealed, on_met: &mut dyn FnMut(Met<'_>)) -> Result<(), Fault> {
        let segment = &sealed.segment;
        let end = scan::Sealed { chain: sealed.next_chain, next_position: sealed.next.first_position };
        let ground = ground_of(segment, Some(end));
        let mut window = Window::new(segment.file.clone(), Source::Cache).doing("reading", &segment.path)?;
        let scanned = scan(&mut window, &ground, on_met).map_err(std::io::Error::other);
        match scanned.doing("reading", &segment.path)?.damage.into_iter().next() {
            Some(damage) => {
                self.shared.note(&damage);
                Err(Fault::Damaged(damage))
            }
            None => Ok(()),
        }
    }

    /// Reads the new file as the next start will.
    pub(super) fn check(&self, output: &Output, sealed: &Sealed) -> Result<(), RewriteError> {
        let segment = Segment::new(
            output.temporary.clone(),
            Some(output.header),
            output.header.first_position,
            output.header.seed(),
            output.file.clone(),
            Index::in_memory(index::MemoryIndex::new(output.index.totals())),
        );
        let again = Sealed {
            segment: Arc::new(segment),
            oldest: sealed.oldest,
            next: sealed.next.clone(),
            next_chain: sealed.next_chain,
        };
        let mut frames = 0;
        self.walk(&again, &mut |_| frames += 1)?;
        if frames == output.index.totals().frames {
            return Ok(());
        }
        let source = std::io::Error::other("it does not read back as it was written");
        Err(DiskError { action: "verifying", path: output.temporary.clone(), source }.into())
    }

    /// Gives the new file the old one's name, and readers the new file.
    pub(super) fn put_in_place(&self, sealed: &Sealed, output: Output) -> Result<(), DiskError> {
        let old = &sealed.segment;
        let Output { temporary, file, header, index, .. } = output;
        self.shared.disk.rename(&temporary, &old.path).doing("renaming", &temporary)?;
        let identity = Identity {
            log_id: self.shared.log_id,
            seed: header.seed(),
            first_position: header.first_position,
            next_chain: sealed.next_chain,
        };
        let memory = Index::in_memory(index);
        let seed = header.seed();
        let segment =
            Segment::new(old.path.clone(), Some(header), header.first_position, seed, file, memory.clone());
        // From here on the new file is the segment, whatever comes: the old one has lost its name.
        let segment = Arc::new(segment);
        self.shared.replace(old, &segment);
        self.shared.disk.sync_dir(&self.shared.dir).doing("syncing", &self.shared.dir)?;
        let path = name::index(&self.shared.dir, header.first_position);
        if let Index::Memory(memory) = memory {
            let memory = memory.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            match index::write(&*self.shared.disk, &path, &memory, identity) {
                Ok(file) => segment.set_index(Index::File(Arc::new(file))),
                Err(error) => {
                    tracing::warn!(error = %error, cause = ?error.source, "an index stays in memory until the next start");
                }
            }
        }
        Ok(())
    }

    /// What is told of the records a segment has lost already.
    pub(super) fn run_of(&self, segment: &Segment) -> Result<Option<Run>, Fault> {
        let mut joined: Option<Run> = None;
        let mut window = Window::new(segment.file.clone(), Source::Cache).doing("reading", &segment.path)?;
        let ground = ground_of(segment, None);
        let mut meet = |met: Met<'_>| {
            let Met::Frame(layout, bytes) = met else { return };
            for run in layout.runs(bytes) {
                match &mut joined {
                    Some(joined) => joined.join(&run),
                    None => joined = Some(run),
                }
            }
        };
        scan(&mut window, &ground, &mut meet)
            .map_err(std::io::Error::other)
            .doing("reading", &segment.path)?;
        Ok(joined)
    }
}

/// A walk through the old file that writes the new one, from the first change on.
struct Pass<'a, 's> {
    keeper: &'a Housekeeper,
    segment: &'a Segment,
    header: SegmentHeader,
    sift: &'a mut Sift<'s>,
    left: FrameBuilder,
    output: Option<Output>,
    bridge: Option<Bridge>,
    /// The chain behind the frames met.
    chain: u64,
    /// Up to here the old file stays as it is.
    same_until: u64,
    any_left: bool,
    failed: Option<RewriteError>,
}

impl Pass<'_, '_> {
    fn meet(&mut self, met: Met<'_>) {
        let Met::Frame(layout, bytes) = met else { return };
        if self.failed.is_none() && !layout.header.is_mark() {
            self.failed = self.frame(layout, bytes).err();
            self.chain = layout.header.chain;
        }
    }

    fn frame(&mut self, layout: &Layout, bytes: &[u8]) -> Result<(), RewriteError> {
        let header = layout.header;
        let sifted = if header.is_bridge() {
            match self.output {
                None => Sifted::Same,
                Some(_) => Sifted::Gone(layout.runs(bytes).next()),
            }
        } else {
            let frame = Frame::of(layout.clone(), Bytes::copy_from_slice(bytes));
            self.left.begin(header.first_position, header.log_time_ms);
            (self.sift)(&frame, &mut self.left)
        };
        self.any_left |= !header.is_bridge() && matches!(sifted, Sifted::Same | Sifted::Changed);
        match (sifted, &mut self.output) {
            (Sifted::Stop, _) => Err(RewriteError::Stopped),
            (Sifted::Same, None) => {
                self.same_until = u64::from(header.offset) + bytes.len() as u64;
                Ok(())
            }
            (sifted, None) => {
                self.begin_output()?;
                self.put(sifted, &header, bytes)
            }
            (sifted, Some(_)) => self.put(sifted, &header, bytes),
        }
    }

    fn put(&mut self, sifted: Sifted, header: &FrameHeader, bytes: &[u8]) -> Result<(), RewriteError> {
        if let Sifted::Gone(run) = sifted {
            let bridge = Bridge {
                first_position: header.first_position,
                last_position: header.last_position,
                log_time_ms: header.log_time_ms,
                chain_before: self.chain,
                chain_after: header.chain_after(),
                run,
            };
            match &mut self.bridge {
                Some(before) => before.join(bridge),
                None => self.bridge = Some(bridge),
            }
            return Ok(());
        }
        let output = self.output.as_mut().expect("it was begun with the first change");
        if let Some(bridge) = self.bridge.take() {
            output.bridge(&bridge)?;
        }
        match sifted {
            Sifted::Changed => output.changed(header, &mut self.left)?,
            _ => output.copy(header, bytes)?,
        }
        Ok(())
    }

    /// Begins the new file with all that comes before the first change. Bridges there may be joined by what comes.
    fn begin_output(&mut self) -> Result<(), RewriteError> {
        let shared = &self.keeper.shared;
        let output = Output::begin(&*shared.disk, &self.segment.path, self.header, shared.describe.clone())?;
        self.output = Some(output);
        let chain = std::mem::replace(&mut self.chain, self.header.previous_chain);
        let mut window = Window::new(self.segment.file.clone(), Source::Cache);
        let window = window.as_mut().map_err(|error| std::io::Error::other(error.to_string()));
        let window = window.doing("reading", &self.segment.path)?;
        let mut at = HEADER_BLOCK;
        while at < self.same_until {
            let room = self.same_until - at;
            let head = window.bytes(at, HEADER_BYTES).doing("reading", &self.segment.path)?;
            let changed_meanwhile = |_| std::io::Error::other("it has changed while it was read");
            let header = FrameHeader::read(head, room).map_err(changed_meanwhile);
            let header = header.doing("reading", &self.segment.path)?;
            let bytes =
                window.bytes(at, header.length as usize).doing("reading", &self.segment.path)?.to_vec();
            let layout = Layout::read(header, &bytes).map_err(changed_meanwhile);
            let layout = layout.doing("reading", &self.segment.path)?;
            if header.is_bridge() {
                self.put(Sifted::Gone(layout.runs(&bytes).next()), &header, &bytes)?;
            } else if !header.is_mark() {
                self.put(Sifted::Same, &header, &bytes)?;
            }
            self.chain = header.chain;
            at += u64::from(header.length);
        }
        self.chain = chain;
        Ok(())
    }
}
