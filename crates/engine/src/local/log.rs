//! The writer. There is one per directory; it writes frames, syncs them, and goes from segment to segment.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use super::describe::Describe;
use super::disk::{Disk, DiskFile, Guard, is_full, write_all};
use super::error::{AppendError, DiskError, Doing, OpenError};
use super::frame::{FrameBuilder, HEADER_BYTES, Layout, Seal};
use super::housekeeper::Housekeeper;
use super::index::{About, Identity, Index, MemoryIndex};
use super::keeper::Keeper;
use super::options::Options;
use super::outgoing::{Before, Outgoing};
use super::prepare;
use super::reader::Reader;
use super::recovery::{self, Recovered};
use super::segment::{FLAG_RECYCLED, HEADER_BLOCK, Segment, SegmentHeader};
use super::shared::Shared;

/// The local commit log of one directory: the single writer.
///
/// ```text
/// write → frame has its place → write_out → it outlives the process
///                             → sync → durable: answers and effects may leave, readers see it
/// ```
/// The first write or sync that fails stops the log for good ([`AppendError::Poisoned`]); the process should exit.
#[derive(Debug)]
pub struct Log {
    pub(crate) shared: Arc<Shared>,
    pub(crate) options: Options,
    pub(crate) keeper: Keeper,
    pub(crate) housekeeper: Housekeeper,
    pub(crate) active: Active,
    pub(crate) next_position: u64,
    pub(crate) log_time_ms: u64,
    pub(crate) chain: u64,
    /// Bytes were written and not synced.
    pub(crate) unsynced: bool,
    /// The newest durable frame is vouched for by no later one.
    pub(crate) unmarked: bool,
    pub(crate) mark_frame: FrameBuilder,
    /// What the last write found.
    pub(crate) last_space: Space,
    pub(crate) _lock: Box<dyn Guard>,
}

/// At most so much of what is prepared is kept for frames that may not be refused; a quarter of a small segment is enough.
const KEPT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The segment being written.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) segment: Arc<Segment>,
    pub(crate) index: Arc<RwLock<MemoryIndex>>,
    pub(crate) generation: u64,
    /// Where the next frame goes.
    pub(crate) offset: u64,
    /// Where the prepared bytes end.
    pub(crate) prepared: u64,
    /// Below this byte everything is durable.
    pub(crate) durable_offset: u64,
    pub(crate) has_records: bool,
    /// The frames that are not in the file yet.
    pub(crate) outgoing: Outgoing,
}

/// What [`Log::write`] has taken; not durable yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The position the frame begins at.
    pub first_position: u64,
    /// The position of its last record.
    pub last_position: u64,
    /// Its length on disk in bytes.
    pub bytes: u64,
}

/// How far the log is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durable {
    /// The last position that is; 0 if there is none.
    pub position: u64,
}

impl Log {
    /// Opens the log in `dir`, creating it if there is none: takes the lock, verifies the newest segment, cuts a torn tail,
    /// and makes sure that whatever will be read is on the device.
    ///
    /// # Errors
    /// [`OpenError::Locked`] at once if another process has the directory; [`OpenError::UnknownVersion`] and
    /// [`OpenError::Damaged`] without having changed a file.
    pub fn open(
        dir: &Path,
        options: Options,
        describe: Arc<dyn Describe>,
    ) -> Result<(Self, Recovered), OpenError> {
        recovery::open(dir, options, describe)
    }

    /// Writes a frame behind the last one. It has its place once this has returned, and is durable after [`Log::sync`]; it may
    /// wait in memory until then, or until [`Log::write_out`]. The builder may be begun anew afterwards.
    ///
    /// # Errors
    /// [`AppendError::Frame`], [`AppendError::LogTime`], [`AppendError::Full`] and [`AppendError::NoSegment`] are definite:
    /// nothing was written and the log goes on. The others stop it.
    pub fn write(&mut self, frame: &mut FrameBuilder) -> Result<Written, AppendError> {
        self.check_alive()?;
        frame.check(self.options.frame_bytes_max)?;
        if frame.first_position() < self.next_position {
            let position = frame.first_position();
            return Err(super::FrameError::Order { position, at_least: self.next_position }.into());
        }
        if frame.log_time_ms() < self.log_time_ms {
            let log_time_ms = frame.log_time_ms();
            return Err(AppendError::LogTime { log_time_ms, at_least_ms: self.log_time_ms });
        }
        self.make_room(frame.bytes() as u64, frame.is_essential())?;
        self.append(frame)
    }

