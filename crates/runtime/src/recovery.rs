//! How the state is rebuilt: the checkpoint's rows, then every fact behind them.

use cantus_core::coordinator::Limits;
use cantus_core::row::Key;
use cantus_core::state::{Impossible, RowError};
use cantus_core::{Coordinator, Position, State};
use cantus_engine::{Budget, Checkpoint, CheckpointError, Entry, ReadError, Reader, Selection};

/// Why the state can not be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The log can not be read.
    #[error("the log can not be read")]
    Read(#[from] ReadError),
    /// A fact contradicts those before it.
    #[error("the log contradicts itself")]
    Impossible(#[from] Impossible),
}

/// Why the rows of a checkpoint are not used. The log is the truth: everything is replayed.
#[derive(Debug, thiserror::Error)]
enum RowsError {
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Row(#[from] RowError),
    #[error("a row has a key that is not known")]
    Key,
}

/// What was rebuilt.
pub(crate) struct Recovered {
    pub(crate) coordinator: Coordinator,
}

/// Rebuilds the state.
pub(crate) fn recover(
    reader: &dyn Reader,
    checkpoint: &dyn Checkpoint,
    limits: Limits,
) -> Result<Recovered, RecoveryError> {
    let started = std::time::Instant::now();
    let mut state = match rows(checkpoint) {
        Ok(state) => state,
        Err(error) => {
            let reason = crate::telemetry::chain(&error);
            tracing::warn!(reason, "the checkpoint is not used; the whole log is replayed");
            State::default()
        }
    };
    // Cold rows are asked for one by one; with nothing in the checkpoint the replay brings all of them.
    state.streams_complete = state.position == Position(0);
    let from = state.position;
    let (mut replayed, mut orphans) = (0u64, 0u64);
    loop {
        let budget = Budget { entries: 10_000, records: 10_000, bytes: 32 * 1024 * 1024 };
        let chunk = reader.read(state.position, &Selection::default(), budget)?;
        let mut gap = false;
        for entry in &chunk.entries {
            match entry {
                Entry::Fact(recorded) => match state.apply(recorded) {
                    Ok(()) => replayed += 1,
                    // Behind a gap facts may speak of what was lost: counted, not fatal.
                    Err(Impossible::Missing { .. } | Impossible::Move { .. }) if gap || orphans > 0 => {
                        orphans += 1;
                        state.position = recorded.position;
                        state.at = recorded.at;
                    }
                    Err(impossible) => return Err(impossible.into()),
                },
                Entry::Gap { from, to, reason, .. } => {
                    tracing::error!(%from, %to, reason, "a part of the log is lost; recovery goes on behind it");
                    gap = true;
                    orphans += u64::from(orphans == 0);
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
    Ok(Recovered { coordinator: Coordinator::new(state, limits) })
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
        match Key::from_bytes(key) {
            Some(key) => failed = state.restore(key, row).err().map(RowsError::from),
            None => failed = Some(RowsError::Key),
        }
    })?;
    if let Some(failed) = failed {
        return Err(failed);
    }
    state.finish_restore(reached, at);
    Ok(state)
}
