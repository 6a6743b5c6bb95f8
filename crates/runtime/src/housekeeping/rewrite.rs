//! Writing segments anew without what may go, where it is worth it.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use cantus_core::fact::{Fact, Recorded};
use cantus_core::retention::{Hidden, event_of};
use cantus_core::{Position, Timestamp};
use cantus_engine::{Budget, Entry, GapCause, HousekeepingError, Keep, ReadError, SegmentInfo, Selection};

use super::keeper::{Keeper, Trouble};
use super::there::There;

/// A segment is written anew when at least one part in so many of its facts may go.
const WORTH_PART: u64 = 3;

/// What a segment was worth when it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Examined {
    /// How often it had been written anew by then.
    rewritten: u64,
    /// What was hidden by then: it grows with every trim and every erasure.
    hidden: u64,
}

/// What decides about facts.
pub(super) struct Judge<'a> {
    pub(super) hidden: &'a Hidden,
    pub(super) superseded: &'a HashSet<Position>,
    pub(super) pinned: &'a BTreeSet<Position>,
    /// Facts that are no events and tell of none go when they are older than this.
    pub(super) history_ends: Timestamp,
    /// Only facts up to here may go.
    pub(super) droppable: Position,
    pub(super) there: There<'a>,
    /// The first thing that could not be read: everything is kept from then on.
    pub(super) failed: Option<ReadError>,
}

impl Judge<'_> {
    /// Tells what becomes of a fact.
    pub(super) fn verdict(&mut self, recorded: &Recorded) -> Keep {
        if recorded.position > self.droppable || self.failed.is_some() {
            return Keep::Keep;
        }
        if self.hidden.is_erased(recorded) {
            let is_event = matches!(recorded.fact, Fact::EventPublished(_));
            return if is_event { Keep::Drop(GapCause::Erased) } else { Keep::Forget };
        }
        if self.pinned.contains(&recorded.position) {
            return Keep::Keep;
        }
        match &recorded.fact {
            Fact::EventPublished(fact) if self.hidden.is_trimmed(&fact.event, recorded.position) => {
                Keep::Drop(GapCause::Expired)
            }
            Fact::EventPublished(_) if self.superseded.contains(&recorded.position) => Keep::Forget,
            Fact::EventPublished(_) => Keep::Keep,
            // Who is still to be published is pinned.
            Fact::EventDeferred(fact) if self.hidden.is_trimmed(&fact.event, recorded.position) => {
                Keep::Forget
            }
            Fact::EventDeferred(_) => Keep::Keep,
            // Each names the hash of the one before: without the old ones the chain could not be verified from its beginning.
            Fact::CallAudited(_) => Keep::Keep,
            // Of these only the state matters that they led to, and the bases have it.
            Fact::CursorMoved(_) | Fact::AgentSeen(_) | Fact::RequestAnswered(_) => Keep::Forget,
            _ => self.of_an_event_or_old(recorded),
        }
    }

    fn of_an_event_or_old(&mut self, recorded: &Recorded) -> Keep {
        let stays = match event_of(recorded) {
            Some(event) => match self.there.stays(event) {
                Ok(stays) => stays,
                Err(error) => {
                    self.failed = Some(error);
                    true
                }
            },
            None => recorded.at >= self.history_ends,
        };
        if stays { Keep::Keep } else { Keep::Forget }
    }
}

impl Keeper {
    /// Writes the segments anew of which enough may go.
    pub(super) fn rewrite_what_is_worth_it(&mut self) -> Result<(), Trouble> {
        self.forget_gone_segments();
        let hidden = self.shared.mask.hidden();
        let reach = hidden.trimmed().map(|(_, through)| through).max().unwrap_or_default();
        let level = hidden.trimmed().map(|(_, through)| through.0).sum::<u64>();
        let old_at = self.history_ends();
        for segment in self.sealed() {
            let is_old = segment.last_at < old_at;
            if segment.first > reach && !is_old {
                continue;
            }
            let now = Examined { rewritten: segment.rewritten, hidden: level };
            if self.examined.get(&segment.first) == Some(&now) {
                continue;
            }
            if self.is_worth_it(&segment)? {
                self.ensure_droppable(segment.last)?;
                self.rewrite(&segment, &Arc::default())?;
            }
            self.examined.insert(segment.first, now);
        }
        Ok(())
    }

