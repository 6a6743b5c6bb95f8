//! The engine over the local log: facts in frames, one frame per append.

mod housekeeping;

use std::path::Path;
use std::sync::Arc;

use cantus_core::fact::Recorded;
use cantus_core::{Position, Timestamp, hash};

use crate::codec;
use crate::engine::{
    AppendError, Budget, Checkpoint, CheckpointError, Chunk, Engine, Entry, GapCause, ReadError, Reader,
    Selection, Term,
};
use crate::housekeeping::{Frozen, Housekeeping};
use crate::local;
use crate::room::{Room, Space};

/// A local log that was opened.
pub struct Opened {
    /// What appends to it.
    pub engine: Box<dyn Engine>,
    /// The checkpoint beside it.
    pub checkpoint: Box<dyn Checkpoint>,
    /// What was found.
    pub recovered: local::Recovered,
    /// What became of the checkpoint.
    pub kept: local::Kept,
}

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log could not be opened.
    #[error(transparent)]
    Log(#[from] local::OpenError),
    /// The checkpoint could neither be used nor made anew.
    #[error(transparent)]
    Checkpoint(#[from] local::CheckpointError),
}

/// Opens the log in `dir/log` and the checkpoint in `dir/checkpoint`, creating what is not there.
///
/// # Errors
/// When another process has the directory, a file was written by a newer version, or durable bytes are damaged.
pub fn open(dir: &Path, options: local::Options) -> Result<Opened, OpenError> {
    let (engine, recovered) = open_local(&dir.join("log"), options)?;
    let (checkpoint, kept) = local::Checkpoint::open(&dir.join("checkpoint"), engine.log.reader())?;
    let reader = LocalReader(engine.log.reader());
    Ok(Opened {
        engine: Box::new(engine),
        checkpoint: Box::new(LocalCheckpoint { checkpoint, reader }),
        recovered,
        kept,
    })
}

/// Opens the log in `dir` alone, for whoever keeps a checkpoint elsewhere or none.
///
/// # Errors
/// When another process has the directory, a file was written by a newer version, or durable bytes are damaged.
pub fn open_log(
    dir: &Path,
    options: local::Options,
) -> Result<(Box<dyn Engine>, local::Recovered), local::OpenError> {
    let (engine, recovered) = open_local(dir, options)?;
    Ok((Box::new(engine), recovered))
}

fn open_local(
    dir: &Path,
    options: local::Options,
) -> Result<(LocalEngine, local::Recovered), local::OpenError> {
    let (log, recovered) = local::Log::open(dir, options, Arc::new(codec::describe))?;
    let engine = LocalEngine {
        log,
        frame: local::FrameBuilder::new(),
        encoder: codec::Encoder::default(),
        room: Arc::default(),
    };
    engine.is_space_low();
    Ok((engine, recovered))
}

/// Repairs the log in `dir/log` while nobody has it open: accepts that damaged ranges are lost, keeps the damaged files
/// aside, and leaves a log that opens and tells its readers what is missing.
///
/// # Errors
/// As [`open`], but for damage. Repairing again goes on.
pub fn repair(dir: &Path, options: local::Options) -> Result<local::Repaired, local::OpenError> {
    local::repair(&dir.join("log"), options, Arc::new(codec::describe))
}

struct LocalEngine {
    log: local::Log,
    frame: local::FrameBuilder,
    encoder: codec::Encoder,
    room: Arc<Room>,
}

impl LocalEngine {
    fn follow_room(&self, space: local::Space, has_no_room: bool) {
        let local::Space { free_bytes, reserve_bytes, .. } = space;
        let is_low = has_no_room || space.is_low();
        self.room.set(self.log.sure_bytes(), Space { free_bytes, reserve_bytes, is_low });
    }
}

impl Engine for LocalEngine {
    fn append(&mut self, at: Timestamp, facts: &[Recorded]) -> Result<(), AppendError> {
        let (Some(first), Some(last)) = (facts.first(), facts.last()) else { return Ok(()) };
        self.frame.begin(first.position.0, u64::try_from(at.0).unwrap_or(0));
        // What is appended was let in while there was space; acknowledgements and repairs may use the reserve.
        self.frame.use_reserve();
        for recorded in facts {
            let slice_end = recorded.position == last.position;
            self.encoder
                .add(&mut self.frame, recorded, slice_end)
                .map_err(|error| AppendError::Refused(Box::new(error)))?;
        }
        let written = self.log.write(&mut self.frame);
        let has_no_room =
            matches!(written, Err(local::AppendError::Full { .. } | local::AppendError::NoSegment(_)));
        self.follow_room(self.log.last_space(), has_no_room);
        written.map_err(append_error)?;
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), AppendError> {
        self.log.write_out().map_err(append_error)
    }

    fn sync(&mut self) -> Result<Position, AppendError> {
        self.log.sync().map(|durable| Position(durable.position)).map_err(append_error)
    }

    fn rest(&mut self) -> Result<(), AppendError> {
        self.log.mark().map(|_| ()).map_err(append_error)
    }

    fn is_space_low(&self) -> bool {
        let space = self.log.space();
        self.follow_room(space, false);
        space.is_low()
    }

    fn room(&self) -> Arc<Room> {
        self.room.clone()
    }

    fn make_room(&mut self, bytes: u64) -> bool {
        let made = self.log.secure(bytes);
        self.is_space_low();
        match made {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(error = %error, cause = ?error.source, bytes, "there is no room for publishes");
                false
            }
        }
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(LocalReader(self.log.reader()))
    }

    fn housekeeping(&self) -> Arc<dyn Housekeeping> {
        Arc::new(self.log.housekeeper())
    }
}

