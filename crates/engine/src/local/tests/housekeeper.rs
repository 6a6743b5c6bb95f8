//! Whatever is removed, replaced, copied or looked at, and wherever the power goes: what was to stay is there, what went is
//! told, and the log goes on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::given::{
    DIR, append, append_numbered, describe, numbered, open, options, segments, try_open, write,
};
use crate::local::model_disk::{Faults, ModelDisk};
use crate::local::{
    BackupError, Cause, Frame, FrameBuilder, GapCause, Housekeeper, Item, Log, ReadError, Reader,
    RewriteError, Run, Sifted, repair, verify,
};

const RECORDS: u64 = 500;
const BACKUP: &str = "backup";

/// Sifts records by their position.
fn dropping(goes: impl Fn(u64) -> bool) -> impl FnMut(&Frame, &mut FrameBuilder) -> Sifted {
    move |frame, left| {
        if !frame.records().any(|record| goes(record.position)) {
            return Sifted::Same;
        }
        let words = frame.words();
        for number in 0..words.len() {
            left.word(words.get(number as u32).expect("the word is there"));
        }
        let (mut run, mut stays): (Option<Run>, bool) = (None, false);
        for item in frame.items() {
            let gone = match item {
                Item::Removed(gone) => gone,
                Item::Record(record) if goes(record.position) => {
                    Run::of(record.position, GapCause::Expired, None)
                }
                Item::Record(record) => {
                    if let Some(run) = run.take() {
                        left.removed(&run);
                    }
                    stays = true;
                    left.record(record.position, record.number, record.slice_end, record.payload).unwrap();
                    continue;
                }
            };
            match &mut run {
                Some(run) => run.join(&gone),
                None => run = Some(gone),
            }
        }
        if !stays {
            return Sifted::Gone(run);
        }
        if let Some(run) = run {
            left.removed(&run);
        }
        Sifted::Changed
    }
}

/// A log of several segments, frames of one and of three records, vouched for by a mark.
fn healthy() -> ModelDisk {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    while log.next_position() <= RECORDS {
        let first = log.next_position();
        append(&mut log, &[&numbered(first, 700), &numbered(first + 1, 30), &numbered(first + 2, 300)]);
        append_numbered(&mut log, 1, 500);
    }
    log.mark().unwrap();
    disk
}

/// An exact copy: everything is synced.
fn copy(disk: &ModelDisk) -> ModelDisk {
    disk.after_power_loss(0)
}

fn firsts(keeping: &Housekeeper) -> Vec<u64> {
    keeping.segments().iter().filter(|it| it.sealed).map(|it| it.first_position).collect()
}

fn base(keeping: &Housekeeper, reached: u64, rows: u8) -> Result<(), crate::local::BaseError> {
    let written = keeping.write_base(reached, reached + 1, |row| {
        (0..rows).for_each(|number| row(&[number], &vec![number; 3000]));
        Ok(())
    });
    written.map(|_| ())
}

/// What a reader is given, by position.
type Found = Vec<(u64, Result<Vec<u8>, GapCause>)>;

/// What a reader is given, by position: a record's bytes, or why it is gone.
fn read(reader: &Reader) -> Result<Found, String> {
    let mut seen = Vec::new();
    let gone = |run: &Run, seen: &mut Found| {
        let cause = run.cause_for(None).expect("a run has a cause");
        seen.extend((run.first..=run.last).map(|position| (position, Err(cause))));
    };
    for frame in reader.frames(1) {
        match frame {
            Ok(frame) => {
                for item in frame.items() {
                    match item {
                        Item::Record(record) => seen.push((record.position, Ok(record.payload.to_vec()))),
                        Item::Removed(run) => gone(&run, &mut seen),
                    }
                }
            }
            Err(ReadError::Removed(run)) => gone(&run, &mut seen),
            Err(ReadError::Gap(damage)) => {
                let lost = damage.lost.first..=damage.lost.last;
                seen.extend(lost.map(|position| (position, Err(GapCause::Damaged))));
            }
            Err(error) => return Err(format!("reading fails: {error}")),
        }
    }
    Ok(seen)
}

