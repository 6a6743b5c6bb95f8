//! Reading what is durable, and nothing beyond it. Every frame is verified each time it comes from disk.

use std::sync::Arc;

use bytes::Bytes;

use super::damage::{Cause, Damage, Lost};
use super::disk::{is_unreadable, read_full, read_full_device};
use super::error::{DiskError, ReadError};
use super::frame::{FRAME_BYTES_LIMIT, Frame, Item};
use super::index::{Covers, Key, Summary};
use super::iterate::{FrameIter, FrameIterBack};
use super::removed::Run;
use super::segment::Segment;
use super::shared::Shared;

/// Reads a log; clones share it, any thread may have one.
#[derive(Debug, Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Returns the last durable position; 0 if there is none. Nothing behind it can be read.
    pub fn durable(&self) -> u64 {
        self.shared.durable()
    }

    /// Returns the log's identity.
    pub fn log_id(&self) -> u64 {
        self.shared.log_id
    }

    /// Says whether the log has stopped after a failed write or sync, and why.
    pub fn poisoned(&self) -> Option<String> {
        self.shared.poisoned().map(str::to_owned)
    }

    /// Returns the damage known so far: found at start or met while reading (at most 1024 places).
    pub fn damage(&self) -> Vec<Damage> {
        self.shared.damage().clone()
    }

    /// Returns the frames from a position on, oldest first. The first one may begin before the position. At the durable end
    /// it gives `None`, and goes on when asked again later. A damaged range is one [`ReadError::Gap`]; the frames behind it
    /// follow.
    pub fn frames(&self, from_position: u64) -> FrameIter {
        FrameIter::new(self.shared.clone(), from_position)
    }

    /// Returns the frames that begin before a position, newest first, with gaps as in [`Reader::frames`].
    pub fn frames_back(&self, before_position: u64) -> FrameIterBack {
        FrameIterBack::new(self.shared.clone(), before_position)
    }

    /// Returns the frame that has a record at a position; `None` if no record is there, or it is not durable yet.
    ///
    /// # Errors
    /// [`ReadError::Gap`] if the position is lost.
    pub fn read_at(&self, position: u64) -> Result<Option<Frame>, ReadError> {
        if position == 0 || position > self.durable() {
            return Ok(None);
        }
        let place = self.shared.segment_of(position);
        let Some(segment) = place.segment else {
            if self.shared.beginning().is_some_and(|beginning| position < beginning.first_position) {
                return Ok(None);
            }
            return Err(missing(&self.shared, None, Lost::until(1, place.next_first.unwrap_or(1))));
        };
        let summary = self.shared.ask(&segment, |index| {
            let at = index.find(position)?;
            Ok(index.summaries(at..at + 1)?.first().copied())
        })?;
        match summary {
            Some(summary) if summary.first_position > position => Ok(None),
            Some(summary) => {
                let frame = read_frame(&self.shared, &segment, &summary)?;
                Ok(frame.record(position).is_some().then_some(frame))
            }
            None => match place.next_first {
                Some(next) => {
                    let end = segment.index().totals().next_position;
                    Err(missing(&self.shared, Some(&segment), Lost::until(end, next)))
                }
                None => Ok(None),
            },
        }
    }

    /// Tells what was removed at a position, if that is missed by somebody.
    ///
    /// # Errors
    /// As [`Reader::read_at`].
    pub fn removed_at(&self, position: u64) -> Result<Option<Run>, ReadError> {
        if let Some(beginning) = self.shared.beginning().filter(|it| position < it.first_position) {
            let run = beginning.run.clone();
            return Ok(run.filter(|run| (run.first..=run.last).contains(&position)));
        }
        let place = self.shared.segment_of(position);
        let Some(segment) = place.segment.filter(|_| position <= self.durable()) else { return Ok(None) };
        let summary = self.shared.ask(&segment, |index| {
            let at = index.find(position)?;
            Ok(index.summaries(at..at + 1)?.first().copied())
        })?;
        match summary {
            Some(summary) if summary.has_removed() && summary.first_position <= position => {
                let frame = read_frame(&self.shared, &segment, &summary)?;
                let holds = |run: &Run| (run.first..=run.last).contains(&position);
                Ok(frame.items().find_map(|item| match item {
                    Item::Removed(run) if holds(&run) => Some(run),
                    _ => None,
                }))
            }
            _ => Ok(None),
        }
    }

    /// Returns the first positions, from `from` on, whose records have a term: at most `limit`, rising.
    ///
    /// Terms are hashes: whoever looks up a name compares it with the record's own. Positions in gaps are not among them.
    ///
    /// # Errors
    /// [`ReadError::Disk`] if a segment and its index cannot be read at all.
    pub fn lookup(&self, class: u8, hash: u64, from: u64, limit: usize) -> Result<Vec<u64>, ReadError> {
        let key = Key::new(class, hash);
        let end = self.durable().saturating_add(1);
        let mut found = Vec::new();
        for segment in self.segments_between(from, end) {
            if found.len() >= limit {
                break;
            }
            let left = limit - found.len();
            found.extend(self.shared.ask(&segment, |index| index.lookup(key, from..end, left))?);
        }
        Ok(found)
    }

    /// As [`Reader::lookup`], for positions before `before`, newest first.
    ///
    /// # Errors
    /// As [`Reader::lookup`].
    pub fn lookup_back(
        &self,
        class: u8,
        hash: u64,
        before: u64,
        limit: usize,
    ) -> Result<Vec<u64>, ReadError> {
        let key = Key::new(class, hash);
        let end = before.min(self.durable().saturating_add(1));
        let mut found = Vec::new();
        for segment in self.segments_between(0, end).into_iter().rev() {
            if found.len() >= limit {
                break;
            }
            let left = limit - found.len();
            found.extend(self.shared.ask(&segment, |index| index.lookup_back(key, 0..end, left))?);
        }
        Ok(found)
    }

    fn segments_between(&self, from: u64, end: u64) -> Vec<Arc<Segment>> {
        let mut segments = self.shared.segments();
        segments.truncate(segments.partition_point(|segment| segment.first_position < end));
        let first = segments.partition_point(|segment| segment.first_position <= from).saturating_sub(1);
        segments.split_off(first.min(segments.len()))
    }
}