fn append_error(error: local::AppendError) -> AppendError {
    match error {
        local::AppendError::Broken(_) | local::AppendError::Poisoned { .. } => {
            AppendError::Broken(Box::new(error))
        }
        local::AppendError::Full { .. } | local::AppendError::NoSegment(_) => {
            AppendError::NoRoom(Box::new(error))
        }
        definite => AppendError::Refused(Box::new(definite)),
    }
}

#[derive(Clone)]
struct LocalReader(local::Reader);

impl LocalReader {
    /// The log time of a state: as written down with it, else that of the frame it ends with.
    fn time_of(&self, position: Position, known_ms: Option<u64>) -> Timestamp {
        let read = || self.0.read_at(position.0).ok().flatten().map(|frame| frame.log_time_ms());
        known_ms.or_else(read).map(|ms| Timestamp(ms as i64)).unwrap_or_default()
    }

    fn passes(selection: &Selection) -> impl FnMut(&local::Summary) -> bool + Send + 'static {
        let topic = selection.topic.as_deref().map(hash::of);
        let kind = selection.event_type.as_deref().map(hash::of);
        let since = selection.since.and_then(|since| u64::try_from(since.0).ok());
        move |summary| {
            let wanted = topic.is_none_or(|topic| summary.may_have_topic(topic))
                && kind.is_none_or(|kind| summary.may_have_kind(kind));
            (wanted || summary.has_removed()) && since.is_none_or(|since| summary.log_time_ms >= since)
        }
    }
}

impl Reader for LocalReader {
    fn durable(&self) -> Position {
        Position(self.0.durable())
    }

    fn read(&self, after: Position, selection: &Selection, budget: Budget) -> Result<Chunk, ReadError> {
        let mut chunk = Collecting::new(budget, after);
        let durable = self.0.durable();
        let mut frames = self.0.frames(after.0.saturating_add(1)).only(Self::passes(selection));
        loop {
            let Some(next) = frames.next() else {
                // Frames that were passed over are read as well as the others.
                chunk.reached = chunk.reached.max(Position(durable));
                return Ok(chunk.done(true));
            };
            match next {
                Ok(frame) => {
                    let mut decoder = codec::Decoder::new(&frame);
                    for item in frame.items() {
                        if chunk.is_full() {
                            return Ok(chunk.done(false));
                        }
                        match item {
                            local::Item::Record(record) if record.position > after.0 => {
                                let position = Position(record.position);
                                chunk.take(decode(&mut decoder, &record, selection)?, position);
                            }
                            local::Item::Removed(mut run) if run.last > after.0 => {
                                run.first = run.first.max(after.0 + 1);
                                chunk.removed(&run, selection, Position(run.last));
                            }
                            _ => {}
                        }
                    }
                    // What follows the last item was removed, and nobody misses it.
                    chunk.reached = chunk.reached.max(Position(frame.last_position()));
                }
                Err(local::ReadError::Removed(run)) => chunk.removed(&run, selection, Position(run.last)),
                Err(local::ReadError::Gap(damage)) => {
                    if !damage.lost.is_nothing() {
                        chunk.gap(&damage, Position(damage.lost.last));
                    }
                }
                Err(error) => return Err(ReadError::Engine(Box::new(error))),
            }
        }
    }

