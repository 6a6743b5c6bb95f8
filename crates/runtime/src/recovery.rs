//! How the state is rebuilt: the rows of the checkpoint, or of a base where that has reached further, then every fact
//! behind them.

use cantus_core::coordinator::Limits;
use cantus_core::row::Key;
use cantus_core::state::{Impossible, RowError};
use cantus_core::{Coordinator, Position, State, Timestamp};
use cantus_engine::{
    BaseInfo, Budget, Checkpoint, CheckpointError, Entry, GapCause, Housekeeping, HousekeepingError,
    ReadError, Reader, Selection,
};

/// Why the state can not be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The log can not be read.
    #[error("the log can not be read")]
    Read(#[from] ReadError),
    /// A fact contradicts those before it.
    #[error("the log contradicts itself")]
    Impossible(#[from] Impossible),
    /// A base can not be put into the checkpoint.
    #[error("the checkpoint can not take the state of a base; stop, delete its folder and start again")]
    Checkpoint(#[from] CheckpointError),
}

/// Why the rows of a checkpoint are not used. The log is the truth: everything is replayed.
#[derive(Debug, thiserror::Error)]
enum RowsError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Row(#[from] RowError),
    #[error(transparent)]
    Base(#[from] HousekeepingError),
    #[error("a row has a key that is not known")]
    Key,
}

/// What was rebuilt.
pub(crate) struct Recovered {
    pub(crate) coordinator: Coordinator,
    /// Parts of the log that were found lost, and why.
    pub(crate) gaps: Vec<(Position, Position, String)>,
    /// How many facts behind them could not be followed.
    pub(crate) orphans: u64,
}

/// Rebuilds the state from the newest of what there is: a checkpoint, or a base if that has reached further (the
/// checkpoint was deleted, or a power cut threw it back). The base's rows become the checkpoint's.
pub(crate) fn recover_with_bases(
    reader: &dyn Reader,
    checkpoint: &mut dyn Checkpoint,
    housekeeping: &dyn Housekeeping,
    limits: Limits,
) -> Result<Recovered, RecoveryError> {
    bring_base(reader, checkpoint, housekeeping)?;
    recover(reader, checkpoint, limits)
}

fn bring_base(
    reader: &dyn Reader,
    checkpoint: &mut dyn Checkpoint,
    housekeeping: &dyn Housekeeping,
) -> Result<(), RecoveryError> {
    let durable = reader.durable();
    for base in housekeeping.bases().iter().filter(|base| base.reached <= durable) {
        if base.reached <= checkpoint.reached().0 {
            return Ok(());
        }
        match restore_base(housekeeping, base) {
            Ok(()) => {
                tracing::info!(base = %base.reached, checkpoint = %checkpoint.reached().0, "the state begins with a base");
                return fill(checkpoint, housekeeping, base);
            }
            Err(error) => {
                let reason = crate::telemetry::chain(&error);
                tracing::error!(base = %base.reached, reason, "a base is not used; an older one is looked for");
            }
        }
    }
    Ok(())
}

/// Reads a base as the state it is, to see that it can be.
fn restore_base(housekeeping: &dyn Housekeeping, base: &BaseInfo) -> Result<(), RowsError> {
    let mut state = State::default();
    let mut failed: Option<RowsError> = None;
    housekeeping.read_base(base, &mut |key, row| {
        if failed.is_none() {
            failed = restore(&mut state, key, row).err();
        }
    })?;
    failed.map_or(Ok(()), Err)
}

/// Makes a base's rows those of the checkpoint. Until the last of them are in, the checkpoint has reached nothing.
fn fill(
    checkpoint: &mut dyn Checkpoint,
    housekeeping: &dyn Housekeeping,
    base: &BaseInfo,
) -> Result<(), RecoveryError> {
    /// Bytes of rows written at once.
    const STEP: usize = 4 * 1024 * 1024;
    checkpoint.clear()?;
    let (mut rows, mut bytes, mut failed) = (Vec::new(), 0, None);
    let read = housekeeping.read_base(base, &mut |key, row| {
        bytes += key.len() + row.len();
        rows.push((key.to_vec(), Some(row.to_vec())));
        if bytes >= STEP && failed.is_none() {
            bytes = 0;
            failed = checkpoint.commit(std::mem::take(&mut rows), Position(0), Timestamp::default()).err();
        }
    });
    if let Err(error) = read {
        // It was whole a moment ago.
        return Err(CheckpointError(Box::new(error)).into());
    }
    if let Some(error) = failed {
        return Err(error.into());
    }
    Ok(checkpoint.commit(rows, base.reached, base.at)?)
}

/// Rebuilds the state from a checkpoint and the log. Rows that are not used are removed: what is written down later only says
/// what changed since.
pub(crate) fn recover(
    reader: &dyn Reader,
    checkpoint: &mut dyn Checkpoint,
    limits: Limits,
) -> Result<Recovered, RecoveryError> {
    let kept = kept(checkpoint);
    if kept.is_none() {
        checkpoint.clear()?;
    }
    if checkpoint.reached().0 == Position(0) && has_rows(checkpoint) {
        // They were on their way when the process ended.
        checkpoint.clear()?;
    }
    replay(reader, kept.unwrap_or_default(), limits)
}

/// As [`recover`], for who only wants to know: nothing is removed.
#[cfg(feature = "simulation")]
pub(crate) fn look(
    reader: &dyn Reader,
    checkpoint: &dyn Checkpoint,
    limits: Limits,
) -> Result<Recovered, RecoveryError> {
    replay(reader, kept(checkpoint).unwrap_or_default(), limits)
}

/// The state that a checkpoint has kept; None when it can not be used.
fn kept(checkpoint: &dyn Checkpoint) -> Option<State> {
    rows(checkpoint)
        .inspect_err(|error| {
            let reason = crate::telemetry::chain(error);
            tracing::warn!(reason, "the checkpoint is not used; the whole log is replayed");
        })
        .ok()
}

/// Follows the log from where a state stands.
fn replay(reader: &dyn Reader, mut state: State, limits: Limits) -> Result<Recovered, RecoveryError> {
    let started = std::time::Instant::now();
    // Cold rows are asked for one by one; with nothing in the checkpoint the replay brings all of them.
    state.streams_complete = state.position == Position(0);
    let from = state.position;
    let (mut replayed, mut orphans, mut gap) = (0u64, 0u64, false);
    let mut gaps = Vec::new();
    loop {
        let budget = Budget { entries: 10_000, records: 10_000, bytes: 32 * 1024 * 1024 };
        let chunk = reader.read(state.position, &Selection::default(), budget)?;
        for entry in &chunk.entries {
            match entry {
                Entry::Fact(recorded) => match state.apply(recorded) {
                    Ok(()) => replayed += 1,
                    // Behind a gap facts may speak of what was lost: counted, not fatal.
                    Err(Impossible::Missing { .. } | Impossible::Move { .. }) if gap => {
                        orphans += 1;
                        state.position = recorded.position;
                        state.at = recorded.at;
                    }
                    Err(impossible) => return Err(impossible.into()),
                },
                Entry::Gap { from, to, cause, reason } => {
                    // What is removed on purpose lies before a base; without that it is missed like what was lost.
                    if *cause == GapCause::Damaged {
                        gaps.push((*from, *to, reason.clone()));
                        tracing::error!(%from, %to, reason, "a part of the log is lost; recovery goes on behind it");
                    } else {
                        tracing::warn!(%from, %to, reason, "the state begins before facts that were removed");
                    }
                    gap = true;
                    state.position = *to;
                }
            }
        }
        if chunk.end {
            break;
        }
        state.position = state.position.max(chunk.reached);
    }
    state.position = state.position.max(reader.durable());
    let took_ms = started.elapsed().as_millis() as u64;
    tracing::info!(checkpoint = %from, end = %state.position, replayed, orphans, took_ms, "state rebuilt");
    Ok(Recovered { coordinator: Coordinator::new(state, limits), gaps, orphans })
}

/// Tells whether there are rows, or whether that can not be told.
fn has_rows(checkpoint: &dyn Checkpoint) -> bool {
    let mut any = false;
    checkpoint.rows(&[], &mut |_, _| any = true).is_err() || any
}

fn rows(checkpoint: &dyn Checkpoint) -> Result<State, RowsError> {
    let mut state = State::default();
    let (reached, at) = checkpoint.reached();
    if reached == Position(0) {
        return Ok(state);
    }
    let mut failed: Option<RowsError> = None;
    let cold = [Key::Stream(0).to_bytes()[0]];
    checkpoint.rows(&cold, &mut |key, row| {
        if failed.is_some() {
            return;
        }
        failed = restore(&mut state, key, row).err();
    })?;
    if let Some(failed) = failed {
        return Err(failed);
    }
    state.finish_restore(reached, at);
    Ok(state)
}

fn restore(state: &mut State, key: &[u8], row: &[u8]) -> Result<(), RowsError> {
    let key = Key::from_bytes(key).ok_or(RowsError::Key)?;
    Ok(state.restore(key, row)?)
}
