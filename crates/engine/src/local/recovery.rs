//! Opening a log: what is there, whether it is whole, where it goes on.
//!
//! Looking comes first and changes nothing; only when it is certain that the log can be opened are leftovers removed, missing
//! indexes made, and a torn tail cut.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use xxhash_rust::xxh3::xxh3_64;

use super::base::{self, BaseHeader};
use super::beginning::Beginning;
use super::checksum::genesis;
use super::damage::{Cause, Damage, Lost};
use super::describe::Describe;
use super::disk::{Access, Disk, Locked, is_unreadable};
use super::error::{DiskError, Doing, OpenError};
use super::frame::FrameBuilder;
use super::housekeeper::Housekeeper;
use super::index::{self, Identity, Index, IndexFile, MemoryIndex, Totals};
use super::inventory::{Found, Inventory};
use super::keeper::Keeper;
use super::log::{Active, Log, Space, install};
use super::newest::{Newest, add, start_of, walk};
use super::options::Options;
use super::outgoing::Outgoing;
use super::prepare;
use super::scan::{Ground, ScanError, Sealed, scan};
use super::segment::{self, HEADER_BLOCK, Segment, SegmentHeader, name};
use super::shared::Shared;
use super::tail::{self, Cut};
use super::window::{Source, Window};

/// What was found when a log was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The log's identity.
    pub log_id: u64,
    /// Whether the log was created just now.
    pub created: bool,
    /// The last position; 0 if there is none. All up to it is durable.
    pub end: u64,
    /// The log time of the last frame in milliseconds.
    pub log_time_ms: u64,
    /// How many segments there are.
    pub segments: usize,
    /// The torn tail that was cut, if there was one.
    pub cut: Option<Cut>,
    /// What is lost. The start went on because it was accepted, or lies in sealed segments; readers see gaps there.
    pub damage: Vec<Damage>,
    /// How many index files were missing or damaged and were made anew.
    pub indexes_rebuilt: usize,
}

pub(crate) fn open(
    dir: &Path,
    options: Options,
    describe: Arc<dyn Describe>,
) -> Result<(Log, Recovered), OpenError> {
    let disk = options.disk.clone();
    disk.create_dir(dir).doing("creating", dir)?;
    let lock_path = dir.join(name::LOCK);
    let lock = match disk.lock(&lock_path).doing("locking", &lock_path)? {
        Locked::Held(guard) => guard,
        Locked::Taken(holder) => return Err(OpenError::Locked { dir: dir.to_owned(), holder }),
    };
    let mut inventory = Inventory::take(&*disk, dir, Access::ReadWrite)?;
    let created = inventory.segments.is_empty();
    let traces = !inventory.indexes.is_empty() || inventory.has_tails || !inventory.leftovers.is_empty();
    if created && (traces || !inventory.bases.is_empty()) {
        return Err(all_segments_missing(dir, &inventory).into());
    }
    let newest = match inventory.segments.pop() {
        Some(found) => Some(Newest::look(found, &inventory, &*describe)?),
        None => None,
    };
    refuse_damage(&inventory, newest.as_ref(), &options)?;

    for temporary in &inventory.temporaries {
        disk.unlink(temporary).doing("removing", temporary)?;
    }
    // A process that was killed between renaming a file and syncing its directory leaves a name that only the cache has:
    // what is written into that file from now on would be gone with it.
    disk.sync_dir(dir).doing("syncing", dir)?;
    finish_removals(&*disk, dir, &mut inventory)?;
    let mut opening = Opening {
        dir: dir.to_owned(),
        disk: disk.clone(),
        log_id: inventory.log_id.or(options.log_id).unwrap_or_else(new_log_id),
        next_generation: inventory.next_generation() + u64::from(newest.is_some()),
        damage: inventory.damage(newest.as_ref().map(|newest| &newest.found)),
        indexes_rebuilt: 0,
        segments: Vec::new(),
        beginning: inventory.beginning.clone(),
        bases: inventory.bases.clone(),
        options,
        describe,
    };
    let boundary = newest.as_ref().map(|newest| (newest.found.first_position, newest.found.header));
    opening.open_sealed(&mut inventory, boundary)?;
    let (active, totals, cut, is_marked) = match newest {
        Some(newest) => opening.open_newest(newest)?,
        None => (opening.create_first()?, None, None, true),
    };
    opening.finish(lock, active, totals, cut, created, is_marked)
}