    fn read_back(&self, before: Position, selection: &Selection, budget: Budget) -> Result<Chunk, ReadError> {
        let mut chunk = Collecting::new(budget, before);
        for next in self.0.frames_back(before.0).only(Self::passes(selection)) {
            match next {
                Ok(frame) => {
                    let mut decoder = codec::Decoder::new(&frame);
                    let items: Vec<_> = frame.items().collect();
                    for item in items.into_iter().rev() {
                        if chunk.is_full() {
                            return Ok(chunk.done(false));
                        }
                        match item {
                            local::Item::Record(record) if record.position < before.0 => {
                                let position = Position(record.position);
                                chunk.take(decode(&mut decoder, &record, selection)?, position);
                            }
                            local::Item::Removed(mut run) if run.first < before.0 => {
                                run.last = run.last.min(before.0 - 1);
                                chunk.removed(&run, selection, Position(run.first));
                            }
                            _ => {}
                        }
                    }
                }
                Err(local::ReadError::Removed(run)) => chunk.removed(&run, selection, Position(run.first)),
                Err(local::ReadError::Gap(damage)) => {
                    if !damage.lost.is_nothing() {
                        chunk.gap(&damage, Position(damage.lost.first));
                    }
                }
                Err(error) => return Err(ReadError::Engine(Box::new(error))),
            }
        }
        chunk.reached = Position(0);
        Ok(chunk.done(true))
    }

    fn get(&self, position: Position) -> Result<Option<Recorded>, ReadError> {
        match self.0.read_at(position.0) {
            Ok(Some(frame)) => match frame.record(position.0) {
                Some(record) => codec::decode(&frame, &record).map(Some),
                None => Ok(None),
            },
            Ok(None) | Err(local::ReadError::Gap(_)) => Ok(None),
            Err(error) => Err(ReadError::Engine(Box::new(error))),
        }
    }

    fn find(&self, term: Term, after: Position, limit: usize) -> Result<Vec<Position>, ReadError> {
        let (class, hash) = match term {
            Term::EventId(hash) => (local::Term::ID, hash),
            Term::Correlation(hash) => (local::Term::CORRELATION, hash),
            Term::Stream(hash) => (local::Term::STREAM, hash),
        };
        let found = self.0.lookup(class, hash, after.0.saturating_add(1), limit);
        let found = found.map_err(|error| ReadError::Engine(Box::new(error)))?;
        Ok(found.into_iter().map(Position).collect())
    }

    fn before_time(&self, time: Timestamp) -> Result<Position, ReadError> {
        let since = u64::try_from(time.0).unwrap_or(0);
        let mut frames = self.0.frames(1).only(move |summary| summary.log_time_ms >= since);
        loop {
            return match frames.next() {
                None => Ok(self.durable()),
                Some(Ok(frame)) => Ok(Position(frame.first_position().saturating_sub(1))),
                Some(Err(local::ReadError::Gap(_) | local::ReadError::Removed(_))) => continue,
                Some(Err(error)) => Err(ReadError::Engine(Box::new(error))),
            };
        }
    }

    fn removed(&self, position: Position) -> Result<Option<GapCause>, ReadError> {
        let removed = match self.0.read_at(position.0) {
            Ok(Some(_)) => return Ok(None),
            Ok(None) => self.0.removed_at(position.0),
            Err(error) => Err(error),
        };
        match removed {
            Ok(run) => Ok(run.and_then(|run| run.cause_for(None))),
            Err(local::ReadError::Gap(_)) => Ok(Some(GapCause::Damaged)),
            Err(error) => Err(ReadError::Engine(Box::new(error))),
        }
    }

    fn damage(&self) -> Vec<String> {
        self.0.damage().iter().map(ToString::to_string).collect()
    }
}

/// Decodes a record when it may be looked for.
fn decode(
    decoder: &mut codec::Decoder<'_>,
    record: &local::Record<'_>,
    selection: &Selection,
) -> Result<Option<Recorded>, ReadError> {
    if selection.events_only && record.number != 1 {
        return Ok(None);
    }
    decoder.decode(record).map(|recorded| selection.wants(&recorded).then_some(recorded))
}

/// Entries collected within a budget.
struct Collecting {
    entries: Vec<Entry>,
    left: Budget,
    reached: Position,
}

impl Collecting {
    fn new(budget: Budget, from: Position) -> Self {
        Self { entries: Vec::new(), left: budget, reached: from }
    }

