//! What is in a log's directory: which segments there are, what their headers say, and whether they belong together.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::base::{self, Base, BaseError, BaseHeader};
use super::beginning::Beginning;
use super::checksum::{Seed, genesis};
use super::damage::{Cause, Damage, Lost};
use super::disk::{Access, Disk, DiskFile, is_unreadable, read_full};
use super::error::{DiskError, Doing, OpenError};
use super::frame::{FrameHeader, HEADER_BYTES};
use super::index::{self, IndexFile, OpenFault};
use super::segment::{self, HEADER_BLOCK, HeaderFault, SegmentHeader, name};

/// The files of a log, looked at and not touched.
#[derive(Debug)]
pub(crate) struct Inventory {
    pub(crate) segments: Vec<Found>,
    /// Index files whose header is whole, by the first position of their segment.
    pub(crate) indexes: BTreeMap<u64, IndexFile>,
    /// Half-made files of an earlier process.
    pub(crate) temporaries: Vec<PathBuf>,
    pub(crate) has_tails: bool,
    pub(crate) log_id: Option<u64>,
    /// Where the log begins, if its oldest segments were dropped.
    pub(crate) beginning: Option<Beginning>,
    /// Segments before that, which were to be gone.
    pub(crate) leftovers: Vec<PathBuf>,
    /// Bases whose headers are whole, newest first; more than are kept if a removal was cut short.
    pub(crate) bases: Vec<BaseHeader>,
    /// Bases that can not be used.
    base_damage: Vec<Damage>,
}

/// A segment file, by its name and its first block.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) first_position: u64,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) file_bytes: u64,
    pub(crate) header: Option<SegmentHeader>,
    /// The file is not what its name says.
    pub(crate) misplaced: bool,
}

impl Inventory {
    /// Lists the directory and reads all headers.
    ///
    /// # Errors
    /// A file of an unknown format version ends it at once.
    pub(crate) fn take(disk: &dyn Disk, dir: &Path, access: Access) -> Result<Self, OpenError> {
        let mut positions = Vec::new();
        let mut found = Self {
            segments: Vec::new(),
            indexes: BTreeMap::new(),
            temporaries: Vec::new(),
            has_tails: false,
            log_id: None,
            beginning: Beginning::read(disk, dir)?,
            leftovers: Vec::new(),
            bases: Vec::new(),
            base_damage: Vec::new(),
        };
        for file_name in disk.list(dir).doing("listing", dir)? {
            if file_name.ends_with(name::TEMPORARY) {
                found.temporaries.push(dir.join(&file_name));
            } else if let Some(position) = name::first_position(&file_name, ".segment") {
                positions.push(position);
            } else if let Some(position) = name::first_position(&file_name, ".idx") {
                found.add_index(disk, dir, position)?;
            } else if let Some((reached, number)) = base::parse_name(&file_name) {
                found.add_base(disk, dir, reached, number)?;
            } else if file_name.contains(name::TAIL) {
                found.has_tails = true;
            }
        }
        positions.sort_unstable();
        for position in positions {
            found.segments.push(Found::read(disk, dir, position, access)?);
        }
        found.log_id = found.most_common_log_id();
        found.leave_out_what_was_dropped(dir);
        let log_id = found.log_id;
        found.bases.retain(|base| log_id.is_none_or(|log_id| base.log_id == log_id));
        found.bases.sort_unstable_by_key(|base| std::cmp::Reverse((base.reached, base.number)));
        found.judge_places();
        Ok(found)
    }

    fn add_index(&mut self, disk: &dyn Disk, dir: &Path, position: u64) -> Result<(), OpenError> {
        let path = name::index(dir, position);
        match IndexFile::open(disk, &path) {
            Ok(file) if file.header().first_position == position => {
                self.indexes.insert(position, file);
            }
            Ok(_) | Err(OpenFault::Missing | OpenFault::Damaged) => {}
            Err(OpenFault::UnknownVersion(found)) => {
                return Err(OpenError::UnknownVersion { file: path, found, known: index::VERSION });
            }
            Err(OpenFault::Disk(error)) if is_unreadable(&error) => {}
            Err(OpenFault::Disk(source)) => return Err(DiskError { action: "reading", path, source }.into()),
        }
        Ok(())
    }

    fn add_base(&mut self, disk: &dyn Disk, dir: &Path, reached: u64, number: u64) -> Result<(), OpenError> {
        match Base::open(disk, dir, reached, number) {
            Ok(base) => self.bases.push(base.header),
            Err(BaseError::UnknownVersion { path, found }) => {
                return Err(OpenError::UnknownVersion { file: path, found, known: base::VERSION });
            }
            Err(BaseError::Disk(error)) => return Err(error.into()),
            Err(BaseError::Damaged { .. } | BaseError::Row { .. }) => self.base_damage.push(Damage {
                file: base::path_of(dir, reached, number),
                offset: 0,
                end_offset: 0,
                lost: Lost::NOTHING,
                cause: Cause::Base,
            }),
        }
        Ok(())
    }

