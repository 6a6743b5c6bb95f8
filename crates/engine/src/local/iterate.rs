//! Walking through the log, forward and back, with read-ahead.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::beginning::Beginning;
use super::damage::Lost;
use super::disk::read_full;
use super::error::ReadError;
use super::frame::Frame;
use super::index::{Covers, SUMMARIES_MAX, Summary};
use super::reader::{missing, unread, verify};
use super::removed::Run;
use super::segment::Segment;
use super::shared::Shared;

/// How much is read at once, unless one frame is larger.
const READ_AHEAD: u64 = 256 * 1024;

/// Which frames are worth reading, told from their summaries.
type Only = Box<dyn FnMut(&Summary) -> bool + Send>;

/// The frames from a position on; see [`Reader::frames`](super::Reader::frames).
pub struct FrameIter {
    shared: Arc<Shared>,
    next: u64,
    batch: VecDeque<Summary>,
    chunk: Chunk,
    segment: Option<Arc<Segment>>,
    only: Option<Only>,
    failed: bool,
}

impl FrameIter {
    pub(crate) fn new(shared: Arc<Shared>, from_position: u64) -> Self {
        Self {
            shared,
            next: from_position.max(1),
            batch: VecDeque::new(),
            chunk: Chunk::default(),
            segment: None,
            only: None,
            failed: false,
        }
    }

    /// Reads only frames whose summary passes. Gaps are told all the same.
    pub fn only(mut self, passes: impl FnMut(&Summary) -> bool + Send + 'static) -> Self {
        self.only = Some(Box::new(passes));
        self
    }

    /// Returns the position this has come to: all before it was given, or passed over.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Looks up what comes next; `None` at the durable end.
    fn fill(&mut self) -> Option<Result<(), ReadError>> {
        let durable = self.shared.durable();
        if self.next > durable {
            return None;
        }
        let place = self.shared.segment_of(self.next);
        let Some(segment) = place.segment else {
            let next = place.next_first?;
            let from = std::mem::replace(&mut self.next, next);
            if let Some(beginning) = self.shared.beginning().filter(|it| from < it.first_position) {
                self.next = beginning.first_position;
                return Some(removed(&beginning, from, beginning.first_position));
            }
            return Some(Err(missing(&self.shared, None, Lost::until(from, next))));
        };
        let next = self.next;
        let batch = self.shared.ask(&segment, |index| {
            let at = index.find(next)?;
            index.summaries(at..at + SUMMARIES_MAX)
        });
        match batch {
            Ok(batch) => {
                self.batch =
                    batch.into_iter().take_while(|summary| summary.last_position <= durable).collect()
            }
            Err(error) => return Some(Err(error.into())),
        }
        self.chunk = Chunk::default();
        if self.batch.is_empty() {
            let next_first = place.next_first?;
            let lost = Lost::until(self.next.max(segment.index().totals().next_position), next_first);
            self.next = next_first;
            if !lost.is_nothing() {
                return Some(Err(missing(&self.shared, Some(&segment), lost)));
            }
        }
        self.segment = Some(segment);
        Some(Ok(()))
    }

    fn read(&mut self, summary: &Summary) -> Option<Result<Frame, ReadError>> {
        let segment = self.segment.clone()?;
        if summary.covers == Covers::Frame && !self.chunk.holds(summary) {
            // Frames behind the durable end may be half written: the read-ahead stays within the batch.
            let end = self.batch.back().map_or_else(|| end_of(summary), end_of);
            let wanted = end.min(u64::from(summary.offset) + READ_AHEAD).max(end_of(summary));
            if let Err(error) = self.chunk.load(&segment, u64::from(summary.offset), wanted) {
                return Some(Err(unread(&self.shared, &segment, summary, error)));
            }
        }
        Some(verify(&self.shared, &segment, summary, self.chunk.bytes(summary)))
    }
}

impl Iterator for FrameIter {
    type Item = Result<Frame, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        loop {
            let Some(summary) = self.batch.pop_front() else {
                match self.fill()? {
                    Ok(()) => continue,
                    Err(error) => {
                        self.failed = matches!(error, ReadError::Disk(_));
                        return Some(Err(error));
                    }
                }
            };
            self.next = summary.last_position.saturating_add(1);
            let wanted =
                self.only.as_mut().is_none_or(|only| summary.covers != Covers::Frame || only(&summary));
            if wanted {
                let read = self.read(&summary)?;
                self.failed = matches!(read, Err(ReadError::Disk(_)));
                return Some(read);
            }
        }
    }
}

impl std::fmt::Debug for FrameIter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameIter").field("next", &self.next).finish_non_exhaustive()
    }
}

/// The frames before a position, newest first; see [`Reader::frames_back`](super::Reader::frames_back).
pub struct FrameIterBack {
    shared: Arc<Shared>,
    before: u64,
    batch: Vec<Summary>,
    chunk: Chunk,
    segment: Option<Arc<Segment>>,
    only: Option<Only>,
    failed: bool,
}