fn payload(position: u64) -> Vec<u8> {
    numbered(
        position,
        match position % 4 {
            1 => 700,
            2 => 30,
            3 => 300,
            _ => 500,
        },
    )
}

/// Everything is told once, in order; what is there is what was written; what may not be gone is there.
fn check_seen(reader: &Reader, end: u64, may_go: &dyn Fn(u64) -> bool) -> Result<(), String> {
    let seen = read(reader)?;
    let mut next = 1;
    for (position, found) in &seen {
        if *position != next {
            return Err(format!("position {next} should follow, {position} does"));
        }
        next += 1;
        match found {
            Ok(bytes) if *bytes == payload(*position) => {}
            Ok(_) => return Err(format!("position {position} has other bytes")),
            Err(GapCause::Expired) if may_go(*position) => {}
            Err(cause) => return Err(format!("position {position} is {cause}")),
        }
    }
    if next <= end { Err(format!("the log ends before {next}, {end} was answered")) } else { Ok(()) }
}

fn goes(position: u64) -> bool {
    position < 180 && !position.is_multiple_of(5)
}

/// A morning of housekeeping, with a writer at work; until something fails. Returns what was answered.
fn morning(disk: &ModelDisk) -> u64 {
    let mut durable = RECORDS;
    let Ok((mut log, _)) = try_open(disk) else { return durable };
    let keeping = log.housekeeper();
    let mut go = || -> Result<(), String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let mut publish = |log: &mut Log, count: usize| -> Result<(), String> {
            for _ in 0..count {
                let bytes = payload(log.next_position());
                write(log, &[&bytes]).map_err(|error| told(&error))?;
                durable = log.sync().map_err(|error| told(&error))?.position;
            }
            Ok(())
        };
        base(&keeping, 100, 3).map_err(|error| told(&error))?;
        base(&keeping, 110, 4).map_err(|error| told(&error))?;
        let all = firsts(&keeping);
        for first in &all[..3] {
            keeping.rewrite(*first, &mut dropping(goes)).map_err(|error| told(&error))?;
        }
        publish(&mut log, 2)?;
        base(&keeping, 115, 5).map_err(|error| told(&error))?;
        // The oldest goes as a whole, then what was rewritten is written anew again.
        keeping.rewrite(all[0], &mut dropping(|_| true)).map_err(|error| told(&error))?;
        keeping.rewrite(all[1], &mut dropping(|position| position < 90)).map_err(|error| told(&error))?;
        keeping.drop_before(all[2], GapCause::Expired).map_err(|error| told(&error))?;
        publish(&mut log, 100)?;
        keeping.request_seal();
        publish(&mut log, 2)?;
        keeping.backup(Path::new(BACKUP), true).map_err(|error| told(&error))?;
        keeping.wipe().map_err(|error| told(&error))?;
        Ok(())
    };
    let _ = go();
    durable
}

/// The first segments of the log, as far as the morning may remove them: all before the third.
fn third_segment(disk: &ModelDisk) -> u64 {
    let (log, _) = open(&copy(disk));
    firsts(&log.housekeeper())[2]
}

fn check(disk: &ModelDisk, durable: u64, third: u64) -> Result<(), String> {
    let (mut log, recovered) = try_open(disk).map_err(|error| format!("the log does not open: {error}"))?;
    if !recovered.damage.is_empty() {
        return Err(format!("there is damage: {:?}", recovered.damage));
    }
    let may_go = |position: u64| position < third || goes(position);
    check_seen(&log.reader(), durable, &may_go)?;
    let keeping = log.housekeeper();
    for header in keeping.bases() {
        let mut rows = 0;
        keeping.read_base(&header, &mut |_, _| rows += 1).map_err(|error| error.to_string())?;
        if rows != header.rows {
            return Err(format!("a base has {rows} rows instead of {}", header.rows));
        }
    }
    // And it goes on: what was cut short can be done now.
    for first in firsts(&keeping) {
        keeping.rewrite(first, &mut dropping(goes)).map_err(|error| error.to_string())?;
    }
    let bytes = payload(log.next_position());
    append(&mut log, &[&bytes]);
    check_seen(&log.reader(), durable, &may_go)?;
    drop((keeping, log));
    let report =
        verify(disk, Path::new(DIR), &describe, &mut |_, _| {}).map_err(|error| error.to_string())?;
    if !report.is_healthy() {
        return Err(format!("verify finds {:?}", report.damage));
    }
    let (log, again) = try_open(disk).map_err(|error| format!("it does not open again: {error}"))?;
    if again.cut.is_some() || !again.damage.is_empty() {
        return Err(format!("the second start finds {again:?}"));
    }
    check_seen(&log.reader(), recovered.end + 1, &may_go)
}