    /// Makes everything written so far durable, with one `fdatasync`, and shows it to readers.
    ///
    /// # Errors
    /// The first failure stops the log: whether the bytes survive is known at the next start only.
    pub fn sync(&mut self) -> Result<Durable, AppendError> {
        self.check_alive()?;
        if self.unsynced {
            self.write_before(Before::Sync)?;
            let segment = self.active.segment.clone();
            if let Err(error) = segment.file.fdatasync().doing("syncing", &segment.path) {
                return Err(self.poison(error));
            }
            self.active.outgoing.synced();
            self.unsynced = false;
            self.active.durable_offset = self.active.offset;
            self.shared.set_durable(self.next_position - 1);
        }
        Ok(Durable { position: self.shared.durable() })
    }

    /// Hands everything written so far to the operating system: from now on it outlives this process, though not the machine.
    ///
    /// # Errors
    /// As [`Log::sync`].
    pub fn write_out(&mut self) -> Result<(), AppendError> {
        self.check_alive()?;
        self.write_before(Before::Use)
    }

    fn write_before(&mut self, before: Before) -> Result<(), AppendError> {
        let segment = self.active.segment.clone();
        let written = self.active.outgoing.write(&*segment.file, self.active.prepared, before);
        written.doing("writing", &segment.path).map_err(|error| self.poison(error))
    }

    /// When idle: writes and syncs a frame without records that says how far the log is durable, so that later damage to the
    /// newest records is told from a torn tail. Does nothing if the newest frame is vouched for already.
    ///
    /// The mark stands at a distance from the last frame, so that no single damaged block takes both, and not in the chain:
    /// the next frames are written over it in time. An idle log so does not grow.
    ///
    /// # Errors
    /// As [`Log::sync`].
    pub fn mark(&mut self) -> Result<Durable, AppendError> {
        let durable = self.sync()?;
        let last_place = self.active.prepared.saturating_sub(MARK_BYTES) / MARK_PLACES * MARK_PLACES;
        let place = (self.active.offset.next_multiple_of(MARK_PLACES) + MARK_PLACES).min(last_place);
        if !self.unmarked || place < self.active.offset {
            // A segment full to its last bytes has no place for a mark; it is sealed by the next frame.
            return Ok(durable);
        }
        let mut frame = std::mem::take(&mut self.mark_frame);
        frame.begin(self.next_position, self.log_time_ms);
        let (_, bytes) = frame.seal(self.seal_at(place));
        let segment = self.active.segment.clone();
        let written = write_all(&*segment.file, place, bytes).and_then(|()| segment.file.fdatasync());
        self.mark_frame = frame;
        written.doing("marking", &segment.path).map_err(|error| self.poison(error))?;
        self.unmarked = false;
        Ok(durable)
    }

    /// Returns a reader of what is durable. It stays valid after the log is closed.
    pub fn reader(&self) -> Reader {
        Reader::new(self.shared.clone())
    }

    /// Returns what works on its sealed segments. It stays valid after the log is closed, but must not be used then.
    pub fn housekeeper(&self) -> Housekeeper {
        self.housekeeper.clone()
    }

    /// Returns the position the next frame may begin at, at the earliest.
    pub fn next_position(&self) -> u64 {
        self.next_position
    }

    /// Returns the log time of the last frame in milliseconds; the next one's is not less.
    pub fn log_time_ms(&self) -> u64 {
        self.log_time_ms
    }

    /// Returns the log's identity, the same for its whole life. Checkpoints name it.
    pub fn log_id(&self) -> u64 {
        self.shared.log_id
    }

    /// Returns how many bytes are free on the disk, and whether that is below the low-water mark.
    ///
    /// A next segment that could not be made is tried again: the rest of this one is the reserve until it can.
    pub fn space(&self) -> Space {
        let free_bytes = self.shared.disk.free_bytes(&self.shared.dir).unwrap_or(u64::MAX);
        if self.keeper.is_blocked() {
            self.keeper.prepare(self.options.segment_bytes(self.active.generation + 1));
        }
        Space { free_bytes, reserve_bytes: self.options.reserve_bytes, is_blocked: self.keeper.is_blocked() }
    }

    /// Returns what the last write found of the room on the log's disk.
    pub fn last_space(&self) -> Space {
        self.last_space
    }

