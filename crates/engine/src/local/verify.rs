//! Looking at everything: every frame of every segment, the chain across them, every page of every index. Changes nothing,
//! and may be run beside a server.

use std::path::{Path, PathBuf};

use super::base::{self, Base, BaseError, BaseHeader};
use super::damage::{Cause, Damage, Lost};
use super::describe::Describe;
use super::disk::{Access, Disk};
use super::error::{Doing, OpenError};
use super::frame::VERSION_REWRITTEN;
use super::index::{IndexFile, MemoryIndex, Totals};
use super::inventory::{Found, Inventory};
use super::newest::{Newest, add, ground_of_found, start_of, walk};
use super::scan::{Met, Sealed};
use super::segment::name;
use super::window::{Source, Window};

/// What `verify` has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// The log's identity, if any header could be read.
    pub log_id: Option<u64>,
    /// Each segment, oldest first.
    pub segments: Vec<SegmentReport>,
    /// How many frames are whole, marks included.
    pub frames: u64,
    /// How many records they have.
    pub records: u64,
    /// The last position found; 0 if there is none.
    pub end: u64,
    /// The position the log begins at: later than 1 if its oldest segments were dropped.
    pub begins_at: u64,
    /// The bases whose headers are whole, newest first.
    pub bases: Vec<BaseHeader>,
    /// Everything that is not as it was written.
    pub damage: Vec<Damage>,
    /// Written and never synced bytes behind the last frame: no damage, cut at the next start.
    pub tail: Option<Unsynced>,
}

/// Bytes behind the last frame that are not a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsynced {
    /// The newest segment.
    pub file: PathBuf,
    /// Where they begin.
    pub offset: u64,
    /// How many there are.
    pub bytes: u64,
}

/// One segment of a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReport {
    /// The file.
    pub file: PathBuf,
    /// The position it begins at.
    pub first_position: u64,
    /// The first position behind it.
    pub next_position: u64,
    /// How many frames are whole, marks included.
    pub frames: u64,
    /// How many records they have.
    pub records: u64,
    /// How many bytes of it are used.
    pub bytes: u64,
    /// What its index is like.
    pub index: IndexState,
}

/// What a segment's index is like. A missing one is no damage: the next start makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexState {
    /// It agrees with its segment, page by page.
    Good,
    /// There is none, or it could not be opened.
    Missing,
    /// It does not agree with its segment.
    Damaged,
    /// The newest segment has none.
    NotYet,
}

impl Report {
    /// Says whether nothing is damaged.
    pub fn is_healthy(&self) -> bool {
        self.damage.is_empty()
    }
}