/// Does what a drop or the removal of an old base had no time for.
fn finish_removals(disk: &dyn Disk, dir: &Path, inventory: &mut Inventory) -> Result<(), DiskError> {
    let old = inventory.bases.split_off(base::KEPT.min(inventory.bases.len()));
    let old = old.into_iter().map(|base| base::path_of(dir, base.reached, base.number));
    let gone: Vec<PathBuf> = inventory.leftovers.drain(..).chain(old).collect();
    for path in &gone {
        disk.unlink(path).doing("removing", path)?;
    }
    if gone.is_empty() { Ok(()) } else { disk.sync_dir(dir).doing("syncing", dir) }
}

fn all_segments_missing(dir: &Path, inventory: &Inventory) -> Damage {
    let next = inventory.indexes.values().map(|file| file.header().totals.next_position).max().unwrap_or(2);
    Damage {
        file: dir.to_owned(),
        offset: 0,
        end_offset: 0,
        lost: Lost::until(1, next),
        cause: Cause::Missing,
    }
}

/// A new log's identity: from the clock and the process, so that two logs practically never share it.
fn new_log_id() -> u64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(&since_epoch.as_nanos().to_le_bytes());
    bytes[16..20].copy_from_slice(&std::process::id().to_le_bytes());
    xxh3_64(&bytes)
}

/// Damage in the newest segment stops the start unless it is accepted; so do files that are not where they belong.
fn refuse_damage(inventory: &Inventory, newest: Option<&Newest>, options: &Options) -> Result<(), OpenError> {
    let mut damage = inventory.damage(newest.map(|newest| &newest.found));
    let misplaced = damage.iter().any(|damage| damage.cause == Cause::Misplaced);
    let newest_damage = newest.map_or(&[][..], |newest| &newest.damage);
    damage.extend_from_slice(newest_damage);
    if (misplaced || !newest_damage.is_empty()) && !options.accept_damage {
        return Err(OpenError::Damaged { damage });
    }
    Ok(())
}

/// A log on its way to being open.
struct Opening {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    options: Options,
    describe: Arc<dyn Describe>,
    log_id: u64,
    next_generation: u64,
    damage: Vec<Damage>,
    indexes_rebuilt: usize,
    segments: Vec<Arc<Segment>>,
    beginning: Option<Beginning>,
    bases: Vec<BaseHeader>,
}

impl Opening {
    /// Opens all segments but the newest. Their indexes are trusted where they fit; others are made from the segment.
    fn open_sealed(
        &mut self,
        inventory: &mut Inventory,
        newest: Option<(u64, Option<SegmentHeader>)>,
    ) -> Result<(), OpenError> {
        let found = std::mem::take(&mut inventory.segments);
        let mut nexts: Vec<_> = found.iter().skip(1).map(|next| (next.first_position, next.header)).collect();
        nexts.extend(newest);
        for (found, (next_position, next_header)) in found.into_iter().zip(nexts) {
            let index = inventory.indexes.remove(&found.first_position);
            let next_chain = next_header.map(|header| header.previous_chain);
            let segment = self.open_one(found, index, next_position, next_chain)?;
            self.segments.push(Arc::new(segment));
        }
        Ok(())
    }

    fn open_one(
        &mut self,
        found: Found,
        index: Option<IndexFile>,
        next_position: u64,
        next_chain: Option<u64>,
    ) -> Result<Segment, OpenError> {
        let seed = found.seed(index.as_ref());
        if found.misplaced {
            let lost = Lost::until(found.first_position, next_position);
            return Ok(self.lost_segment(found, seed, lost));
        }
        let fits = |file: &IndexFile| {
            let header = file.header();
            header.log_id == self.log_id
                && header.seed == seed.value()
                && next_chain.is_none_or(|chain| chain == header.next_chain)
                && header.totals.next_position <= next_position
        };
        let expected_chain = next_chain.or(index.as_ref().map(|file| file.header().next_chain));
        if let Some(file) = index.filter(fits)
            && let Ok(gaps) = file.gaps(&found.path)
        {
            self.damage.extend(gaps);
            let index = Index::File(Arc::new(file));
            return Ok(Segment::new(found.path, found.header, found.first_position, seed, found.file, index));
        }
        let placeholder = Index::in_memory(MemoryIndex::new(Totals {
            next_position: found.first_position,
            end_offset: HEADER_BLOCK,
            chain: 0,
            log_time_ms: 0,
            frames: 0,
            records: 0,
        }));
        let segment =
            Segment::new(found.path, found.header, found.first_position, seed, found.file, placeholder);
        self.rebuild(&segment, expected_chain, next_position)?;
        Ok(segment)
    }

