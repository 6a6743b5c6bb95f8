//! Accepting a loss: what can not be read any more is put aside, and the log says in its place that it is lost.
//!
//! Nothing is deleted: damaged files stay beside the log under another name. What can be read of them is kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::beginning::Beginning;
use super::checksum::genesis;
use super::damage::Lost;
use super::describe::Describe;
use super::disk::{Access, Disk, read_full, write_all};
use super::error::{DiskError, Doing, OpenError};
use super::housekeeper::Housekeeper;
use super::inventory::Inventory;
use super::log::Log;
use super::options::Options;
use super::removed::{GapCause, Group, Run};
use super::segment::{Segment, SegmentHeader};

const STEP: usize = 1024 * 1024;

/// What a repair has done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repaired {
    /// The positions that are lost, in order.
    pub lost: Vec<Lost>,
    /// Where the damaged files are now.
    pub aside: Vec<PathBuf>,
}

/// Repairs the log in `dir`, which nobody else may have open: accepts that damaged ranges are lost, keeps the damaged files
/// aside, and leaves a log that opens and tells its readers what is missing. A healthy log stays as it is.
///
/// # Errors
/// As opening fails, but for damage. What was done until then stays done; repairing again goes on.
pub fn repair(dir: &Path, options: Options, describe: Arc<dyn Describe>) -> Result<Repaired, OpenError> {
    let mut repaired = Repaired::default();
    let options = Options { accept_damage: true, ..options };
    let disk = options.disk.clone();
    let inventory = Inventory::take(&*disk, dir, Access::Read)?;
    let bad_bases = inventory.damaged_bases();
    let (log, _) = Log::open(dir, options, describe)?;
    for path in bad_bases {
        let to = aside(&path);
        disk.rename(&path, &to).doing("renaming", &path)?;
        repaired.aside.push(to);
    }
    disk.sync_dir(dir).doing("syncing", dir)?;
    let keeper = log.housekeeper();
    begin_behind_loss(&keeper, &mut repaired)?;
    let mut before: Option<Arc<Segment>> = None;
    for at in 0.. {
        let segments = keeper.shared.segments();
        let (Some(segment), Some(_next)) = (segments.get(at), segments.get(at + 1)) else { break };
        let end = header_of(&keeper, segment, before.as_deref());
        if let Some(mending) = keeper.damage_of(segment)? {
            let to = keep_aside(&*disk, dir, &segment.path)?;
            repaired.aside.push(to);
            repaired.lost.extend(mending.lost().filter(|lost| !lost.is_nothing()));
            keeper.mend(segment, end, mending)?;
        }
        before = keeper.shared.segments().get(at).cloned();
    }
    Ok(repaired)
}

/// The name of a damaged file that is kept.
fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".damaged");
    PathBuf::from(name)
}

/// Gives a damaged file a second name, or copies it where that is not possible. Earlier ones stay.
fn keep_aside(disk: &dyn Disk, dir: &Path, path: &Path) -> Result<PathBuf, DiskError> {
    let names = disk.list(dir).doing("listing", dir)?;
    let taken = |to: &Path| {
        let name = to.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        names.iter().any(|known| known == name)
    };
    let mut to = aside(path);
    let mut number = 1;
    while taken(&to) {
        number += 1;
        to = aside(path).with_extension(format!("damaged-{number}"));
    }
    if disk.link(path, &to).is_err() {
        let from = disk.open(path, Access::Read).doing("opening", path)?;
        let file = disk.create(&to).doing("creating", &to)?;
        let length = from.len().doing("measuring", path)?;
        let mut buffer = vec![0; STEP];
        for at in (0..length).step_by(STEP) {
            // What the device can not read stays zeros in the copy.
            let count = read_full(&*from, at, &mut buffer).unwrap_or(0);
            write_all(&*file, at, &buffer[..count]).doing("writing", &to)?;
        }
        file.fdatasync().doing("syncing", &to)?;
    }
    disk.sync_dir(dir).doing("syncing", dir)?;
    Ok(to)
}

/// The oldest segments are missing: the log begins behind them.
fn begin_behind_loss(keeper: &Housekeeper, repaired: &mut Repaired) -> Result<(), DiskError> {
    let shared = &keeper.shared;
    let known = shared.beginning();
    let begin = known.as_ref().map_or(1, |beginning| beginning.first_position);
    let segments = shared.segments();
    let Some((first, header)) = segments.first().and_then(|first| Some((first, first.header?))) else {
        return Ok(());
    };
    let chain = known.as_ref().map_or(genesis(shared.log_id), |beginning| beginning.chain);
    if (first.first_position, header.previous_chain) == (begin, chain) {
        return Ok(());
    }
    let lost = Lost::until(begin, first.first_position);
    let mut run = known.and_then(|beginning| beginning.run.clone());
    if !lost.is_nothing() {
        let groups = vec![Group { cause: GapCause::Damaged, topic: 0, records: 0 }];
        let more = Run { first: lost.first, last: lost.last, groups };
        match &mut run {
            Some(run) => run.join(&more),
            None => run = Some(more),
        }
        repaired.lost.push(lost);
    }
    let (first_position, chain) = (first.first_position, header.previous_chain);
    let beginning = Beginning { log_id: shared.log_id, first_position, chain, run };
    beginning.write(&*shared.disk, &shared.dir)?;
    shared.begin_at(beginning);
    Ok(())
}

/// The header a mended segment gets: its own, or what its neighbours say of it.
fn header_of(keeper: &Housekeeper, segment: &Segment, before: Option<&Segment>) -> SegmentHeader {
    if let Some(header) = segment.header {
        return SegmentHeader { revision: header.revision + 1, flags: 0, ..header };
    }
    let (chain, log_time_ms) = match before.map(|before| before.index().totals()) {
        Some(totals) => (totals.chain, totals.log_time_ms),
        None => (keeper.shared.beginning().map_or(genesis(keeper.shared.log_id), |it| it.chain), 0),
    };
    SegmentHeader {
        flags: 0,
        log_id: keeper.shared.log_id,
        generation: before.and_then(|before| before.header).map_or(1, |header| header.generation + 1),
        first_position: segment.first_position,
        previous_chain: chain,
        prepared_bytes: 0,
        log_time_ms,
        revision: 1,
    }
}