/// Reads and verifies the frame a summary stands for.
pub(crate) fn read_frame(shared: &Shared, segment: &Segment, summary: &Summary) -> Result<Frame, ReadError> {
    let length = if summary.covers == Covers::Frame { summary.length as usize } else { 0 };
    let mut buffer = vec![0; length.min(FRAME_BYTES_LIMIT)];
    match read_full(&*segment.file, u64::from(summary.offset), &mut buffer) {
        Ok(count) => {
            buffer.truncate(count);
            verify(shared, segment, summary, Bytes::from(buffer))
        }
        Err(error) => Err(unread(shared, segment, summary, error)),
    }
}

/// Takes bytes for the frame a summary stands for, or tells what is lost.
pub(crate) fn verify(
    shared: &Shared,
    segment: &Segment,
    summary: &Summary,
    bytes: Bytes,
) -> Result<Frame, ReadError> {
    let cause = match summary.covers {
        Covers::Gap(cause) => cause,
        Covers::Frame => match frame_of(bytes, segment, summary).or_else(|| from_device(segment, summary)) {
            Some(frame) => return Ok(frame),
            None => Cause::Frame,
        },
    };
    Err(gap(shared, segment, summary, cause))
}

fn frame_of(bytes: Bytes, segment: &Segment, summary: &Summary) -> Option<Frame> {
    let frame = Frame::verify(bytes, segment.seed, u64::from(summary.offset)).ok()?;
    (frame.first_position() == summary.first_position).then_some(frame)
}

/// Frames go to the device past the page cache, which not every file system keeps true to it.
fn from_device(segment: &Segment, summary: &Summary) -> Option<Frame> {
    let mut buffer = vec![0; (summary.length as usize).min(FRAME_BYTES_LIMIT)];
    let count = read_full_device(&*segment.file, u64::from(summary.offset), &mut buffer).ok()??;
    buffer.truncate(count);
    frame_of(Bytes::from(buffer), segment, summary)
}

/// What a failed read means: bytes the device has lost are a gap, anything else is an error of its own.
pub(crate) fn unread(
    shared: &Shared,
    segment: &Segment,
    summary: &Summary,
    error: std::io::Error,
) -> ReadError {
    if is_unreadable(&error) {
        return gap(shared, segment, summary, Cause::Unreadable);
    }
    DiskError { action: "reading", path: segment.path.clone(), source: error }.into()
}

fn gap(shared: &Shared, segment: &Segment, summary: &Summary, cause: Cause) -> ReadError {
    let damage = Damage {
        file: segment.path.clone(),
        offset: u64::from(summary.offset),
        end_offset: u64::from(summary.offset) + u64::from(summary.length),
        lost: summary.lost(),
        cause,
    };
    shared.note(&damage);
    ReadError::Gap(damage)
}

/// Positions between two segments, or before the first.
pub(crate) fn missing(shared: &Shared, after: Option<&Segment>, lost: Lost) -> ReadError {
    let file = after.map_or_else(|| shared.dir.clone(), |segment| segment.path.clone());
    let offset = after.map_or(0, |segment| segment.index().totals().end_offset);
    let damage = Damage { file, offset, end_offset: offset, lost, cause: Cause::Missing };
    shared.note(&damage);
    ReadError::Gap(damage)
}