#[test]
fn a_power_loss_at_any_operation_of_housekeeping_loses_nothing_that_was_to_stay() {
    let healthy = healthy();
    let third = third_segment(&healthy);
    let whole = copy(&healthy);
    morning(&whole);
    let operations = whole.operations();
    assert!(operations > 100, "the morning has {operations} operations");
    for at in 1..=operations {
        // The first ones all, then in steps: much of it is the same again and again.
        if at > 60 && at % 5 != 0 {
            continue;
        }
        let disk = copy(&healthy);
        disk.set_faults(Faults {
            power_loss_at: Some(at),
            no_device_reads: at % 2 == 0,
            ..Faults::default()
        });
        let durable = morning(&disk);
        let after = disk.after_power_loss(at * 7);
        check(&after, durable, third).unwrap_or_else(|what| panic!("power loss at {at}: {what}"));
    }
}

#[test]
fn a_kill_at_any_operation_of_housekeeping_loses_nothing_that_was_to_stay() {
    let healthy = healthy();
    let third = third_segment(&healthy);
    let whole = copy(&healthy);
    morning(&whole);
    for at in (1..=whole.operations()).filter(|at| *at < 40 || at % 11 == 0) {
        let disk = copy(&healthy);
        disk.set_faults(Faults { power_loss_at: Some(at), ..Faults::default() });
        let durable = morning(&disk);
        // What was written is in the page cache.
        disk.set_faults(Faults::default());
        check(&disk, durable, third).unwrap_or_else(|what| panic!("killed at {at}: {what}"));
    }
}

#[test]
fn a_failing_sync_of_housekeeping_loses_nothing_that_was_to_stay() {
    let healthy = healthy();
    let third = third_segment(&healthy);
    let whole = copy(&healthy);
    morning(&whole);
    for failing in (1..=whole.syncs()).filter(|at| *at < 20 || at % 9 == 0) {
        for power_too in [false, true] {
            let disk = copy(&healthy);
            disk.set_faults(Faults { failing_sync: Some(failing), ..Faults::default() });
            let durable = morning(&disk);
            disk.set_faults(Faults::default());
            let disk = if power_too { disk.after_power_loss(failing) } else { disk };
            check(&disk, durable, third).unwrap_or_else(|what| panic!("sync {failing} fails: {what}"));
        }
    }
}

#[test]
fn a_full_disk_stops_a_rewrite_and_changes_nothing_and_dropping_makes_room() {
    let disk = healthy();
    let (mut log, _) = open(&disk);
    let keeping = log.housekeeper();
    let all = firsts(&keeping);
    disk.set_faults(Faults { bytes_max: Some(disk.used_bytes() + 8192), ..Faults::default() });
    let refused = keeping.rewrite(all[1], &mut dropping(goes));
    assert!(matches!(&refused, Err(RewriteError::Disk(error)) if error.is_full()), "{refused:?}");
    assert!(base(&keeping, 100, 9).is_err());
    check_seen(&log.reader(), RECORDS, &|_| false).unwrap();
    assert!(disk.paths().iter().all(|path| !path.ends_with(".tmp")), "nothing half-made takes the room");
    keeping.drop_before(all[3], GapCause::Expired).unwrap();
    keeping.rewrite(all[3], &mut dropping(goes)).unwrap();
    let bytes = payload(log.next_position());
    append(&mut log, &[&bytes]);
    let third = all[3];
    check_seen(&log.reader(), RECORDS, &|position| position < third || goes(position)).unwrap();
}