    fn lost_segment(&mut self, found: Found, seed: super::checksum::Seed, lost: Lost) -> Segment {
        let start = Totals {
            next_position: found.first_position,
            end_offset: HEADER_BLOCK,
            chain: 0,
            log_time_ms: 0,
            frames: 0,
            records: 0,
        };
        let mut memory = MemoryIndex::new(start);
        memory.add_gap(&found.damage(0, found.file_bytes, lost, Cause::Misplaced));
        Segment::new(found.path, None, found.first_position, seed, found.file, Index::in_memory(memory))
    }

    fn rebuild(
        &mut self,
        segment: &Segment,
        next_chain: Option<u64>,
        next_position: u64,
    ) -> Result<(), OpenError> {
        tracing::info!(segment = %segment.path.display(), "the index is made from the segment");
        let sealed = next_chain.map(|chain| Sealed { chain, next_position });
        let mut window = Window::new(segment.file.clone(), Source::Cache).doing("reading", &segment.path)?;
        let ground = ground_of(segment, sealed);
        let mut memory = MemoryIndex::new(start_of(&ground));
        let describe = self.describe.clone();
        let scanned = walk(&mut window, &ground, &mut |met| add(&mut memory, &*describe, met))?;
        self.damage.extend(scanned.damage);
        self.indexes_rebuilt += 1;
        let identity = Identity {
            log_id: self.log_id,
            seed: segment.seed,
            first_position: segment.first_position,
            next_chain: next_chain.unwrap_or(memory.totals().chain),
        };
        let path = name::index(&self.dir, segment.first_position);
        let index = match index::write(&*self.disk, &path, &memory, identity) {
            Ok(file) => Index::File(Arc::new(file)),
            Err(error) if super::disk::is_full(&error.source) => Index::in_memory(memory),
            Err(error) => return Err(error.into()),
        };
        segment.set_index(index);
        Ok(())
    }

    fn create_first(&mut self) -> Result<Active, OpenError> {
        let header = self.header_at(1, genesis(self.log_id), 0)?;
        let file = prepare::open_spare(&*self.disk, &self.dir)?;
        Ok(install(&*self.disk, &self.dir, file, header)?)
    }

    /// Prepares a segment that begins at a position, to be installed.
    fn header_at(
        &mut self,
        first_position: u64,
        previous_chain: u64,
        log_time_ms: u64,
    ) -> Result<SegmentHeader, OpenError> {
        let generation = self.next_generation;
        let bytes = self.options.segment_bytes(generation);
        let spare = match prepare::find_spare(&*self.disk, &self.dir, bytes) {
            Some(spare) => spare,
            None => prepare::spare(&*self.disk, &self.dir, bytes)?,
        };
        self.next_generation += 1;
        Ok(SegmentHeader {
            flags: if spare.recycled { segment::FLAG_RECYCLED } else { 0 },
            log_id: self.log_id,
            generation,
            first_position,
            previous_chain,
            prepared_bytes: spare.bytes,
            log_time_ms,
            revision: 0,
        })
    }

    fn open_newest(
        &mut self,
        mut newest: Newest,
    ) -> Result<(Active, Option<Totals>, Option<Cut>, bool), OpenError> {
        if !newest.damage.is_empty() {
            return self.open_behind_damage(newest);
        }
        let found = newest.found;
        let header = found.header.expect("a segment without a header is damaged");
        let cut = tail::settle(
            &*self.disk,
            &self.dir,
            &found.path,
            &found.file,
            &newest.scanned,
            &mut newest.window,
        )?;
        let totals = newest.index.totals();
        let index = Arc::new(RwLock::new(newest.index));
        let outgoing = Outgoing::at(&*found.file, totals.end_offset).doing("reading", &found.path)?;
        let segment = Segment::new(
            found.path,
            found.header,
            found.first_position,
            header.seed(),
            found.file,
            Index::Memory(index.clone()),
        );
        let active = Active {
            segment: Arc::new(segment),
            index,
            generation: header.generation,
            offset: totals.end_offset,
            prepared: found.file_bytes,
            durable_offset: totals.end_offset,
            has_records: totals.records > 0,
            outgoing,
        };
        Ok((active, Some(totals), cut, newest.scanned.marked))
    }

