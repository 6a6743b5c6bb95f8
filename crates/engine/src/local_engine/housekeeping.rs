//! Housekeeping of the local log: facts instead of records.

use std::path::Path;

use cantus_core::fact::Recorded;
use cantus_core::{Position, Timestamp};

use crate::codec;
use crate::engine::{CheckpointError, GapCause, ReadError};
use crate::housekeeping::{
    BackedUp, BaseInfo, Dropped, Frozen, Housekeeping, HousekeepingError, Keep, Links, Rewritten, Scrubbed,
    SegmentInfo,
};
use crate::local::{
    self, BackupError, BaseError, DiskError, Frame, FrameBuilder, Item, Record, RewriteError, Run, Sifted,
};
use crate::memory::topic_of;

/// How many bases there are before anything may be removed.
const BASES_NEEDED: usize = 2;

impl Housekeeping for local::Housekeeper {
    fn segments(&self) -> Vec<SegmentInfo> {
        let info = |state: local::SegmentState| SegmentInfo {
            first: Position(state.first_position),
            last: Position(state.next_position.saturating_sub(1)),
            bytes: state.bytes,
            first_at: time(state.first_time_ms),
            last_at: time(state.last_time_ms),
            facts: state.records,
            sealed: state.sealed,
            rewritten: state.revision,
        };
        self.segments().into_iter().map(info).collect()
    }

    fn request_seal(&self) {
        self.request_seal();
    }

    fn droppable(&self) -> Position {
        let bases = self.bases();
        Position(bases.get(BASES_NEEDED - 1).map_or(0, |older| older.reached))
    }

    fn rewrite(
        &self,
        segment: Position,
        keep: &mut dyn FnMut(&Recorded) -> Keep,
    ) -> Result<Rewritten, HousekeepingError> {
        let mut sieve = Sieve {
            keep,
            droppable: self.droppable(),
            encoder: codec::Encoder::default(),
            done: Rewritten::default(),
            failed: None,
        };
        let rewritten = self.rewrite(segment.0, &mut |frame, left| sieve.frame(frame, left));
        let Sieve { done, failed, .. } = sieve;
        if let Some(failed) = failed {
            return Err(failed);
        }
        let outcome = rewritten.map_err(rewrite_error)?;
        Ok(Rewritten {
            bytes_before: outcome.bytes_before,
            bytes_after: outcome.bytes_after,
            dropped: outcome.dropped,
            ..done
        })
    }

    fn drop_before(&self, position: Position, cause: GapCause) -> Result<Dropped, HousekeepingError> {
        let segments = self.segments();
        let last = segments
            .iter()
            .take_while(|state| state.sealed && state.next_position <= position.0)
            .last()
            .map(|state| Position(state.next_position - 1));
        let droppable = self.droppable();
        match last {
            None => return Ok(Dropped::default()),
            Some(last) if last > droppable => {
                return Err(HousekeepingError::NeedsBase { position: last, droppable });
            }
            Some(_) => {}
        }
        let (segments, bytes, up_to) = self.drop_before(position.0, cause).map_err(rewrite_error)?;
        Ok(Dropped { segments, bytes, up_to: Position(up_to) })
    }

    fn wipe(&self) -> Result<u64, HousekeepingError> {
        self.wipe().map_err(disk_error)
    }

    fn write_base(&self, state: &dyn Frozen) -> Result<BaseInfo, HousekeepingError> {
        let (reached, at) = state.reached();
        let newest = self.bases().first().map_or(Position(0), |newest| Position(newest.reached));
        let durable = Position(self.durable());
        if reached < newest || reached > durable || reached == Position(0) {
            return Err(HousekeepingError::OutOfPlace { position: reached, newest, durable });
        }
        let ms = u64::try_from(at.0).unwrap_or(0);
        let written = self.write_base(reached.0, ms, |row| state.rows(row).map_err(WriteError::State));
        written.map(info).map_err(|error| match error {
            WriteError::State(error) => HousekeepingError::State(error),
            WriteError::Base(error) => base_error(error),
        })
    }

    fn bases(&self) -> Vec<BaseInfo> {
        self.bases().into_iter().map(info).collect()
    }

    fn read_base(&self, base: &BaseInfo, row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), HousekeepingError> {
        let known = self.bases().into_iter().find(|known| info(*known) == *base);
        let gone = || HousekeepingError::Damaged(format!("the base of position {} is gone", base.reached));
        self.read_base(&known.ok_or_else(gone)?, row).map_err(base_error)
    }

    fn scrub(&self, from: Position, bytes: u64) -> Result<Scrubbed, HousekeepingError> {
        let done = self.scrub(from.0, bytes).map_err(disk_error)?;
        Ok(Scrubbed {
            next: Position(done.next),
            bytes: done.bytes,
            damage: done.damage.iter().map(ToString::to_string).collect(),
        })
    }

    fn backup(&self, to: &Path, links: Links) -> Result<BackedUp, HousekeepingError> {
        let occupied = || HousekeepingError::Occupied(to.display().to_string());
        if std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(occupied());
        }
        match self.backup(&to.join("log"), links == Links::Allowed) {
            Ok(done) => Ok(BackedUp {
                up_to: Position(done.up_to),
                copied: done.copied,
                linked: done.linked,
                files: done.files,
            }),
            Err(BackupError::Occupied(_)) => Err(occupied()),
            Err(BackupError::Disk(error)) => Err(disk_error(error)),
        }
    }
}

