//! Housekeeping of facts in memory: the same rules, nothing on disk.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cantus_core::fact::{Fact, Recorded};
use cantus_core::{Position, Timestamp, hash};

use super::{Base, Log, Memory};
use crate::engine::GapCause;
use crate::housekeeping::{
    BackedUp, BaseInfo, Dropped, Frozen, Housekeeping, HousekeepingError, Keep, Links, Rewritten, Scrubbed,
    SegmentInfo,
};
use crate::local::Run;
use crate::local_engine::weight;

/// How many bases are kept.
const BASES_KEPT: usize = 2;

impl Housekeeping for Memory {
    fn segments(&self) -> Vec<SegmentInfo> {
        self.read_log().segments()
    }

    fn request_seal(&self) {
        let mut log = self.write_log();
        let begun = log.segments.last().map_or(Position(0), |(first, _)| *first);
        log.seal_asked |= log.facts.last().is_some_and(|last| last.position >= begun);
    }

    fn droppable(&self) -> Position {
        self.read_log().droppable()
    }

    fn rewrite(
        &self,
        segment: Position,
        keep: &mut dyn FnMut(&Recorded) -> Keep,
    ) -> Result<Rewritten, HousekeepingError> {
        let sealed = |log: &Log| {
            let segments = log.segments();
            let at = segments.iter().position(|info| info.first == segment && info.sealed);
            at.map(|at| (at, segments[at].clone())).ok_or(HousekeepingError::NoSegment { position: segment })
        };
        // Whoever judges may read the log meanwhile. What is sealed is changed by nobody else.
        let (judged, droppable, info) = {
            let log = self.read_log();
            let (_, info) = sealed(&log)?;
            let facts = log.facts.iter().filter(|it| (info.first..=info.last).contains(&it.position));
            (facts.cloned().collect::<Vec<_>>(), log.droppable(), info)
        };
        let mut done = Rewritten { bytes_before: info.bytes, ..Rewritten::default() };
        let mut facts = Vec::with_capacity(judged.len());
        let mut runs = Vec::new();
        for recorded in judged {
            done.facts += 1;
            let verdict = keep(&recorded);
            let goes = matches!(verdict, Keep::Drop(_) | Keep::Forget);
            if goes && recorded.position > droppable {
                return Err(HousekeepingError::NeedsBase { position: recorded.position, droppable });
            }
            done.removed += u64::from(goes);
            match verdict {
                Keep::Keep => facts.push(recorded),
                Keep::Forget => {}
                Keep::Drop(cause) => runs.push(Run::of(recorded.position.0, cause, topic_of(&recorded.fact))),
                Keep::Replace(fact) => {
                    if fact.number() != recorded.fact.number() {
                        return Err(HousekeepingError::OtherKind { position: recorded.position });
                    }
                    done.replaced += 1;
                    facts.push(Recorded { fact: *fact, ..recorded });
                }
            }
        }
        let mut log = self.write_log();
        let (at, _) = sealed(&log)?;
        done.dropped = at == 0 && facts.is_empty();
        done.bytes_after = facts.iter().map(|recorded| weight(recorded) as u64).sum();
        log.facts.retain(|recorded| !(info.first..=info.last).contains(&recorded.position));
        log.facts.extend(facts);
        log.facts.sort_by_key(|recorded| recorded.position);
        log.runs.extend(runs);
        log.join_runs();
        if done.removed + done.replaced > 0 {
            log.segments[at].1 += 1;
        }
        if done.dropped {
            log.segments.remove(0);
        }
        Ok(done)
    }

    fn drop_before(&self, position: Position, cause: GapCause) -> Result<Dropped, HousekeepingError> {
        let mut log = self.write_log();
        let segments = log.segments();
        let goes: Vec<_> =
            segments.iter().take_while(|info| info.sealed && info.last < position).cloned().collect();
        let Some(last) = goes.last() else { return Ok(Dropped::default()) };
        let droppable = log.droppable();
        if last.last > droppable {
            return Err(HousekeepingError::NeedsBase { position: last.last, droppable });
        }
        log.facts.retain(|recorded| recorded.position > last.last);
        log.runs.retain(|run| run.first > last.last.0);
        let mut run = Run::of(1, cause, None);
        run.last = last.last.0;
        log.runs.insert(0, run);
        log.segments.drain(..goes.len());
        let bytes = goes.iter().map(|info| info.bytes).sum();
        Ok(Dropped { segments: goes.len(), bytes, up_to: last.last })
    }

