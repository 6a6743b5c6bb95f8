//! Bases: all state, written down before the facts go that led to it.

use cantus_core::Position;

use super::keeper::{Keeper, Trouble};

impl Keeper {
    /// Sees to it that facts up to a position may go: two bases have reached it.
    pub(super) fn ensure_droppable(&self, position: Position) -> Result<(), Trouble> {
        if self.log.droppable() >= position {
            return Ok(());
        }
        self.write_bases(position)
    }

    /// Writes two bases of the same state, as of a position that is at least the one given. Whichever of the two rots,
    /// the other one is there.
    pub(super) fn write_bases(&self, at_least: Position) -> Result<(), Trouble> {
        let state = self.freeze(at_least)?;
        for _ in 0..2 {
            let base = self.paced(|| Ok(self.log.write_base(&*state)?))?;
            tracing::debug!(reached = %base.reached, rows = base.rows, bytes = base.bytes, "base written");
            self.status().note(|report| report.bases += 1);
        }
        Ok(())
    }
}