    /// Returns how many bytes of frames can be written for certain, whatever becomes of the disk meanwhile: into what is
    /// prepared, less what is kept for frames that may not be refused.
    pub fn sure_bytes(&self) -> u64 {
        let rest = self.active.prepared.saturating_sub(self.active.offset);
        let next = self.keeper.ready_bytes().saturating_sub(HEADER_BLOCK);
        // Whatever does not fit into the rest goes into the next one, as it came.
        rest.max(next).saturating_sub(self.kept_bytes())
    }

    /// Sees to it that so many bytes of frames can be written for certain: waits for the next segment, or makes it now.
    ///
    /// # Errors
    /// When it can not be made. Nothing was written, and the log goes on.
    pub fn secure(&mut self, bytes: u64) -> Result<(), DiskError> {
        if bytes <= self.sure_bytes() {
            return Ok(());
        }
        let needed = bytes.saturating_add(self.kept_bytes() + HEADER_BLOCK);
        let usual = self.options.segment_bytes(self.active.generation + 1);
        self.keeper.secure(usual.max(needed.next_multiple_of(HEADER_BLOCK)))
    }

    /// What is kept of prepared segments for frames that may not be refused.
    fn kept_bytes(&self) -> u64 {
        (self.active.prepared / 4).min(KEPT_BYTES_MAX)
    }

    fn check_alive(&self) -> Result<(), AppendError> {
        match self.shared.poisoned() {
            None => Ok(()),
            Some(reason) => Err(AppendError::Poisoned { reason: reason.to_owned() }),
        }
    }

    fn poison(&self, error: DiskError) -> AppendError {
        tracing::error!(error = %error, cause = ?error.source, "the log stops");
        self.shared.poison(format!("{error}: {}", error.source));
        AppendError::Broken(error)
    }

    fn seal_at(&self, offset: u64) -> Seal {
        Seal {
            seed: self.active.segment.seed,
            offset: offset as u32,
            chain_before: self.chain,
            durable_mark: self.shared.durable(),
            durable_offset: self.active.durable_offset as u32,
        }
    }

    fn append(&mut self, frame: &mut FrameBuilder) -> Result<Written, AppendError> {
        let (header, bytes) = frame.seal(self.seal_at(self.active.offset));
        let is_much = self.active.outgoing.push(bytes);
        let bytes = bytes.len() as u64;
        if is_much {
            self.write_before(Before::Sync)?;
        }
        let read = || {
            let layout =
                Layout::read(header, frame.sealed()).expect("the builder writes what the decoder reads");
            About::of(&layout, frame.sealed(), &*self.shared.describe)
        };
        let said = frame.about();
        debug_assert!(
            said.is_none_or(|said| *said == read()),
            "a record is about something else than was said"
        );
        let mut index = self.active.index.write().unwrap_or_else(PoisonError::into_inner);
        match said {
            Some(said) => index.add(&header, said),
            None => index.add(&header, &read()),
        }
        drop(index);
        self.active.offset += bytes;
        self.active.has_records = true;
        self.chain = header.chain;
        self.log_time_ms = header.log_time_ms;
        self.next_position = header.next_position();
        self.unsynced = true;
        self.unmarked = true;
        self.prepare_next();
        Ok(Written { first_position: header.first_position, last_position: header.last_position, bytes })
    }

    /// Asks for the next segment once a part of this one is used.
    pub(crate) fn prepare_next(&self) {
        if self.active.offset > self.active.prepared / 4 {
            self.keeper.prepare(self.options.segment_bytes(self.active.generation + 1));
        }
    }

    /// Sees to it that a frame of so many bytes can be written at `active.offset`.
    fn make_room(&mut self, bytes: u64, essential: bool) -> Result<(), AppendError> {
        let space = self.space();
        self.last_space = space;
        if !essential && space.is_low() {
            return Err(space.full());
        }
        // A fresh segment that was only asked for waits until one can be made.
        let seal = self.active.has_records && !space.is_blocked && self.shared.take_seal_request();
        if !seal && self.active.offset + bytes <= self.active.prepared {
            return Ok(());
        }
        if self.active.has_records {
            self.roll()?;
        }
        if self.active.offset + bytes > self.active.prepared {
            self.grow(self.active.offset + bytes)?;
        }
        Ok(())
    }