    fn wipe(&self) -> Result<u64, HousekeepingError> {
        Ok(0)
    }

    fn write_base(&self, state: &dyn Frozen) -> Result<BaseInfo, HousekeepingError> {
        let (reached, at) = state.reached();
        let mut rows = BTreeMap::new();
        let mut bytes = 0;
        state.rows(&mut |key, value| {
            bytes += (key.len() + value.len()) as u64;
            rows.insert(key.to_vec(), value.to_vec());
        })?;
        let mut log = self.write_log();
        let newest = log.bases.first().map_or(Position(0), |base| base.info.reached);
        if reached < newest || reached > log.durable || reached == Position(0) {
            return Err(HousekeepingError::OutOfPlace { position: reached, newest, durable: log.durable });
        }
        log.bases_written += 1;
        let info = BaseInfo { reached, number: log.bases_written, at, rows: rows.len() as u64, bytes };
        log.bases.insert(0, Base { info: info.clone(), rows: Arc::new(rows) });
        log.bases.truncate(BASES_KEPT);
        Ok(info)
    }

    fn bases(&self) -> Vec<BaseInfo> {
        self.read_log().bases.iter().map(|base| base.info.clone()).collect()
    }

    fn read_base(&self, base: &BaseInfo, row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), HousekeepingError> {
        let rows = self.read_log().bases.iter().find(|it| it.info == *base).map(|it| it.rows.clone());
        let gone = || HousekeepingError::Damaged(format!("the base of position {} is gone", base.reached));
        rows.ok_or_else(gone)?.iter().for_each(|(key, value)| row(key, value));
        Ok(())
    }

    fn scrub(&self, _from: Position, _bytes: u64) -> Result<Scrubbed, HousekeepingError> {
        // Nothing is on a device.
        Ok(Scrubbed { next: Position(0), bytes: 0, damage: Vec::new() })
    }

    fn backup(&self, _to: &Path, _links: Links) -> Result<BackedUp, HousekeepingError> {
        Err(HousekeepingError::Unsupported("backup"))
    }
}

/// The hash of an event's topic; None for other facts.
pub(crate) fn topic_of(fact: &Fact) -> Option<u64> {
    match fact {
        Fact::EventPublished(published) => Some(hash::of(published.event.topic.as_str())),
        _ => None,
    }
}

impl Log {
    fn droppable(&self) -> Position {
        self.bases.get(BASES_KEPT - 1).map_or(Position(0), |older| older.info.reached)
    }

    fn segments(&self) -> Vec<SegmentInfo> {
        let info = |(at, (first, rewritten)): (usize, &(Position, u64))| {
            let next = self.segments.get(at + 1).map(|(next, _)| *next);
            let last = next.map_or(self.durable, |next| Position(next.0 - 1));
            let inside = |it: &&Recorded| (*first..=last).contains(&it.position);
            let facts: Vec<&Recorded> = self.facts.iter().filter(inside).collect();
            let time = |it: Option<&&Recorded>| it.map_or(Timestamp(0), |it| it.at);
            SegmentInfo {
                first: *first,
                last,
                bytes: facts.iter().map(|it| weight(it) as u64).sum(),
                first_at: time(facts.first()),
                last_at: time(facts.last()),
                facts: facts.len() as u64,
                sealed: next.is_some(),
                rewritten: *rewritten,
            }
        };
        self.segments.iter().enumerate().map(info).collect()
    }

    /// Runs with no fact between them become one.
    fn join_runs(&mut self) {
        self.runs.sort_by_key(|run| run.first);
        let mut joined: Vec<Run> = Vec::with_capacity(self.runs.len());
        for run in self.runs.drain(..) {
            let fact_between = |last: &Run| {
                let next = self.facts.partition_point(|it| it.position.0 <= last.last);
                self.facts.get(next).is_some_and(|it| it.position.0 < run.first)
            };
            match joined.last_mut() {
                Some(last) if !fact_between(last) => last.join(&run),
                _ => joined.push(run),
            }
        }
        self.runs = joined;
    }
}
