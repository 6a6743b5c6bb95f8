//! Bases of an open log: writing, listing, reading.

use super::Housekeeper;
use crate::local::base::{self, Base, BaseError, BaseHeader, Writing};
use crate::local::window::Source;

impl Housekeeper {
    /// Writes a base of a position; `rows` is called once, with what takes its rows. Only when it is durable and was read
    /// back are older ones removed: two are kept.
    ///
    /// # Errors
    /// Nothing is changed then.
    pub fn write_base<E: From<BaseError>>(
        &self,
        reached: u64,
        log_time_ms: u64,
        rows: impl FnOnce(&mut dyn FnMut(&[u8], &[u8])) -> Result<(), E>,
    ) -> Result<BaseHeader, E> {
        let _alone = self.alone();
        let shared = &self.shared;
        let number = shared.bases().iter().map(|known| known.number).max().unwrap_or(0) + 1;
        let mut writing =
            Writing::begin(&*shared.disk, &shared.dir, shared.log_id, reached, number, log_time_ms)?;
        let mut failed = None;
        let given = rows(&mut |key, value| {
            if failed.is_none() {
                failed = writing.row(key, value).err();
            }
        });
        let failed = given.err().or_else(|| failed.map(E::from));
        if let Some(error) = failed {
            writing.give_up();
            return Err(error);
        }
        let header = writing.finish()?;
        shared.bases().insert(0, header);
        self.remove_old_bases();
        Ok(header)
    }

    fn remove_old_bases(&self) {
        let shared = &self.shared;
        let mut bases = shared.bases();
        let kept = base::KEPT.min(bases.len());
        let old = bases.split_off(kept);
        drop(bases);
        for old in old {
            let path = base::path_of(&shared.dir, old.reached, old.number);
            if let Err(error) = shared.disk.unlink(&path) {
                tracing::warn!(%error, file = %path.display(), "an old base could not be removed; the next start does it");
            }
        }
        if let Err(error) = shared.disk.sync_dir(&shared.dir) {
            tracing::warn!(%error, "old bases may come back after a power loss; the next start removes them");
        }
    }

    /// Returns the bases there are, newest first.
    pub fn bases(&self) -> Vec<BaseHeader> {
        self.shared.bases().clone()
    }

    /// Calls `row` with every row of a base. If it fails, what was given is worth nothing.
    ///
    /// # Errors
    /// Fails if the base is damaged, or the disk fails.
    pub fn read_base(&self, header: &BaseHeader, row: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), BaseError> {
        let shared = &self.shared;
        let base = Base::open(&*shared.disk, &shared.dir, header.reached, header.number);
        let read = base.and_then(|base| base.read(Source::Cache, row));
        if let Err(BaseError::Damaged { .. }) = &read {
            self.forget_damaged_base(header);
        }
        read
    }

    /// A damaged base counts for nothing: no fact goes because of it. Its file stays.
    pub(super) fn forget_damaged_base(&self, header: &BaseHeader) {
        self.shared.bases().retain(|known| known != header);
    }
}
