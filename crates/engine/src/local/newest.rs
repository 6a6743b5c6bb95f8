//! The newest segment, before the log is open: the one place where written and never synced bytes can be.

use super::damage::{Cause, Damage, Lost};
use super::describe::Describe;
use super::error::{DiskError, Doing, OpenError};
use super::index::{IndexFile, MemoryIndex, Totals};
use super::inventory::{Found, Inventory};
use super::scan::{Ground, Met, ScanError, Scanned, Sealed, records_max, scan};
use super::segment::{self, HEADER_BLOCK};
use super::window::{Source, Window};

/// A segment that is missing altogether is taken to have been as large as they get by default.
const SEGMENT_BYTES_LIMIT: u64 = 128 * 1024 * 1024;

/// The newest segment, looked at.
pub(crate) struct Newest {
    pub(crate) found: Found,
    pub(crate) scanned: Scanned,
    pub(crate) index: MemoryIndex,
    pub(crate) window: Window,
    pub(crate) damage: Vec<Damage>,
}

impl Newest {
    pub(crate) fn look(
        mut found: Found,
        before: &Inventory,
        describe: &dyn Describe,
    ) -> Result<Self, OpenError> {
        let last_generation =
            before.segments.iter().filter_map(|segment| Some(segment.header?.generation)).max();
        let own = before.indexes.get(&found.first_position);
        if let Some(header) = found.header {
            found.misplaced = header.first_position != found.first_position
                || before.log_id.is_some_and(|log_id| log_id != header.log_id)
                || last_generation.is_some_and(|last| last >= header.generation);
        }
        let mut window = Window::new(found.file.clone(), Source::Device).doing("reading", &found.path)?;
        let ground = ground_of_found(&found, own, None);
        let mut index = MemoryIndex::new(start_of(&ground));
        if found.misplaced {
            let unknown = found.first_position.saturating_add(records_max(found.file_bytes));
            let lost = Lost::until(found.first_position, unknown);
            let damage = found.damage(0, found.file_bytes, lost, Cause::Misplaced);
            index.add_gap(&damage);
            let totals = index.totals();
            let scanned = Scanned {
                totals,
                durable_offset: HEADER_BLOCK,
                damage: Vec::new(),
                tail: None,
                marked: true,
            };
            return Ok(Self { found, scanned, index, window, damage: vec![damage] });
        }
        let mut damage = Vec::new();
        if found.header.is_none() {
            damage.push(found.damage(0, HEADER_BLOCK, Lost::NOTHING, Cause::Header));
        }
        let mut on_met = |met: Met<'_>| add(&mut index, describe, met);
        let mut scanned = walk(&mut window, &ground, &mut on_met)?;
        damage.append(&mut scanned.damage);
        let mut newest = Self { found, scanned, index, window, damage };
        newest.look_for_truncation(own.is_some());
        Ok(newest)
    }

    /// A file shorter than it was prepared, or one that has an index and so had a successor, has lost its end.
    fn look_for_truncation(&mut self, had_successor: bool) {
        let prepared = self.found.header.map_or(0, |header| header.prepared_bytes);
        let next = self.scanned.totals.next_position;
        let end = self.scanned.totals.end_offset;
        let (missing, cause, end_offset) = if self.found.file_bytes < prepared {
            (prepared.saturating_sub(end), Cause::Truncated, prepared)
        } else if had_successor {
            (SEGMENT_BYTES_LIMIT, Cause::Missing, end)
        } else {
            return;
        };
        self.scanned.tail = None;
        let lost = Lost::until(next, next.saturating_add(records_max(missing)));
        let damage = self.found.damage(end, end_offset, lost, cause);
        self.index.add_gap(&damage);
        self.damage.push(damage);
    }
}

pub(crate) fn start_of(ground: &Ground) -> Totals {
    Totals {
        next_position: ground.first_position,
        end_offset: HEADER_BLOCK,
        chain: ground.chain_before.unwrap_or(0),
        log_time_ms: ground.log_time_ms,
        frames: 0,
        records: 0,
    }
}

pub(crate) fn add(index: &mut MemoryIndex, describe: &dyn Describe, met: Met<'_>) {
    match met {
        Met::Frame(layout, frame) => index.add_frame(layout, frame, describe),
        Met::Damage(damage) => index.add_gap(damage),
    }
}

pub(crate) fn walk(
    window: &mut Window,
    ground: &Ground,
    on_met: &mut dyn FnMut(Met<'_>),
) -> Result<Scanned, OpenError> {
    scan(window, ground, on_met).map_err(|error| match error {
        ScanError::UnknownVersion(found) => {
            OpenError::UnknownVersion { file: ground.path.clone(), found, known: segment::VERSION }
        }
        ScanError::Io(source) => DiskError { action: "reading", path: ground.path.clone(), source }.into(),
    })
}

pub(crate) fn ground_of_found(found: &Found, index: Option<&IndexFile>, sealed: Option<Sealed>) -> Ground {
    Ground {
        path: found.path.clone(),
        seed: found.seed(index),
        first_position: found.first_position,
        chain_before: found.header.map(|header| header.previous_chain),
        log_time_ms: found.header.map_or(0, |header| header.log_time_ms),
        sealed,
        recycled: found.header.is_some_and(|header| header.is_recycled()),
    }
}
