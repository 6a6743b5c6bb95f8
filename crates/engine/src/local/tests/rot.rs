//! Flip any bit of what was synced: it is found, it is told, and wrong bytes are never served.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use proptest::prelude::*;

use super::given::{
    DIR, Seen, append_numbered, describe, numbered, open, open_accepting, read_all, segments, try_open,
};
use crate::local::model_disk::ModelDisk;
use crate::local::{OpenError, Term, verify};

const RECORDS: u64 = 70;

/// A log of several segments whose newest record is vouched for by a mark.
fn healthy() -> ModelDisk {
    static MADE: OnceLock<ModelDisk> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let disk = ModelDisk::default();
        let (mut log, _) = open(&disk);
        append_numbered(&mut log, RECORDS as usize, 1000);
        log.mark().unwrap();
        disk
    });
    // Everything is synced: a power loss leaves an exact copy.
    made.after_power_loss(0)
}

/// Every record that is seen is the right one, and every one that is not seen is told as lost.
fn check_seen(seen: &[Seen]) -> Result<(), TestCaseError> {
    let mut next = 1;
    for seen in seen {
        match seen {
            Seen::Record(position, bytes) => {
                prop_assert_eq!(*position, next);
                prop_assert_eq!(bytes, &numbered(*position, 1000));
                next += 1;
            }
            Seen::Gap(first, last) => {
                prop_assert_eq!(*first, next);
                next = last + 1;
            }
        }
    }
    prop_assert!(next > RECORDS, "positions from {} on are neither there nor told as lost", next);
    Ok(())
}

fn check_log(disk: &ModelDisk) -> Result<(), TestCaseError> {
    let report = verify(disk, Path::new(DIR), &describe, &mut |_, _| {});
    let opened = try_open(disk);
    if let Err(error) = &opened {
        let refused = matches!(error, OpenError::Damaged { .. } | OpenError::UnknownVersion { .. });
        prop_assert!(refused, "{}", error);
    }
    let log = match opened {
        Ok((log, _)) => log,
        Err(OpenError::UnknownVersion { .. }) => return Ok(()),
        Err(_) => {
            prop_assert!(report.is_ok_and(|report| !report.is_healthy()), "verify sees what open refuses");
            open_accepting(disk).0
        }
    };
    let reader = log.reader();
    check_seen(&read_all(&reader))?;
    let lost = reader.damage();
    for position in [1, RECORDS / 2, RECORDS] {
        let found = reader.lookup(Term::ID, xxhash_rust::xxh3::xxh3_64(&numbered(position, 1000)), 0, 9);
        let is_lost = lost.iter().any(|damage| damage.lost.holds(position));
        prop_assert!(is_lost || found.is_ok_and(|found| found == [position]), "position {}", position);
    }
    Ok(())
}

/// Every file there is but the lock, and where its meaningful bytes end.
fn targets(disk: &ModelDisk) -> Vec<(PathBuf, usize)> {
    let written = |path: &PathBuf| {
        let bytes = disk.contents(path).unwrap_or_default();
        bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
    };
    let mut paths = disk.paths();
    paths.retain(|path| {
        path.extension().is_some_and(|extension| extension == "segment" || extension == "idx")
    });
    paths.into_iter().map(|path| (path.clone(), written(&path))).collect()
}

proptest! {
    #[test]
    fn one_flipped_bit_is_found_and_never_served(file: prop::sample::Index, place: prop::sample::Index, bit in 0u8..8) {
        let disk = healthy();
        let targets = targets(&disk);
        let (path, bytes) = file.get(&targets);
        let at = place.index(*bytes);
        disk.tamper(path, |bytes| bytes[at] ^= 1 << bit);
        check_log(&disk)?;
    }

    #[test]
    fn a_zeroed_block_is_found_and_never_served(file: prop::sample::Index, place: prop::sample::Index) {
        let disk = healthy();
        let targets = targets(&disk);
        let (path, bytes) = file.get(&targets);
        let at = place.index(*bytes) / 4096 * 4096;
        disk.tamper(path, |bytes| {
            let end = bytes.len().min(at + 4096);
            bytes[at..end].fill(0);
        });
        check_log(&disk)?;
    }

    #[test]
    fn a_block_from_elsewhere_is_found_and_never_served(
        files: (prop::sample::Index, prop::sample::Index),
        places: (prop::sample::Index, prop::sample::Index),
    ) {
        let disk = healthy();
        let targets = targets(&disk);
        let (from, from_bytes) = files.0.get(&targets);
        let (to, to_bytes) = files.1.get(&targets);
        let source = places.0.index(*from_bytes) / 4096 * 4096;
        let target = places.1.index(*to_bytes) / 4096 * 4096;
        let block = disk.contents(from).unwrap();
        let block = &block[source..block.len().min(source + 4096)];
        disk.tamper(to, |bytes| {
            let end = bytes.len().min(target + block.len());
            bytes[target..end].copy_from_slice(&block[..end - target]);
        });
        check_log(&disk)?;
    }

    #[test]
    fn a_flipped_bit_is_never_served_while_running(place: prop::sample::Index, bit in 0u8..8, file: prop::sample::Index) {
        let disk = ModelDisk::default();
        let (mut log, _) = open(&disk);
        append_numbered(&mut log, RECORDS as usize, 1000);
        let targets = targets(&disk);
        let (path, bytes) = file.get(&targets);
        let at = place.index(*bytes);
        disk.tamper(path, |bytes| bytes[at] ^= 1 << bit);
        check_seen(&read_all(&log.reader()))?;
        let mut back: Vec<Seen> = Vec::new();
        for frame in log.reader().frames_back(u64::MAX) {
            match frame {
                Ok(frame) => back.extend(frame.records().map(|record| Seen::Record(record.position, record.payload.to_vec()))),
                Err(crate::local::ReadError::Gap(damage)) => back.push(Seen::Gap(damage.lost.first, damage.lost.last)),
                Err(error) => return Err(TestCaseError::fail(error.to_string())),
            }
        }
        back.reverse();
        check_seen(&back)?;
        prop_assert!(segments(&disk).len() > 2);
    }
}
