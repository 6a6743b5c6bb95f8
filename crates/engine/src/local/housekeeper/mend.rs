//! Writing a damaged segment anew with what can be read of it. In place of the rest it says that it is lost.

use std::sync::Arc;

use super::output::{Bridge, Output};
use super::{Housekeeper, RewriteError};
use crate::local::damage::{Cause, Damage, Lost};
use crate::local::error::{DiskError, Doing, OpenError};
use crate::local::frame::{FrameHeader, Layout};
use crate::local::index::Covers;
use crate::local::recovery::ground_of;
use crate::local::removed::{GapCause, Group, Run};
use crate::local::scan::{self, Met, scan};
use crate::local::segment::{Segment, SegmentHeader};
use crate::local::window::{Source, Window};

/// What is wrong with a segment.
#[derive(Debug)]
pub(crate) struct Mending {
    damage: Vec<Damage>,
    /// The file is another one altogether: nothing of it counts.
    misplaced: bool,
}

impl Mending {
    /// The positions that are lost.
    pub(crate) fn lost(&self) -> impl Iterator<Item = Lost> + '_ {
        self.damage.iter().map(|damage| damage.lost)
    }
}

impl From<RewriteError> for OpenError {
    fn from(error: RewriteError) -> Self {
        match error {
            RewriteError::Damaged(damage) => damage.into(),
            RewriteError::Disk(error) => error.into(),
            RewriteError::NoSegment { .. } | RewriteError::Stopped => {
                let source = std::io::Error::other(error);
                DiskError { action: "repairing", path: std::path::PathBuf::new(), source }.into()
            }
        }
    }
}

impl Housekeeper {
    /// Looks for damage in a sealed segment, its end included; `None` if there is none.
    pub(crate) fn damage_of(&self, segment: &Segment) -> Result<Option<Mending>, DiskError> {
        let first = segment.index().summaries(0..1).ok().and_then(|first| first.first().copied());
        if let Some(whole) = first.filter(|it| it.covers == Covers::Gap(Cause::Misplaced)) {
            let (file, lost) = (segment.path.clone(), whole.lost());
            let damage = Damage { file, offset: 0, end_offset: 0, lost, cause: Cause::Misplaced };
            return Ok(Some(Mending { damage: vec![damage], misplaced: true }));
        }
        let damage = self.pass(segment, &mut |_| {})?;
        let whole = damage.is_empty() && segment.header.is_some();
        Ok((!whole).then_some(Mending { damage, misplaced: false }))
    }

    /// Walks through a sealed segment, over damage too.
    fn pass(&self, segment: &Segment, on_met: &mut dyn FnMut(Met<'_>)) -> Result<Vec<Damage>, DiskError> {
        let end = self.sealed(segment.first_position).map(|sealed| scan::Sealed {
            chain: sealed.next_chain,
            next_position: sealed.next.first_position,
        });
        let ground = ground_of(segment, end);
        let mut window = Window::new(segment.file.clone(), Source::Cache).doing("reading", &segment.path)?;
        let scanned = scan(&mut window, &ground, on_met).map_err(std::io::Error::other);
        Ok(scanned.doing("reading", &segment.path)?.damage)
    }

    /// Writes a damaged segment anew, with this header.
    pub(crate) fn mend(
        &self,
        segment: &Arc<Segment>,
        header: SegmentHeader,
        mending: Mending,
    ) -> Result<(), RewriteError> {
        let _alone = self.alone();
        let no_segment = RewriteError::NoSegment { position: segment.first_position };
        let sealed = self.sealed(segment.first_position).ok_or(no_segment)?;
        let shared = &self.shared;
        let output = Output::begin(&*shared.disk, &segment.path, header, shared.describe.clone())?;
        let chain = Some(header.previous_chain);
        let log_time_ms = header.log_time_ms;
        let mut patch =
            Patch { output, chain, log_time_ms, lost: None, next: header.first_position, failed: None };
        if mending.misplaced {
            mending.damage.iter().for_each(|damage| patch.lose(damage));
        } else {
            self.pass(segment, &mut |met| patch.meet(met))?;
        }
        let mut output = match patch.end(sealed.next_chain, sealed.next.first_position) {
            Ok(output) => output,
            Err((output, error)) => {
                output.give_up(&*shared.disk);
                return Err(error.into());
            }
        };
        if let Err(error) =
            output.complete().map_err(RewriteError::from).and_then(|()| self.check(&output, &sealed))
        {
            output.give_up(&*shared.disk);
            return Err(error);
        }
        Ok(self.put_in_place(&sealed, output)?)
    }
}

/// A walk over damage that writes what is left.
struct Patch {
    output: Output,
    /// The chain behind what was written; `None` if it is not known.
    chain: Option<u64>,
    log_time_ms: u64,
    lost: Option<Bridge>,
    /// The first position behind what was written or is lost.
    next: u64,
    failed: Option<DiskError>,
}

impl Patch {
    fn meet(&mut self, met: Met<'_>) {
        match met {
            Met::Damage(damage) => self.lose(damage),
            Met::Frame(layout, bytes) if self.failed.is_none() && !layout.header.is_mark() => {
                self.failed = self.frame(layout, bytes).err();
            }
            Met::Frame(..) => {}
        }
    }

    fn lose(&mut self, damage: &Damage) {
        if damage.lost.is_nothing() {
            return;
        }
        let groups = vec![Group { cause: GapCause::Damaged, topic: 0, records: 0 }];
        let run = Run { first: damage.lost.first, last: damage.lost.last, groups };
        let bridge = self.bridge(damage.lost.first, damage.lost.last, Some(run));
        self.next = damage.lost.last.saturating_add(1);
        match &mut self.lost {
            Some(before) => before.join(bridge),
            None => self.lost = Some(bridge),
        }
    }

    fn bridge(&self, first_position: u64, last_position: u64, run: Option<Run>) -> Bridge {
        Bridge {
            first_position,
            last_position,
            log_time_ms: self.log_time_ms,
            chain_before: self.chain.unwrap_or(0),
            chain_after: None,
            run,
        }
    }

    fn frame(&mut self, layout: &Layout, bytes: &[u8]) -> Result<(), DiskError> {
        let header: &FrameHeader = &layout.header;
        match self.lost.take() {
            Some(lost) => self.output.bridge(&lost)?,
            // Nothing is missing that had a position, and yet it does not follow.
            None if !header.continues(self.chain) => {
                let bridge = self.bridge(self.next, self.next.saturating_sub(1), None);
                self.output.bridge(&bridge)?;
            }
            None => {}
        }
        self.output.copy(header, bytes)?;
        self.chain = header.chain_after();
        self.log_time_ms = header.log_time_ms;
        self.next = header.next_position();
        Ok(())
    }

    /// Leads to what the next segment says of the end of this one.
    #[expect(clippy::result_large_err, reason = "the output comes back so that it can be given up")]
    fn end(mut self, chain: u64, next_position: u64) -> Result<Output, (Output, DiskError)> {
        if let Some(error) = self.failed {
            return Err((self.output, error));
        }
        let lost = match self.lost.take() {
            None if (self.chain, self.next) == (Some(chain), next_position) => return Ok(self.output),
            None => self.bridge(self.next, next_position.saturating_sub(1), None),
            Some(lost) => lost,
        };
        let bridge =
            Bridge { chain_after: Some(chain), last_position: next_position.saturating_sub(1), ..lost };
        match self.output.bridge(&bridge) {
            Ok(()) => Ok(self.output),
            Err(error) => Err((self.output, error)),
        }
    }
}