    fn is_full(&self) -> bool {
        self.left.entries == 0 || self.left.records == 0 || (self.left.bytes == 0 && !self.entries.is_empty())
    }

    fn take(&mut self, found: Option<Recorded>, position: Position) {
        self.left.records = self.left.records.saturating_sub(1);
        self.reached = position;
        let Some(recorded) = found else { return };
        self.left.entries -= 1;
        self.left.bytes = self.left.bytes.saturating_sub(weight(&recorded));
        self.entries.push(Entry::Fact(recorded));
    }

    /// Tells what was removed, if somebody who looks for this misses it.
    fn removed(&mut self, run: &local::Run, selection: &Selection, reached: Position) {
        self.left.records = self.left.records.saturating_sub(1);
        self.reached = reached;
        let Some(cause) = run.cause_for(selection.topic.as_deref().map(hash::of)) else { return };
        let (first, last) = (Position(run.first), Position(run.last));
        let reason = |from: Position, to: Position| format!("positions {from} to {to} are {cause}");
        // With nothing between them that is looked for, two gaps are one.
        match self.entries.last_mut() {
            Some(Entry::Gap { from, to, cause: before, reason: words }) if *before == cause => {
                (*from, *to) = ((*from).min(first), (*to).max(last));
                *words = reason(*from, *to);
            }
            _ => {
                self.left.entries = self.left.entries.saturating_sub(1);
                self.entries.push(Entry::Gap { from: first, to: last, cause, reason: reason(first, last) });
            }
        }
    }

    fn gap(&mut self, damage: &local::Damage, reached: Position) {
        let (from, to) = (Position(damage.lost.first), Position(damage.lost.last));
        self.entries.push(Entry::Gap { from, to, cause: GapCause::Damaged, reason: damage.to_string() });
        self.reached = reached;
    }

    fn done(self, end: bool) -> Chunk {
        Chunk { entries: self.entries, reached: self.reached, end }
    }
}

/// About how many bytes a fact takes.
pub(crate) fn weight(recorded: &Recorded) -> usize {
    match &recorded.fact {
        cantus_core::fact::Fact::EventPublished(published) => published.event.weight(),
        cantus_core::fact::Fact::DeadLetterOpened(opened) => opened.event.weight() + 8 * 1024,
        _ => 256,
    }
}

struct LocalCheckpoint {
    checkpoint: local::Checkpoint,
    reader: LocalReader,
}

fn failed(error: local::CheckpointError) -> CheckpointError {
    CheckpointError(Box::new(error))
}

impl Checkpoint for LocalCheckpoint {
    fn reached(&self) -> (Position, Timestamp) {
        let position = Position(self.checkpoint.reached());
        (position, self.reader.time_of(position, self.checkpoint.log_time_ms()))
    }

    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, CheckpointError> {
        self.checkpoint.load(key).map_err(failed)
    }

    fn rows(&self, skip: &[u8], row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), CheckpointError> {
        for entry in self.checkpoint.scan(&[]) {
            let (key, value) = entry.map_err(failed)?;
            if key.first().is_none_or(|kind| !skip.contains(kind)) {
                row(&key, &value);
            }
        }
        Ok(())
    }

    fn commit(
        &mut self,
        rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
        reached: Position,
        at: Timestamp,
    ) -> Result<(), CheckpointError> {
        self.checkpoint.commit(rows, reached.0, u64::try_from(at.0).unwrap_or(0)).map_err(failed)
    }

    fn freeze(&self) -> Box<dyn Frozen> {
        Box::new(LocalFrozen { rows: self.checkpoint.freeze(), reader: self.reader.clone() })
    }

    fn clear(&mut self) -> Result<(), CheckpointError> {
        self.checkpoint.clear().map_err(failed)
    }

    fn close(self: Box<Self>) -> Result<(), CheckpointError> {
        self.checkpoint.close().map_err(failed)
    }
}

struct LocalFrozen {
    rows: local::FrozenRows,
    reader: LocalReader,
}

impl Frozen for LocalFrozen {
    fn reached(&self) -> (Position, Timestamp) {
        let position = Position(self.rows.reached());
        (position, self.reader.time_of(position, self.rows.log_time_ms()))
    }

    fn rows(&self, row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), CheckpointError> {
        for entry in self.rows.scan() {
            let (key, value) = entry.map_err(failed)?;
            row(&key, &value);
        }
        Ok(())
    }
}