    /// What lies before the beginning that was written down was to be removed, whatever came between.
    fn leave_out_what_was_dropped(&mut self, dir: &Path) {
        self.beginning = self.beginning.take().filter(|beginning| Some(beginning.log_id) == self.log_id);
        let Some(beginning) = &self.beginning else { return };
        let first = self.segments.partition_point(|it| it.first_position < beginning.first_position);
        self.leftovers.extend(self.segments.drain(..first).map(|segment| segment.path));
        let kept = self.indexes.split_off(&beginning.first_position);
        let gone = std::mem::replace(&mut self.indexes, kept);
        self.leftovers.extend(gone.keys().map(|first| name::index(dir, *first)));
    }

    /// One foreign file does not make all the others foreign.
    fn most_common_log_id(&self) -> Option<u64> {
        let in_headers = self.segments.iter().filter_map(|segment| Some(segment.header?.log_id));
        let mut counts = BTreeMap::new();
        for log_id in in_headers.chain(self.indexes.values().map(|file| file.header().log_id)) {
            *counts.entry(log_id).or_insert(0usize) += 1;
        }
        counts.into_iter().max_by_key(|&(_, count)| count).map(|(log_id, _)| log_id)
    }

    /// Names, log and generations must agree: swapped, renamed and foreign files do not.
    fn judge_places(&mut self) {
        let mut generation = 0;
        for segment in &mut self.segments {
            let Some(header) = segment.header else { continue };
            let right = header.first_position == segment.first_position
                && Some(header.log_id) == self.log_id
                && header.generation > generation;
            segment.misplaced = !right;
            if right {
                generation = header.generation;
            }
        }
    }

    /// The files of bases that can not be used.
    pub(crate) fn damaged_bases(&self) -> Vec<PathBuf> {
        self.base_damage.iter().map(|damage| damage.file.clone()).collect()
    }

    /// The generation the next segment gets: higher than any there was.
    pub(crate) fn next_generation(&self) -> u64 {
        let known =
            self.segments.iter().filter_map(|segment| Some(segment.header?.generation)).max().unwrap_or(0);
        let lost = self.segments.iter().filter(|segment| segment.header.is_none()).count() as u64;
        known + lost + 1
    }

    /// Damage that the headers alone show, the newest segment's own aside. Sealed segments whose header block is lost can be
    /// read all the same.
    pub(crate) fn damage(&self, newest: Option<&Found>) -> Vec<Damage> {
        let mut damage = Vec::new();
        for (at, segment) in self.segments.iter().enumerate() {
            let next = self.segments.get(at + 1).or(newest).map(|next| next.first_position);
            if segment.misplaced {
                let lost = Lost::until(segment.first_position, next.unwrap_or(segment.first_position + 1));
                damage.push(segment.damage(0, segment.file_bytes, lost, Cause::Misplaced));
            } else if segment.header.is_none() {
                damage.push(segment.damage(0, HEADER_BLOCK, Lost::NOTHING, Cause::Header));
            }
        }
        if let Some(first) = self.segments.first().or(newest)
            && let Some(header) = first.header
            && !first.misplaced
        {
            let (begin, chain) = match &self.beginning {
                Some(beginning) => (beginning.first_position, beginning.chain),
                None => (1, genesis(header.log_id)),
            };
            if (first.first_position, header.previous_chain) != (begin, chain) {
                damage.push(first.damage(0, 0, Lost::until(begin, first.first_position), Cause::Missing));
            }
        }
        damage.extend(self.base_damage.iter().cloned());
        damage
    }
}

impl Found {
    fn read(disk: &dyn Disk, dir: &Path, first_position: u64, access: Access) -> Result<Self, OpenError> {
        let path = name::segment(dir, first_position);
        let file = disk.open(&path, access).doing("opening", &path)?;
        let file_bytes = file.len().doing("measuring", &path)?;
        let mut block = vec![0; HEADER_BLOCK as usize];
        let header = match read_full(&*file, 0, &mut block) {
            Ok(count) => match SegmentHeader::from_block(&block[..count]) {
                Ok(header) => Some(header),
                Err(HeaderFault::Damaged) => None,
                Err(HeaderFault::UnknownVersion(found)) => {
                    return Err(OpenError::UnknownVersion { file: path, found, known: segment::VERSION });
                }
            },
            Err(error) if is_unreadable(&error) => None,
            Err(error) => {
                return Err(DiskError { action: "reading", path, source: error }.into());
            }
        };
        Ok(Self { path, first_position, file, file_bytes, header, misplaced: false })
    }

    pub(crate) fn damage(&self, offset: u64, end_offset: u64, lost: Lost, cause: Cause) -> Damage {
        Damage { file: self.path.clone(), offset, end_offset, lost, cause }
    }

    /// The seed of the segment's checksums: from its header; if that is lost from its index; else from its first frame, which
    /// proves it by its checksum.
    pub(crate) fn seed(&self, index: Option<&IndexFile>) -> Seed {
        if let Some(header) = self.header {
            return header.seed();
        }
        if let Some(index) = index {
            return Seed::from_value(index.header().seed);
        }
        let mut bytes = [0; HEADER_BYTES];
        let read = read_full(&*self.file, HEADER_BLOCK, &mut bytes).unwrap_or(0);
        let first = FrameHeader::read(&bytes[..read], self.file_bytes.saturating_sub(HEADER_BLOCK));
        Seed::from_value(first.map_or(0, |header| header.seed))
    }
}