#[test]
fn a_reader_that_is_at_a_segment_goes_on_while_it_is_written_anew() {
    let disk = healthy();
    let (log, _) = open(&disk);
    let keeping = log.housekeeper();
    let reader = log.reader();
    let mut frames = reader.frames(1);
    let first = frames.next().unwrap().unwrap();
    assert_eq!(first.first_position(), 1);
    let all = firsts(&keeping);
    for first in &all {
        keeping.rewrite(*first, &mut dropping(|position| position % 2 == 0)).unwrap();
    }
    keeping.drop_before(all[1], GapCause::Expired).unwrap();
    let mut last = first.last_position();
    for frame in frames {
        match frame {
            Ok(frame) => {
                assert_eq!(frame.first_position(), last + 1, "nothing is left out");
                last = frame.last_position();
            }
            Err(ReadError::Removed(run)) => last = run.last,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(last >= RECORDS);
    assert_eq!(reader.damage(), []);
}

#[test]
fn dropped_files_become_the_next_segments_and_their_old_frames_are_never_seen() {
    let disk = healthy();
    let (mut log, _) = open(&disk);
    let keeping = log.housekeeper();
    let all = firsts(&keeping);
    keeping.drop_before(all[4], GapCause::Expired).unwrap();
    let recycled = |disk: &ModelDisk| -> Vec<PathBuf> {
        let mut paths = disk.paths();
        paths.retain(|path| path.extension().is_some_and(|it| it == "recycled"));
        paths
    };
    assert_eq!(recycled(&disk).len(), 2, "not more than needed is kept");
    let before = disk.used_bytes();
    while recycled(&disk).len() > 1 {
        let bytes = payload(log.next_position());
        append(&mut log, &[&bytes]);
    }
    assert!(disk.used_bytes() <= before, "no new file was needed");
    let newest = segments(&disk).pop().unwrap();
    let bytes = disk.contents(&newest).unwrap();
    assert!(bytes[bytes.len() / 2..].windows(6).any(|it| it == b"record"), "its end still holds old records");
    let end = log.next_position() - 1;
    drop((keeping, log));
    let (mut log, recovered) = open(&disk);
    assert_eq!((recovered.end, recovered.cut, recovered.damage), (end, None, vec![]));
    let keeping = log.housekeeper();
    // What waits to be used again is wiped; so is the end of what was sealed.
    keeping.request_seal();
    let bytes = payload(log.next_position());
    append(&mut log, &[&bytes]);
    keeping.wipe().unwrap();
    assert_eq!(recycled(&disk), Vec::<PathBuf>::new());
    let old = payload(10);
    for path in disk.paths() {
        let bytes = disk.contents(&path).unwrap();
        assert!(!bytes.windows(old.len()).any(|it| it == old), "{} holds a dropped record", path.display());
    }
}

#[test]
fn a_backup_is_a_log_of_its_own_whatever_becomes_of_the_original() {
    for links in [true, false] {
        let disk = healthy();
        let (mut log, _) = open(&disk);
        let keeping = log.housekeeper();
        base(&keeping, 100, 3).unwrap();
        let bytes = payload(log.next_position());
        write(&mut log, &[&bytes]).unwrap();
        let durable = log.reader().durable();
        let done = keeping.backup(Path::new(BACKUP), links).unwrap();
        assert_eq!((done.up_to, done.linked > 0), (durable, links));
        assert!(matches!(keeping.backup(Path::new(BACKUP), links), Err(BackupError::Occupied(_))));
        log.sync().unwrap();
        // The original goes on: it is rewritten, dropped, its files used again.
        let all = firsts(&keeping);
        keeping.rewrite(all[4], &mut dropping(|_| true)).unwrap();
        keeping.drop_before(all[4], GapCause::Erased).unwrap();
        keeping.drop_before(all[5], GapCause::Expired).unwrap();
        for _ in 0..150 {
            let bytes = payload(log.next_position());
            append(&mut log, &[&bytes]);
        }
        keeping.wipe().unwrap();
        drop((keeping, log));
        let dir = Path::new(BACKUP);
        let report = verify(&disk, dir, &describe, &mut |_, _| {}).unwrap();
        assert_eq!((report.damage, report.end), (vec![], durable));
        let (mut log, recovered) = Log::open(dir, options(&disk), std::sync::Arc::new(describe)).unwrap();
        assert_eq!((recovered.end, recovered.damage, recovered.cut), (durable, vec![], None));
        check_seen(&log.reader(), durable, &|_| false).unwrap();
        assert_eq!(log.housekeeper().bases().len(), 1);
        let bytes = payload(log.next_position());
        append(&mut log, &[&bytes]);
        check_seen(&log.reader(), durable + 1, &|_| false).unwrap();
    }
}

/// A log that was written anew in part, dropped in part, with two bases.
fn kept() -> ModelDisk {
    let disk = healthy();
    let (log, _) = open(&disk);
    let keeping = log.housekeeper();
    base(&keeping, 100, 3).unwrap();
    base(&keeping, 110, 4).unwrap();
    let all = firsts(&keeping);
    keeping.drop_before(all[1], GapCause::Expired).unwrap();
    for first in &all[1..] {
        keeping.rewrite(*first, &mut dropping(|position| position % 3 == 0)).unwrap();
    }
    disk
}

/// Whatever is damaged: what is read is right, or told; nothing else is.
fn check_rot(disk: &ModelDisk, expected: &[(u64, Result<Vec<u8>, GapCause>)]) -> Result<(), TestCaseError> {
    let accepting = crate::local::Options { accept_damage: true, ..options(disk) };
    let opened = try_open(disk);
    let log = match opened {
        Ok((log, _)) => log,
        Err(crate::local::OpenError::UnknownVersion { .. }) => return Ok(()),
        Err(_) => match Log::open(Path::new(DIR), accepting, std::sync::Arc::new(describe)) {
            Ok((log, _)) => log,
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        },
    };
    let seen = read(&log.reader()).map_err(TestCaseError::fail)?;
    let there: BTreeSet<u64> = seen.iter().map(|(position, _)| *position).collect();
    for (position, was) in expected {
        prop_assert!(there.contains(position), "position {} is neither there nor told", position);
        let is = &seen.iter().find(|(it, _)| it == position).expect("it is there").1;
        prop_assert!(is == was || *is == Err(GapCause::Damaged), "position {}", position);
    }
    let keeping = log.housekeeper();
    let mut whole = 0;
    for header in keeping.bases() {
        let mut rows = Vec::new();
        if keeping.read_base(&header, &mut |key, row| rows.push((key.to_vec(), row.to_vec()))).is_ok() {
            let right = rows
                .iter()
                .enumerate()
                .all(|(at, (key, row))| key[..] == [at as u8] && row[..] == vec![at as u8; 3000][..]);
            prop_assert!(right && rows.len() as u64 == header.rows, "a base gives wrong rows");
            whole += 1;
        }
    }
    prop_assert!(whole >= 1, "one bad place takes both bases");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn rot_of_what_was_written_anew_of_bases_and_of_the_beginning_is_found_and_never_served(
        file: prop::sample::Index,
        place: prop::sample::Index,
        bit in 0u8..8,
        block: bool,
    ) {
        let disk = kept();
        let expected = { let (log, _) = open(&copy(&disk)); read(&log.reader()).map_err(TestCaseError::fail)? };
        let mut paths = disk.paths();
        paths.retain(|path| {
            let kind = path.extension().and_then(|it| it.to_str()).unwrap_or("");
            ["segment", "idx", "base"].contains(&kind) || path.ends_with("beginning")
        });
        let path = file.get(&paths);
        let length = disk.contents(path).unwrap().iter().rposition(|&byte| byte != 0).unwrap_or(0) + 1;
        let at = place.index(length);
        disk.tamper(path, |bytes| {
            if block {
                let start = at / 4096 * 4096;
                let end = bytes.len().min(start + 4096);
                bytes[start..end].fill(0);
            } else {
                bytes[at] ^= 1 << bit;
            }
        });
        check_rot(&disk, &expected)?;
    }
}

/// A repair leaves a whole log, says what is lost, and keeps the damaged files.
fn check_repair(disk: &ModelDisk, expected: &[(u64, Result<Vec<u8>, GapCause>)], asides: usize) {
    let describe = std::sync::Arc::new(describe);
    let repaired = repair(Path::new(DIR), options(disk), describe.clone()).unwrap();
    assert_eq!(repaired.aside.len(), asides, "{repaired:?}");
    assert!(repaired.aside.iter().all(|path| disk.contents(path).is_some()));
    let (log, recovered) = open(disk);
    assert_eq!((recovered.damage, log.reader().damage()), (vec![], vec![]));
    let seen = read(&log.reader()).unwrap();
    for (position, was) in expected {
        let is = &seen.iter().find(|(it, _)| it == position).expect("it is there or told").1;
        let is_lost = repaired.lost.iter().any(|lost| lost.holds(*position));
        assert!(
            if is_lost { *is == Err(GapCause::Damaged) } else { is == was },
            "position {position}: {repaired:?}"
        );
    }
    drop(log);
    let report = verify(disk, Path::new(DIR), &*describe, &mut |_, _| {}).unwrap();
    assert_eq!(report.damage, vec![]);
    let again = repair(Path::new(DIR), options(disk), describe).unwrap();
    assert_eq!((again.lost, again.aside), (vec![], Vec::<PathBuf>::new()), "there is nothing left to repair");
}

#[test]
fn a_repair_accepts_what_is_lost_and_keeps_everything_else() {
    let disk = kept();
    let expected = read(&open(&copy(&disk)).0.reader()).unwrap();
    let all = segments(&disk);
    disk.tamper(&all[1], |bytes| bytes[4096 + 300] ^= 1);
    disk.tamper(all.last().unwrap(), |bytes| bytes[4096 + 300] ^= 1);
    assert!(try_open(&disk).is_err(), "the newest segment is damaged");
    check_repair(&disk, &expected, 2);
}

#[test]
fn a_repair_goes_round_missing_and_swapped_segments() {
    let disk = healthy();
    let expected = read(&open(&copy(&disk)).0.reader()).unwrap();
    let all = segments(&disk);
    let (one, two) = (disk.contents(&all[1]).unwrap(), disk.contents(&all[2]).unwrap());
    disk.tamper(&all[1], |bytes| *bytes = two);
    disk.tamper(&all[2], |bytes| *bytes = one);
    check_repair(&disk, &expected, 2);

    let disk = healthy();
    crate::local::Disk::unlink(&disk, &segments(&disk)[0]).unwrap();
    crate::local::Disk::unlink(&disk, &segments(&disk)[2]).unwrap();
    check_repair(&disk, &expected, 1);
}

#[test]
fn a_scrub_finds_rot_in_segments_and_bases_that_nobody_reads() {
    let disk = kept();
    let (log, _) = open(&disk);
    let keeping = log.housekeeper();
    let all = |keeping: &Housekeeper| {
        let (mut from, mut damage) = (0, Vec::new());
        loop {
            let step = keeping.scrub(from, 10_000).unwrap();
            damage.extend(step.damage);
            from = step.next;
            if from == 0 {
                return damage;
            }
        }
    };
    assert_eq!(all(&keeping), []);
    let segment = segments(&disk)[1].clone();
    disk.tamper(&segment, |bytes| bytes[4096 + 200] ^= 1);
    let newest = disk.paths().into_iter().rfind(|it| it.extension().is_some_and(|it| it == "base"));
    disk.tamper(&newest.unwrap(), |bytes| bytes[5000] ^= 1);
    let found = all(&keeping);
    assert_eq!(found.iter().map(|damage| damage.cause).collect::<Vec<_>>(), [Cause::Frame, Cause::Base]);
    assert_eq!(log.reader().damage(), found);
    assert_eq!(keeping.bases().len(), 1, "a damaged base holds nothing");
    let refused = keeping.rewrite(firsts(&keeping)[1], &mut dropping(|_| true));
    assert!(
        matches!(refused, Err(RewriteError::Damaged(_))),
        "damage is not swept under the carpet: {refused:?}"
    );
}