/// Verifies the log in `dir`. `progress` is told how many bytes of how many are done.
///
/// # Errors
/// Fails if the directory cannot be read, or holds a file of an unknown format version.
pub fn verify(
    disk: &dyn Disk,
    dir: &Path,
    describe: &dyn Describe,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, OpenError> {
    let mut report = look(disk, dir, describe, progress)?;
    if !report.is_healthy() {
        // A server may have written while the newest segment was read. What is damaged stays so; what was in flux does not.
        let again = look(disk, dir, describe, progress)?;
        report.damage.retain(|damage| again.damage.contains(damage));
    }
    Ok(report)
}

fn look(
    disk: &dyn Disk,
    dir: &Path,
    describe: &dyn Describe,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, OpenError> {
    let mut inventory = Inventory::take(disk, dir, Access::Read)?;
    let total = inventory.segments.iter().map(|segment| segment.file_bytes).sum();
    let mut done = 0;
    let newest = inventory.segments.pop();
    let damage = inventory.damage(newest.as_ref());
    let mut report = Report { log_id: inventory.log_id, damage, ..Report::default() };
    for (at, found) in inventory.segments.iter().enumerate() {
        let next = inventory.segments.get(at + 1).or(newest.as_ref());
        let (Some(next), false) = (next, found.misplaced) else { continue };
        let index = inventory.indexes.get(&found.first_position);
        let chain = next.header.map(|header| header.previous_chain);
        let chain = chain.or(index.map(|file| file.header().next_chain));
        let sealed = chain.map(|chain| Sealed { chain, next_position: next.first_position });
        let one = look_at_sealed(found, index, sealed, describe, &mut report.damage)?;
        report.add(one);
        done += found.file_bytes;
        progress(done, total);
    }
    for base in &inventory.bases {
        let opened = Base::open(disk, dir, base.reached, base.number);
        match opened.and_then(|base| base.read(Source::Cache, &mut |_, _| {})) {
            Ok(()) => {}
            Err(BaseError::Disk(error)) => return Err(error.into()),
            Err(_) => report.damage.push(Damage {
                file: base::path_of(dir, base.reached, base.number),
                offset: 0,
                end_offset: base.bytes,
                lost: Lost::NOTHING,
                cause: Cause::Base,
            }),
        }
    }
    report.bases.clone_from(&inventory.bases);
    report.begins_at = inventory.beginning.as_ref().map_or(1, |beginning| beginning.first_position);
    if let Some(found) = newest {
        look_at_newest(found, &inventory, describe, &mut report)?;
        progress(total, total);
    }
    Ok(report)
}

fn look_at_sealed(
    found: &Found,
    index: Option<&IndexFile>,
    sealed: Option<Sealed>,
    describe: &dyn Describe,
    damage: &mut Vec<Damage>,
) -> Result<SegmentReport, OpenError> {
    let ground = ground_of_found(found, index, sealed);
    let mut window = Window::new(found.file.clone(), Source::Cache).doing("reading", &found.path)?;
    let mut memory = MemoryIndex::new(start_of(&ground));
    let mut altered = Vec::new();
    let scanned = walk(&mut window, &ground, &mut |met| {
        altered.extend(altered_body(found, &met));
        add(&mut memory, describe, met);
    })?;
    damage.extend(scanned.damage);
    damage.append(&mut altered);
    let state = match index.map(|file| file.compare(&memory)) {
        None => IndexState::Missing,
        Some(Ok(())) => IndexState::Good,
        Some(Err(_)) => {
            let dir = found.path.parent().unwrap_or(Path::new("."));
            let file = name::index(dir, found.first_position);
            let lost = Lost::NOTHING;
            damage.push(Damage { file, offset: 0, end_offset: 0, lost, cause: Cause::Index });
            IndexState::Damaged
        }
    };
    Ok(segment_report(found, memory.totals(), state))
}

/// The checksum agrees and the hash of the body does not: bytes that were put together by something else than this program.
fn altered_body(found: &Found, met: &Met<'_>) -> Option<Damage> {
    let Met::Frame(layout, frame) = met else { return None };
    let header = &layout.header;
    if header.version == VERSION_REWRITTEN || layout.body_is_original(frame) {
        return None;
    }
    let lost = Lost { first: header.first_position, last: header.last_position };
    let offset = u64::from(header.offset);
    Some(found.damage(offset, offset + u64::from(header.length), lost, Cause::Chain))
}

fn look_at_newest(
    found: Found,
    before: &Inventory,
    describe: &dyn Describe,
    report: &mut Report,
) -> Result<(), OpenError> {
    let newest = Newest::look(found, before, describe)?;
    report.damage.extend(newest.damage);
    report.tail = newest.scanned.tail.map(|tail| Unsynced {
        file: newest.found.path.clone(),
        offset: tail.start,
        bytes: tail.end - tail.start,
    });
    report.add(segment_report(&newest.found, newest.scanned.totals, IndexState::NotYet));
    Ok(())
}

fn segment_report(found: &Found, totals: Totals, index: IndexState) -> SegmentReport {
    SegmentReport {
        file: found.path.clone(),
        first_position: found.first_position,
        next_position: totals.next_position,
        frames: totals.frames,
        records: totals.records,
        bytes: totals.end_offset,
        index,
    }
}

impl Report {
    fn add(&mut self, segment: SegmentReport) {
        self.frames += segment.frames;
        self.records += segment.records;
        self.end = segment.next_position.saturating_sub(1);
        self.segments.push(segment);
    }
}