    /// Makes the active segment longer, for a frame that is larger than a fresh segment.
    fn grow(&mut self, end: u64) -> Result<(), AppendError> {
        let end = end.next_multiple_of(HEADER_BLOCK);
        let segment = self.active.segment.clone();
        match prepare::write_zeros(&*segment.file, self.active.prepared, end) {
            Ok(()) => {
                self.active.prepared = end;
                Ok(())
            }
            // Zeros behind the prepared end are no harm, however many arrived.
            Err(error) if is_full(&error) => Err(self.space().full()),
            Err(source) => {
                Err(self.poison(DiskError { action: "extending", path: segment.path.clone(), source }))
            }
        }
    }

    /// Seals the active segment and goes on in a fresh one. Frames of a sealed segment are durable, all of them.
    fn roll(&mut self) -> Result<(), AppendError> {
        self.sync()?;
        let generation = self.active.generation + 1;
        let spare = match self.keeper.take(self.options.segment_bytes(generation)) {
            Ok(spare) => spare,
            Err(error) if is_full(&error.source) => return Err(self.space().full()),
            Err(error) => return Err(AppendError::NoSegment(error)),
        };
        // Files may run out as well: then it is tried again.
        let file = match prepare::open_spare(&*self.shared.disk, &self.shared.dir) {
            Ok(file) => file,
            Err(error) => {
                self.keeper.put_back(spare);
                return Err(AppendError::NoSegment(error));
            }
        };
        let header = SegmentHeader {
            flags: if spare.recycled { FLAG_RECYCLED } else { 0 },
            log_id: self.shared.log_id,
            generation,
            first_position: self.next_position,
            previous_chain: self.chain,
            prepared_bytes: spare.bytes,
            log_time_ms: self.log_time_ms,
            revision: 0,
        };
        let installed = install(&*self.shared.disk, &self.shared.dir, file, header)
            .map_err(|error| self.poison(error))?;
        let sealed = std::mem::replace(&mut self.active, installed);
        sealed.segment.file.end_device_access();
        self.shared.push(self.active.segment.clone());
        let identity = Identity {
            log_id: self.shared.log_id,
            seed: sealed.segment.seed,
            first_position: sealed.segment.first_position,
            next_chain: self.chain,
        };
        self.keeper.index(sealed.segment, identity);
        Ok(())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // What was written and not synced is promised to nobody, but whoever ends in order loses nothing.
        if let Err(error) = self.write_out() {
            tracing::warn!(%error, "what was not synced is not in the file");
        }
    }
}

/// Turns the spare into the segment to write to.
pub(crate) fn install(
    disk: &dyn Disk,
    dir: &Path,
    file: Arc<dyn DiskFile>,
    header: SegmentHeader,
) -> Result<Active, DiskError> {
    let (path, file) = prepare::install(disk, dir, file, header)?;
    let start = super::index::Totals {
        next_position: header.first_position,
        end_offset: HEADER_BLOCK,
        chain: header.previous_chain,
        log_time_ms: header.log_time_ms,
        frames: 0,
        records: 0,
    };
    let index = Arc::new(RwLock::new(MemoryIndex::new(start)));
    let segment = Segment::new(
        path,
        Some(header),
        header.first_position,
        header.seed(),
        file,
        Index::Memory(index.clone()),
    );
    Ok(Active {
        segment: Arc::new(segment),
        index,
        generation: header.generation,
        offset: HEADER_BLOCK,
        prepared: header.prepared_bytes,
        durable_offset: HEADER_BLOCK,
        has_records: false,
        outgoing: Outgoing::at_block(HEADER_BLOCK),
    })
}

/// The room on the log's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// How many bytes are free.
    pub free_bytes: u64,
    /// The low-water mark.
    pub reserve_bytes: u64,
    /// Set while the next segment can not be made, also when bytes are free: there may be no room for another file.
    pub is_blocked: bool,
}

impl Space {
    /// Says whether publishes are to be refused.
    pub fn is_low(&self) -> bool {
        self.is_blocked || self.free_bytes < self.reserve_bytes
    }

    fn full(&self) -> AppendError {
        AppendError::Full { free_bytes: self.free_bytes, reserve_bytes: self.reserve_bytes }
    }
}

/// Marks stand at multiples of this many bytes.
const MARK_PLACES: u64 = HEADER_BLOCK;
/// A mark is a frame without records or words.
const MARK_BYTES: u64 = HEADER_BYTES as u64;
