//! Looking at everything the device holds, a piece at a time.

use super::Housekeeper;
use crate::local::base::{Base, BaseError};
use crate::local::damage::{Cause, Damage, Lost};
use crate::local::disk::{Access, DiskFile, is_unreadable, read_full, read_full_device};
use crate::local::error::{DiskError, Doing};
use crate::local::frame::{Frame, VERSION_REWRITTEN};
use crate::local::index::{Covers, Index, SUMMARIES_MAX, Summary};
use crate::local::segment::Segment;
use crate::local::window::Source;

use std::sync::Arc;

/// What a step of a scrub has done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scrubbed {
    /// The position to go on from; 0 when everything was looked at.
    pub next: u64,
    /// How many bytes were verified.
    pub bytes: u64,
    /// What is damaged.
    pub damage: Vec<Damage>,
}

impl Housekeeper {
    /// Verifies frames from a position on, the index of each segment whose end is passed, and the bases at the end.
    ///
    /// # Errors
    /// Fails if the disk fails otherwise than by damage.
    pub fn scrub(&self, from: u64, bytes_max: u64) -> Result<Scrubbed, DiskError> {
        let _alone = self.alone();
        let mut step = Scrubbed { next: from.max(1), ..Scrubbed::default() };
        while step.bytes < bytes_max {
            let place = self.shared.segment_of(step.next);
            let durable = self.shared.durable();
            let Some(segment) = place.segment else {
                match place.next_first {
                    // Before the oldest segment.
                    Some(first) => step.next = first,
                    None => return self.end(step),
                }
                continue;
            };
            if !self.frames(&segment, durable, bytes_max, &mut step)? {
                continue;
            }
            self.index(&segment, &mut step)?;
            match place.next_first {
                Some(next) => step.next = next,
                None => return self.end(step),
            }
        }
        self.note(&step);
        Ok(step)
    }

    fn note(&self, step: &Scrubbed) {
        step.damage.iter().for_each(|damage| self.shared.note(damage));
    }

    /// Verifies the frames of a segment from `step.next` on; says whether its end was reached.
    fn frames(
        &self,
        segment: &Arc<Segment>,
        durable: u64,
        bytes_max: u64,
        step: &mut Scrubbed,
    ) -> Result<bool, DiskError> {
        // A handle of its own: what is asked of the device is asked by name, and the segment's own may be that of a spare.
        let file = self.shared.disk.open(&segment.path, Access::Read).doing("opening", &segment.path)?;
        loop {
            let next = step.next;
            let batch = self.shared.ask(segment, |index| {
                let at = index.find(next)?;
                index.summaries(at..at + SUMMARIES_MAX)
            })?;
            let durable_ones = batch.iter().take_while(|summary| summary.last_position <= durable);
            let mut any = false;
            for summary in durable_ones {
                if step.bytes >= bytes_max {
                    return Ok(false);
                }
                any = true;
                self.frame(segment, &*file, summary, step)?;
                step.next = summary.last_position + 1;
            }
            if !any {
                return Ok(true);
            }
        }
    }

    fn frame(
        &self,
        segment: &Segment,
        file: &dyn DiskFile,
        summary: &Summary,
        step: &mut Scrubbed,
    ) -> Result<(), DiskError> {
        if summary.covers != Covers::Frame {
            // Known already.
            return Ok(());
        }
        let mut bytes = vec![0; summary.length as usize];
        step.bytes += bytes.len() as u64;
        let offset = u64::from(summary.offset);
        let read = match read_full_device(file, offset, &mut bytes) {
            Ok(Some(count)) => Ok(count),
            Ok(None) => read_full(file, offset, &mut bytes),
            Err(error) => Err(error),
        };
        let cause = match read {
            Ok(_) if is_right(&bytes, segment, summary) => return Ok(()),
            Ok(_) => Cause::Frame,
            Err(error) if is_unreadable(&error) => Cause::Unreadable,
            Err(source) => return Err(DiskError { action: "reading", path: segment.path.clone(), source }),
        };
        let end_offset = offset + u64::from(summary.length);
        let lost = summary.lost();
        step.damage.push(Damage { file: segment.path.clone(), offset, end_offset, lost, cause });
        Ok(())
    }

    /// Verifies every page of an index file. A damaged one is made anew when it is asked next.
    fn index(&self, segment: &Segment, step: &mut Scrubbed) -> Result<(), DiskError> {
        let Index::File(index) = segment.index() else { return Ok(()) };
        step.bytes += index.bytes();
        if index.verify().is_err() {
            tracing::warn!(segment = %segment.path.display(), "the index of a segment is damaged; it is made anew");
            self.shared.rebuild(segment, &Index::File(index))?;
        }
        Ok(())
    }

    /// Verifies the bases, and is done.
    fn end(&self, mut step: Scrubbed) -> Result<Scrubbed, DiskError> {
        for header in self.bases() {
            step.bytes += header.bytes;
            let base = Base::open(&*self.shared.disk, &self.shared.dir, header.reached, header.number);
            match base.and_then(|base| base.read(Source::Device, &mut |_, _| {})) {
                Ok(()) => {}
                Err(BaseError::Disk(error)) => return Err(error),
                Err(error) => {
                    let file = crate::local::base::path_of(&self.shared.dir, header.reached, header.number);
                    tracing::error!(%error, "a base is damaged; another one is needed");
                    self.forget_damaged_base(&header);
                    let lost = Lost::NOTHING;
                    step.damage.push(Damage {
                        file,
                        offset: 0,
                        end_offset: header.bytes,
                        lost,
                        cause: Cause::Base,
                    });
                }
            }
        }
        step.next = 0;
        self.note(&step);
        Ok(step)
    }
}

/// The frame is whole, and what was first written unless records were removed from it.
fn is_right(bytes: &[u8], segment: &Segment, summary: &Summary) -> bool {
    let frame = Frame::verify(bytes::Bytes::copy_from_slice(bytes), segment.seed, u64::from(summary.offset));
    frame.is_ok_and(|frame| {
        frame.first_position() == summary.first_position
            && (frame.version() == VERSION_REWRITTEN || frame.is_original())
    })
}