impl FrameIterBack {
    pub(crate) fn new(shared: Arc<Shared>, before_position: u64) -> Self {
        let before = before_position.min(shared.durable().saturating_add(1));
        Self {
            shared,
            before,
            batch: Vec::new(),
            chunk: Chunk::default(),
            segment: None,
            only: None,
            failed: false,
        }
    }

    /// Reads only frames whose summary passes. Gaps are told all the same.
    pub fn only(mut self, passes: impl FnMut(&Summary) -> bool + Send + 'static) -> Self {
        self.only = Some(Box::new(passes));
        self
    }

    fn fill(&mut self) -> Option<Result<(), ReadError>> {
        if self.before <= 1 {
            return None;
        }
        let place = self.shared.segment_of(self.before - 1);
        let Some(segment) = place.segment else {
            let before = std::mem::replace(&mut self.before, 1);
            let Some(beginning) = self.shared.beginning() else {
                return Some(Err(missing(&self.shared, None, Lost::until(1, before))));
            };
            if before > beginning.first_position {
                self.before = beginning.first_position;
                let lost = Lost::until(beginning.first_position, before);
                return Some(Err(missing(&self.shared, None, lost)));
            }
            return Some(removed(&beginning, 1, before));
        };
        let end_of_segment = segment.index().totals().next_position;
        if place.next_first.is_some() && end_of_segment < self.before {
            let lost = Lost::until(end_of_segment, self.before);
            self.before = end_of_segment;
            return Some(Err(missing(&self.shared, Some(&segment), lost)));
        }
        let before = self.before;
        let batch = self.shared.ask(&segment, |index| {
            let at = index.find(before - 1)?;
            // The one found may begin at or behind the place, if no record stands right before it.
            let found = index.summaries(at..at + 1)?;
            let end = at + found.iter().filter(|summary| summary.first_position < before).count();
            index.summaries(end.saturating_sub(SUMMARIES_MAX)..end)
        });
        match batch {
            Ok(batch) => self.batch = batch,
            Err(error) => return Some(Err(error.into())),
        }
        self.chunk = Chunk::default();
        if self.batch.is_empty() {
            self.before = segment.first_position;
        }
        self.segment = Some(segment);
        Some(Ok(()))
    }

    fn read(&mut self, summary: &Summary) -> Option<Result<Frame, ReadError>> {
        let segment = self.segment.clone()?;
        if summary.covers == Covers::Frame && !self.chunk.holds(summary) {
            let oldest = self.batch.first().map_or(summary.offset, |oldest| oldest.offset);
            let start =
                u64::from(oldest).max(end_of(summary).saturating_sub(READ_AHEAD)).min(summary.offset.into());
            if let Err(error) = self.chunk.load(&segment, start, end_of(summary)) {
                return Some(Err(unread(&self.shared, &segment, summary, error)));
            }
        }
        Some(verify(&self.shared, &segment, summary, self.chunk.bytes(summary)))
    }
}

impl Iterator for FrameIterBack {
    type Item = Result<Frame, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        loop {
            let Some(summary) = self.batch.pop() else {
                match self.fill()? {
                    Ok(()) => continue,
                    Err(error) => {
                        self.failed = matches!(error, ReadError::Disk(_));
                        return Some(Err(error));
                    }
                }
            };
            self.before = summary.first_position;
            let wanted =
                self.only.as_mut().is_none_or(|only| summary.covers != Covers::Frame || only(&summary));
            if wanted {
                let read = self.read(&summary)?;
                self.failed = matches!(read, Err(ReadError::Disk(_)));
                return Some(read);
            }
        }
    }
}

impl std::fmt::Debug for FrameIterBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameIterBack").field("before", &self.before).finish_non_exhaustive()
    }
}

/// What is told of positions before the beginning of the log, from one up to another that is left out.
fn removed(beginning: &Beginning, from: u64, before: u64) -> Result<(), ReadError> {
    let Some(run) = &beginning.run else { return Ok(()) };
    let (first, last) = (run.first.max(from), run.last.min(before.saturating_sub(1)));
    if first > last {
        return Ok(());
    }
    Err(ReadError::Removed(Run { first, last, groups: run.groups.clone() }))
}

fn end_of(summary: &Summary) -> u64 {
    u64::from(summary.offset) + u64::from(summary.length)
}

/// A piece of a segment's file.
#[derive(Debug, Default)]
struct Chunk {
    start: u64,
    bytes: Bytes,
}

impl Chunk {
    fn holds(&self, summary: &Summary) -> bool {
        u64::from(summary.offset) >= self.start && end_of(summary) <= self.start + self.bytes.len() as u64
    }

    fn load(&mut self, segment: &Segment, start: u64, end: u64) -> std::io::Result<()> {
        let mut buffer = vec![0; (end - start) as usize];
        let count = read_full(&*segment.file, start, &mut buffer)?;
        buffer.truncate(count);
        *self = Self { start, bytes: buffer.into() };
        Ok(())
    }

    /// The bytes of a frame, or as much of them as there is.
    fn bytes(&self, summary: &Summary) -> Bytes {
        let start =
            u64::from(summary.offset).saturating_sub(self.start).min(self.bytes.len() as u64) as usize;
        let end = (start + summary.length as usize).min(self.bytes.len());
        self.bytes.slice(start..end)
    }
}