    /// The loss was accepted: the damaged segment stays as it is, with an index that names its gaps, and a fresh one begins
    /// behind every position it can have held.
    fn open_behind_damage(
        &mut self,
        newest: Newest,
    ) -> Result<(Active, Option<Totals>, Option<Cut>, bool), OpenError> {
        let found = newest.found;
        found.file.fdatasync().doing("syncing", &found.path)?;
        let mut totals = newest.index.totals();
        // Two segments never share a name, and a position that may have been read is never given again.
        totals.next_position = totals.next_position.max(found.first_position + 1);
        let seed = found.seed(None);
        let header = if found.misplaced { None } else { found.header };
        let memory = newest.index;
        let identity = Identity {
            log_id: self.log_id,
            seed,
            first_position: found.first_position,
            next_chain: totals.chain,
        };
        let next = self.header_at(totals.next_position, totals.chain, totals.log_time_ms)?;
        let file = prepare::open_spare(&*self.disk, &self.dir)?;
        let active = install(&*self.disk, &self.dir, file, next)?;
        let path = name::index(&self.dir, found.first_position);
        let file = index::write(&*self.disk, &path, &memory, identity)?;
        let index = Index::File(Arc::new(file));
        self.segments.push(Arc::new(Segment::new(
            found.path,
            header,
            found.first_position,
            seed,
            found.file,
            index,
        )));
        self.damage.extend(newest.damage);
        Ok((active, Some(totals), None, true))
    }

    fn finish(
        mut self,
        lock: Box<dyn super::disk::Guard>,
        active: Active,
        totals: Option<Totals>,
        cut: Option<Cut>,
        created: bool,
        is_marked: bool,
    ) -> Result<(Log, Recovered), OpenError> {
        self.segments.push(active.segment.clone());
        let active_has_records = active.has_records;
        let index_totals = active.index.read().unwrap_or_else(PoisonError::into_inner).totals();
        let totals = totals.unwrap_or(index_totals);
        let spare_bytes = self.options.segment_bytes(active.generation + 1);
        let spare = prepare::find_spare(&*self.disk, &self.dir, spare_bytes);
        let keeper = Keeper::start(self.disk.clone(), &self.dir, spare, self.options.background)
            .doing("starting the background thread for", &self.dir)?;
        for damage in &self.damage {
            tracing::error!(%damage, "the log is damaged; readers see a gap");
        }
        let end = totals.next_position - 1;
        let recovered = Recovered {
            log_id: self.log_id,
            created,
            end,
            log_time_ms: totals.log_time_ms,
            segments: self.segments.len(),
            cut,
            damage: self.damage.clone(),
            indexes_rebuilt: self.indexes_rebuilt,
        };
        let shared =
            Shared::new(self.dir, self.disk, self.describe, self.log_id, self.segments, end, self.damage);
        if let Some(beginning) = self.beginning {
            shared.begin_at(beginning);
        }
        *shared.bases() = self.bases;
        let shared = Arc::new(shared);
        let reserve_bytes = self.options.reserve_bytes;
        let log = Log {
            housekeeper: Housekeeper::new(shared.clone(), keeper.work.clone()),
            shared,
            options: self.options,
            keeper,
            active,
            next_position: totals.next_position,
            log_time_ms: totals.log_time_ms,
            chain: totals.chain,
            unsynced: false,
            unmarked: !is_marked && active_has_records,
            mark_frame: FrameBuilder::new(),
            last_space: Space { free_bytes: u64::MAX, reserve_bytes, is_blocked: false },
            _lock: lock,
        };
        log.prepare_next();
        Ok((log, recovered))
    }
}

pub(crate) fn ground_of(segment: &Segment, sealed: Option<Sealed>) -> Ground {
    Ground {
        path: segment.path.clone(),
        seed: segment.seed,
        first_position: segment.first_position,
        chain_before: segment.header.map(|header| header.previous_chain),
        log_time_ms: segment.header.map_or(0, |header| header.log_time_ms),
        sealed,
        recycled: segment.header.is_some_and(|header| header.is_recycled()),
    }
}

/// Makes the index of a sealed segment from its frames, while the log is open.
pub(crate) fn rescan(
    segment: &Segment,
    next_chain: u64,
    next_position: Option<u64>,
    describe: &dyn Describe,
) -> Result<MemoryIndex, DiskError> {
    let sealed = next_position.map(|next_position| Sealed { chain: next_chain, next_position });
    let mut window = Window::new(segment.file.clone(), Source::Cache).doing("reading", &segment.path)?;
    let ground = ground_of(segment, sealed);
    let mut memory = MemoryIndex::new(start_of(&ground));
    match scan(&mut window, &ground, &mut |met| add(&mut memory, describe, met)) {
        Ok(_) => Ok(memory),
        Err(ScanError::Io(source)) if is_unreadable(&source) => Ok(memory),
        Err(error) => Err(DiskError {
            action: "reading",
            path: segment.path.clone(),
            source: std::io::Error::other(error),
        }),
    }
}