fn time(ms: u64) -> Timestamp {
    Timestamp(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn info(header: local::BaseHeader) -> BaseInfo {
    BaseInfo {
        reached: Position(header.reached),
        number: header.number,
        at: time(header.log_time_ms),
        rows: header.rows,
        bytes: header.bytes,
    }
}

fn disk_error(error: DiskError) -> HousekeepingError {
    if error.is_full() {
        HousekeepingError::Full(Box::new(error))
    } else {
        HousekeepingError::Failed(Box::new(error))
    }
}

fn rewrite_error(error: RewriteError) -> HousekeepingError {
    match error {
        RewriteError::NoSegment { position } => HousekeepingError::NoSegment { position: Position(position) },
        RewriteError::Damaged(damage) => HousekeepingError::Damaged(damage.to_string()),
        RewriteError::Disk(error) => disk_error(error),
        error => HousekeepingError::Failed(Box::new(error)),
    }
}

fn base_error(error: BaseError) -> HousekeepingError {
    match error {
        BaseError::Disk(error) => disk_error(error),
        BaseError::Damaged { .. } => HousekeepingError::Damaged(error.to_string()),
        error => HousekeepingError::Failed(Box::new(error)),
    }
}

/// Why a base was not written.
enum WriteError {
    State(CheckpointError),
    Base(BaseError),
}

impl From<BaseError> for WriteError {
    fn from(error: BaseError) -> Self {
        Self::Base(error)
    }
}

/// Sifts frames fact by fact.
struct Sieve<'a> {
    keep: &'a mut dyn FnMut(&Recorded) -> Keep,
    droppable: Position,
    encoder: codec::Encoder,
    done: Rewritten,
    failed: Option<HousekeepingError>,
}

/// What lies in a frame, and what becomes of it.
enum Judged<'a> {
    Stays(Record<'a>, Recorded),
    Becomes(Recorded, bool),
    Went(Run),
}

impl Sieve<'_> {
    fn frame(&mut self, frame: &Frame, left: &mut FrameBuilder) -> Sifted {
        match self.sift(frame, left) {
            Ok(sifted) => sifted,
            Err(error) => {
                self.failed = Some(error);
                Sifted::Stop
            }
        }
    }

    fn sift(&mut self, frame: &Frame, left: &mut FrameBuilder) -> Result<Sifted, HousekeepingError> {
        let mut judged = Vec::with_capacity(frame.len());
        let mut changed = false;
        let mut decoder = codec::Decoder::new(frame);
        for item in frame.items() {
            match item {
                // What went before without a record between is told together.
                Item::Removed(run) => gone(&mut judged, run),
                Item::Record(record) => {
                    let recorded = decoder.decode(&record).map_err(unreadable)?;
                    let verdict = (self.keep)(&recorded);
                    self.done.facts += 1;
                    changed |= verdict != Keep::Keep;
                    self.judge(record, recorded, verdict, &mut judged)?;
                }
            }
        }
        let stays = judged.iter().any(|it| !matches!(it, Judged::Went(_)));
        if !changed {
            return Ok(Sifted::Same);
        }
        if !stays {
            return Ok(Sifted::Gone(judged.into_iter().find_map(|it| match it {
                Judged::Went(run) => Some(run),
                _ => None,
            })));
        }
        let last = judged.iter().rposition(|it| !matches!(it, Judged::Went(_)));
        for (at, it) in judged.iter().enumerate() {
            let closes = Some(at) == last;
            let added = match it {
                Judged::Went(run) => {
                    left.removed(run);
                    Ok(())
                }
                Judged::Stays(record, recorded) => {
                    self.encoder.copy(left, record, recorded, record.slice_end || closes)
                }
                Judged::Becomes(recorded, slice_end) => {
                    self.encoder.add(left, recorded, *slice_end || closes)
                }
            };
            added.map_err(|error| HousekeepingError::Failed(Box::new(error)))?;
        }
        Ok(Sifted::Changed)
    }

    fn judge<'f>(
        &mut self,
        record: Record<'f>,
        recorded: Recorded,
        verdict: Keep,
        judged: &mut Vec<Judged<'f>>,
    ) -> Result<(), HousekeepingError> {
        let position = recorded.position;
        if matches!(verdict, Keep::Drop(_) | Keep::Forget) {
            if position > self.droppable {
                return Err(HousekeepingError::NeedsBase { position, droppable: self.droppable });
            }
            self.done.removed += 1;
        }
        match verdict {
            Keep::Keep => judged.push(Judged::Stays(record, recorded)),
            Keep::Forget => {}
            Keep::Drop(cause) => gone(judged, Run::of(position.0, cause, topic_of(&recorded.fact))),
            Keep::Replace(fact) => {
                if fact.number() != recorded.fact.number() {
                    return Err(HousekeepingError::OtherKind { position });
                }
                self.done.replaced += 1;
                judged.push(Judged::Becomes(Recorded { fact: *fact, ..recorded }, record.slice_end));
            }
        }
        Ok(())
    }
}

fn gone(judged: &mut Vec<Judged<'_>>, run: Run) {
    match judged.last_mut() {
        Some(Judged::Went(before)) => before.join(&run),
        _ => judged.push(Judged::Went(run)),
    }
}

fn unreadable(error: ReadError) -> HousekeepingError {
    HousekeepingError::Failed(Box::new(error))
}
