//! The checkpoint of a simulation: rows in memory, of which a crash leaves the newest, older ones, or none. It is a cache.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cantus_core::row::Key;
use cantus_core::{Position, Timestamp};
use cantus_engine::{Checkpoint, CheckpointError, Frozen, Reader};

use crate::chance::Chance;

/// How many commits back a crash may set the rows.
const COMMITS_KEPT: usize = 6;

type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Debug, Default)]
struct Version {
    rows: Rows,
    reached: Position,
    at: Timestamp,
}

/// What is kept on the side of the log. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct KeptRows {
    versions: Arc<Mutex<VecDeque<Version>>>,
    /// The log that the rows must never be ahead of.
    log: Option<Arc<dyn Reader>>,
    /// Set when they were.
    ahead: Arc<Mutex<Option<String>>>,
    /// For positive controls: rows of the dedupe windows are not written.
    forgets_dedupe: bool,
}

impl KeptRows {
    /// Nothing is kept yet.
    pub(crate) fn new(forgets_dedupe: bool) -> Self {
        Self { forgets_dedupe, ..Self::default() }
    }

    /// Returns the same rows beside a log: they are never to be ahead of it.
    pub(crate) fn beside(&self, log: Arc<dyn Reader>) -> Self {
        Self { log: Some(log), ..self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Version>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A crash: the newest rows stay, or older ones, or none. Tells what was left, in words.
    pub(crate) fn crash(&self, chance: &mut Chance) -> &'static str {
        let mut versions = self.lock();
        match chance.weighted(&[5, 3, 2]) {
            0 => "kept",
            1 => {
                let kept = chance.index(versions.len() + 1);
                versions.truncate(kept);
                "behind"
            }
            _ => {
                versions.clear();
                "lost"
            }
        }
    }

    /// Tells when rows were written that the log did not have for certain.
    pub(crate) fn was_ahead(&self) -> Option<String> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Checkpoint for KeptRows {
    fn reached(&self) -> (Position, Timestamp) {
        self.lock().back().map_or_else(Default::default, |version| (version.reached, version.at))
    }

    fn load(&self, key: &[u8]) -> Result<Option<Vec<u8>>, CheckpointError> {
        Ok(self.lock().back().and_then(|version| version.rows.get(key).cloned()))
    }

    fn rows(&self, skip: &[u8], row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), CheckpointError> {
        let versions = self.lock();
        let Some(version) = versions.back() else { return Ok(()) };
        for (key, value) in &version.rows {
            if key.first().is_none_or(|kind| !skip.contains(kind)) {
                row(key, value);
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
        let mut versions = self.lock();
        let mut next = versions.back().cloned().unwrap_or_default();
        if reached < next.reached {
            return Err(CheckpointError(
                format!("rows of {reached} come after those of {}", next.reached).into(),
            ));
        }
        if let Some(durable) = self.log.as_ref().map(|log| log.durable()).filter(|durable| reached > *durable)
        {
            *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(format!("rows of {reached} were written while the log was durable up to {durable}"));
        }
        let dedupe = Key::Dedupe(cantus_core::Text::from("t"), 0).to_bytes()[0];
        for (key, value) in rows {
            if self.forgets_dedupe && key.first() == Some(&dedupe) {
                continue;
            }
            match value {
                Some(value) => next.rows.insert(key, value),
                None => next.rows.remove(&key),
            };
        }
        (next.reached, next.at) = (reached, at);
        versions.push_back(next);
        if versions.len() > COMMITS_KEPT {
            versions.pop_front();
        }
        Ok(())
    }

    fn freeze(&self) -> Box<dyn Frozen> {
        Box::new(self.lock().back().cloned().unwrap_or_default())
    }

    fn clear(&mut self) -> Result<(), CheckpointError> {
        self.lock().clear();
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), CheckpointError> {
        Ok(())
    }
}

impl Frozen for Version {
    fn reached(&self) -> (Position, Timestamp) {
        (self.reached, self.at)
    }

    fn rows(&self, row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), CheckpointError> {
        self.rows.iter().for_each(|(key, value)| row(key, value));
        Ok(())
    }
}