    pub(super) fn history_ends(&self) -> Timestamp {
        let history = i64::try_from(self.settings.history.0).unwrap_or(i64::MAX);
        Timestamp(self.shared.clock.now().0.saturating_sub(history))
    }

    /// Tells whether enough of a segment may go, once the bases allow it.
    fn is_worth_it(&self, segment: &SegmentInfo) -> Result<bool, Trouble> {
        let (mut all, mut going) = (0u64, 0u64);
        self.judged(segment, &Arc::default(), Position(u64::MAX), &mut |_, keep| {
            all += 1;
            going += u64::from(!matches!(keep, Keep::Keep));
        })?;
        Ok(going > 0 && going * WORTH_PART >= all)
    }

    /// Judges every fact of a segment without changing anything.
    pub(super) fn judged(
        &self,
        segment: &SegmentInfo,
        superseded: &Arc<HashSet<Position>>,
        droppable: Position,
        told: &mut dyn FnMut(&Recorded, &Keep),
    ) -> Result<(), Trouble> {
        let last = segment.last;
        let pinned = self.look(move |coordinator| coordinator.state.pinned(Position(0), last))?;
        let hidden = self.shared.mask.hidden();
        let mut judge = self.judge(&hidden, superseded, &pinned, droppable);
        let mut after = Position(segment.first.0.saturating_sub(1));
        while after < segment.last {
            let chunk = self.paced(|| {
                Ok(self.raw.read(
                    after,
                    &Selection::default(),
                    Budget { entries: 10_000, ..Budget::default() },
                )?)
            })?;
            for entry in &chunk.entries {
                let Entry::Fact(recorded) = entry else { continue };
                if recorded.position > segment.last {
                    break;
                }
                let keep = judge.verdict(recorded);
                told(recorded, &keep);
            }
            if let Some(failed) = judge.failed.take() {
                return Err(failed.into());
            }
            if chunk.end || chunk.reached <= after {
                break;
            }
            after = chunk.reached;
        }
        Ok(())
    }

    fn judge<'a>(
        &'a self,
        hidden: &'a Hidden,
        superseded: &'a Arc<HashSet<Position>>,
        pinned: &'a BTreeSet<Position>,
        droppable: Position,
    ) -> Judge<'a> {
        Judge {
            hidden,
            superseded,
            pinned,
            history_ends: self.history_ends(),
            droppable,
            there: There::new(self.raw.as_ref(), hidden, superseded, pinned),
            failed: None,
        }
    }

    /// Writes a segment anew without what may go.
    pub(super) fn rewrite(
        &self,
        segment: &SegmentInfo,
        superseded: &Arc<HashSet<Position>>,
    ) -> Result<(), Trouble> {
        let last = segment.last;
        let pinned = self.look(move |coordinator| coordinator.state.pinned(Position(0), last))?;
        let hidden = self.shared.mask.hidden();
        let mut judge = self.judge(&hidden, superseded, &pinned, self.log.droppable());
        let done = self.paced(|| {
            let done = self.log.rewrite(segment.first, &mut |recorded| judge.verdict(recorded));
            match done {
                Ok(done) => Ok(Some(done)),
                // It went meanwhile.
                Err(HousekeepingError::NoSegment { .. }) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })?;
        if let Some(failed) = judge.failed.take() {
            return Err(failed.into());
        }
        if let Some(done) = done.filter(|done| done.removed > 0) {
            let freed = done.bytes_before.saturating_sub(done.bytes_after);
            tracing::info!(segment = %segment.first, facts = done.facts, removed = done.removed, freed, dropped = done.dropped, "segment written anew");
            self.status().note(|report| {
                report.segments_rewritten += 1;
                report.bytes_freed += freed;
            });
        }
        Ok(())
    }
}
