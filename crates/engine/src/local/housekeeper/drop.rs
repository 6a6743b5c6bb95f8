//! Dropping the oldest segments: first it is written down that they go, then they go.

use std::sync::Arc;

use super::{Housekeeper, RewriteError};
use crate::local::beginning::Beginning;
use crate::local::error::{DiskError, Doing};
use crate::local::removed::{GapCause, Group, Run};
use crate::local::segment::{Segment, name};

impl Housekeeper {
    /// Drops the oldest segments that end before a position, without reading them; never the one being written. Returns
    /// how many went, the bytes of their records, and the last position that went.
    ///
    /// # Errors
    /// Fails if the disk does: then they are gone or all there.
    pub fn drop_before(&self, position: u64, cause: GapCause) -> Result<(usize, u64, u64), RewriteError> {
        let _alone = self.alone();
        let segments = self.shared.segments();
        let goes = segments.iter().skip(1).take_while(|next| next.first_position <= position).count();
        let (Some(first), Some(next)) = (segments.first(), segments.get(goes)) else { return Ok((0, 0, 0)) };
        if goes == 0 {
            return Ok((0, 0, 0));
        }
        let groups = vec![Group { cause, topic: 0, records: 0 }];
        let run = Run { first: first.first_position, last: next.first_position - 1, groups };
        let bytes = segments[..goes].iter().map(|segment| segment.index().totals().end_offset).sum();
        self.drop_segments(&segments[..goes], next, Some(run))?;
        Ok((goes, bytes, next.first_position - 1))
    }

    /// Drops the oldest segments, up to `next`. `run` is what readers are told of them.
    pub(super) fn drop_segments(
        &self,
        goes: &[Arc<Segment>],
        next: &Segment,
        run: Option<Run>,
    ) -> Result<(), DiskError> {
        let shared = &self.shared;
        // What was erased is not to lie about in a file that waits to be used again.
        let erased = |run: &Run| run.groups.iter().any(|group| group.cause == GapCause::Erased);
        let recycle = !run.as_ref().is_some_and(erased);
        let chain = match (next.header, goes.last()) {
            (Some(header), _) => header.previous_chain,
            (None, last) => last.map_or(0, |last| last.index().totals().chain),
        };
        let before = shared.beginning().and_then(|beginning| beginning.run.clone());
        let run = match (before, run) {
            (Some(mut before), Some(run)) => {
                before.join(&run);
                Some(before)
            }
            (before, run) => before.or(run),
        };
        let first_position = next.first_position;
        let beginning = Beginning { log_id: shared.log_id, first_position, chain, run };
        beginning.write(&*shared.disk, &shared.dir)?;
        let paths: Vec<_> = goes.iter().map(|segment| segment.path.clone()).collect();
        drop(shared.begin_at(beginning).into_iter().collect::<Vec<_>>());
        // What fails from here on is done by the next start.
        for (segment, path) in goes.iter().zip(paths) {
            let index = name::index(&shared.dir, segment.first_position);
            match shared.disk.unlink(&index) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(DiskError { action: "removing", path: index, source: error });
                }
                _ => {}
            }
            // Whoever still reads it would see it change: the caller's list holds it once.
            let unread = Arc::strong_count(segment) <= ALONE;
            if !(recycle && unread && self.work.recycle(&path)?) {
                shared.disk.unlink(&path).doing("removing", &path)?;
            }
        }
        shared.disk.sync_dir(&shared.dir).doing("syncing", &shared.dir)
    }
}

/// How many hold a segment that nobody reads while it is dropped: the caller's list, and whoever named it.
const ALONE: usize = 2;
