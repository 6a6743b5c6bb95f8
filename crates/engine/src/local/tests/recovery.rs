//! Opening: torn tails are cut, damage is told, nothing is guessed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::given::{
    DIR, Seen, append, append_numbered, describe, frame_offsets, numbered, open, open_accepting, options,
    read_all, segments, try_open, write,
};
use crate::local::model_disk::{Faults, ModelDisk};
use crate::local::{Cause, Disk, OpenError, ReadError, repair, verify};

fn newest(disk: &ModelDisk) -> PathBuf {
    segments(disk).pop().expect("there is a segment")
}

fn flip(disk: &ModelDisk, path: &Path, offset: usize) {
    disk.tamper(path, |bytes| bytes[offset] ^= 0x10);
}

#[test]
fn a_torn_tail_is_copied_aside_and_cut_and_its_positions_are_given_again() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append(&mut log, &[b"synced"]);
    write(&mut log, &[b"torn, never synced"]).unwrap();
    drop(log);
    let segment = newest(&disk);
    let at = frame_offsets(&disk.contents(&segment).unwrap())[1];
    flip(&disk, &segment, at + 100);
    let torn = disk.contents(&segment).unwrap()[at..].to_vec();
    let (mut log, recovered) = open(&disk);
    assert_eq!((recovered.end, recovered.damage), (1, vec![]));
    let cut = recovered.cut.unwrap();
    assert_eq!((cut.offset, &cut.file), (at as u64, &segment));
    assert_eq!(disk.contents(&cut.copy).unwrap(), torn[..cut.bytes as usize]);
    assert!(disk.contents(&segment).unwrap()[at..].iter().all(|&byte| byte == 0));
    assert_eq!(append(&mut log, &[b"in its place"]), 2);
    drop(log);
    assert_eq!(open(&disk).1.cut, None);
}

#[test]
fn on_a_full_disk_a_torn_tail_is_put_aside_in_the_place_of_the_next_segment() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append(&mut log, &[b"synced"]);
    log.secure(log.sure_bytes() + 1).unwrap();
    write(&mut log, &[b"torn, never synced"]).unwrap();
    drop(log);
    let segment = newest(&disk);
    let at = frame_offsets(&disk.contents(&segment).unwrap())[1];
    flip(&disk, &segment, at + 100);
    let torn = disk.contents(&segment).unwrap()[at..].to_vec();
    disk.set_faults(Faults { bytes_max: Some(disk.used_bytes()), ..Faults::default() });
    let (mut log, recovered) = open(&disk);
    let cut = recovered.cut.unwrap();
    assert_eq!(disk.contents(&cut.copy).unwrap()[..cut.bytes as usize], torn[..cut.bytes as usize]);
    assert_eq!(append(&mut log, &[b"in its place"]), 2);
    disk.set_faults(Faults::default());
    append_numbered(&mut log, 20, 1_000);
    assert_eq!(read_all(&log.reader()).len(), 22);
}

#[test]
fn whole_frames_behind_a_torn_one_are_part_of_the_tail_if_none_of_it_was_synced() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append(&mut log, &[b"synced"]);
    for text in [&b"torn"[..], b"whole, and just as unsynced", b"another"] {
        write(&mut log, &[text]).unwrap();
    }
    drop(log);
    let segment = newest(&disk);
    let at = frame_offsets(&disk.contents(&segment).unwrap())[1];
    flip(&disk, &segment, at + 90);
    let (log, recovered) = open(&disk);
    assert_eq!((recovered.end, recovered.damage), (1, vec![]));
    assert_eq!(read_all(&log.reader()), [Seen::Record(1, b"synced".to_vec())]);
}

#[test]
fn a_kill_takes_what_was_not_written_out_and_nothing_else() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append(&mut log, &[b"synced"]);
    write(&mut log, &[b"written out"]).unwrap();
    log.write_out().unwrap();
    write(&mut log, &[b"in memory"]).unwrap();
    disk.set_faults(Faults { power_loss_at: Some(1), ..Faults::default() });
    drop(log);
    disk.set_faults(Faults::default());
    let (log, recovered) = open(&disk);
    assert_eq!((recovered.end, recovered.cut, recovered.damage), (2, None, vec![]));
    let seen = [Seen::Record(1, b"synced".to_vec()), Seen::Record(2, b"written out".to_vec())];
    assert_eq!(read_all(&log.reader()), seen);
}

#[test]
fn copies_of_tails_do_not_pile_up() {
    let disk = ModelDisk::default();
    for _ in 0..40 {
        let (mut log, _) = open(&disk);
        write(&mut log, &[b"torn"]).unwrap();
        drop(log);
        flip(&disk, &newest(&disk), 4096 + 100);
    }
    let copies = disk.paths().iter().filter(|path| path.to_string_lossy().contains(".tail-")).count();
    assert_eq!(copies, 16);
}

#[test]
fn a_bad_frame_below_a_later_mark_is_damage_and_nothing_is_touched() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append(&mut log, &[b"one"]);
    append(&mut log, &[b"two", b"three"]);
    append(&mut log, &[b"four"]);
    drop(log);
    let segment = newest(&disk);
    let at = frame_offsets(&disk.contents(&segment).unwrap())[1];
    flip(&disk, &segment, at + 97);
    let before: Vec<_> = disk.paths().iter().map(|path| disk.contents(path)).collect();
    let error = try_open(&disk).unwrap_err();
    let text = error.to_string();
    let OpenError::Damaged { damage } = error else { panic!("{text}") };
    assert_eq!((damage[0].offset, damage[0].lost.first, damage[0].lost.last), (at as u64, 2, 3));
    for part in [segment.to_str().unwrap(), &at.to_string(), "positions 2 to 3", "cantus log verify"] {
        assert!(text.contains(part), "{text:?} names {part:?}");
    }
    assert_eq!(disk.paths().iter().map(|path| disk.contents(path)).collect::<Vec<_>>(), before);
    let report = verify(&disk, Path::new(DIR), &describe, &mut |_, _| {}).unwrap();
    assert_eq!(report.damage, damage);
}

#[test]
fn the_last_frame_is_protected_by_a_mark() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append(&mut log, &[b"one"]);
    append(&mut log, &[b"the last"]);
    log.mark().unwrap();
    drop(log);
    let segment = newest(&disk);
    let at = frame_offsets(&disk.contents(&segment).unwrap())[1];
    disk.tamper(&segment, |bytes| bytes[at..at + 64].fill(0));
    assert!(matches!(try_open(&disk), Err(OpenError::Damaged { .. })));
}

#[test]
fn one_damaged_block_never_takes_the_last_frame_and_its_mark() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append(&mut log, &[b"one"]);
    append(&mut log, &[b"the last"]);
    log.mark().unwrap();
    drop(log);
    let segment = newest(&disk);
    disk.tamper(&segment, |bytes| bytes[4096..8192].fill(0));
    let Err(OpenError::Damaged { damage }) = try_open(&disk) else { panic!("damage is told") };
    assert_eq!((damage[0].lost.first, damage[0].lost.last), (1, 2));
}

#[test]
fn a_damaged_mark_is_as_good_as_none() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append(&mut log, &[b"one"]);
    log.mark().unwrap();
    drop(log);
    let segment = newest(&disk);
    let mark =
        disk.contents(&segment).unwrap()[8192..].windows(4).position(|bytes| bytes == b"CFRM").unwrap();
    flip(&disk, &segment, 8192 + mark + 50);
    let (mut log, recovered) = open(&disk);
    assert_eq!((recovered.end, recovered.damage), (1, vec![]));
    append(&mut log, &[b"two"]);
    drop(log);
    assert_eq!(open(&disk).1.end, 2);
}

#[test]
fn marks_take_no_room_and_are_written_over() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    for number in 1..=100 {
        append_numbered(&mut log, 1, 100);
        log.mark().unwrap();
        if number % 7 == 0 {
            drop(log);
            let (again, recovered) = open(&disk);
            assert_eq!((recovered.end, recovered.cut, recovered.damage), (number, None, vec![]));
            log = again;
        }
    }
    assert_eq!(read_all(&log.reader()).len(), 100);
    assert!(segments(&disk).len() <= 2, "{:?}", segments(&disk));
}

#[test]
fn a_bad_frame_in_a_group_that_was_synced_together_takes_no_whole_frame_along() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    for text in [&b"one"[..], b"two", b"three"] {
        write(&mut log, &[text]).unwrap();
    }
    log.sync().unwrap();
    append(&mut log, &[b"four"]);
    drop(log);
    let segment = newest(&disk);
    let at = frame_offsets(&disk.contents(&segment).unwrap())[0];
    flip(&disk, &segment, at + 97);
    let (log, _) = open_accepting(&disk);
    let seen = read_all(&log.reader());
    assert_eq!(seen[..2], [Seen::Gap(1, 1), Seen::Record(2, b"two".to_vec())]);
    assert_eq!(seen.len(), 4);
}

#[test]
fn accepted_damage_is_a_gap_that_stays_and_the_log_goes_on_behind_it() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    for text in [&b"one"[..], b"two", b"three"] {
        append(&mut log, &[text]);
    }
    drop(log);
    let segment = newest(&disk);
    let at = frame_offsets(&disk.contents(&segment).unwrap())[1];
    flip(&disk, &segment, at + 97);
    let kept = disk.contents(&segment);
    let (mut log, recovered) = open_accepting(&disk);
    assert_eq!((recovered.end, recovered.damage.len()), (3, 1));
    assert_eq!(append(&mut log, &[b"four"]), 4);
    let expected = [
        Seen::Record(1, b"one".to_vec()),
        Seen::Gap(2, 2),
        Seen::Record(3, b"three".to_vec()),
        Seen::Record(4, b"four".to_vec()),
    ];
    assert_eq!(read_all(&log.reader()), expected);
    assert!(matches!(log.reader().read_at(2), Err(ReadError::Gap(_))));
    let back: Vec<bool> = log.reader().frames_back(u64::MAX).map(|frame| frame.is_ok()).collect();
    assert_eq!(back, [true, true, false, true]);
    drop(log);
    let (log, recovered) = open(&disk);
    assert_eq!(recovered.damage.len(), 1, "every start says so again");
    assert_eq!(read_all(&log.reader()), expected);
    assert_eq!(disk.contents(&segment), kept, "the damaged file is kept as it is");
}

#[test]
fn damage_in_a_sealed_segment_lets_the_start_go_on_with_a_gap() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 60, 1000);
    drop(log);
    let first = segments(&disk)[0].clone();
    let at = frame_offsets(&disk.contents(&first).unwrap())[3];
    flip(&disk, &first, at + 300);
    let (log, _) = open(&disk);
    let mut expected: Vec<Seen> = (1..=60).map(|n| Seen::Record(n, numbered(n, 1000))).collect();
    expected[3] = Seen::Gap(4, 4);
    assert_eq!(read_all(&log.reader()), expected);
    assert_eq!(log.reader().damage().len(), 1);
    drop(log);
    disk.unlink(&first.with_extension("idx")).unwrap();
    let (log, recovered) = open(&disk);
    assert_eq!((recovered.indexes_rebuilt, recovered.damage.len()), (1, 1), "a new index knows the gap");
    assert_eq!(read_all(&log.reader()), expected);
}

#[test]
fn missing_and_damaged_indexes_are_made_anew_with_the_same_answers() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 100, 1000);
    let before = read_all(&log.reader());
    drop(log);
    let indexes: Vec<PathBuf> =
        disk.paths().into_iter().filter(|path| path.extension().is_some_and(|e| e == "idx")).collect();
    let good: Vec<_> = indexes.iter().map(|path| disk.contents(path)).collect();
    disk.unlink(&indexes[0]).unwrap();
    disk.tamper(&indexes[1], |bytes| bytes.truncate(5000));
    let (log, recovered) = open(&disk);
    assert_eq!(recovered.indexes_rebuilt, 2);
    assert_eq!(read_all(&log.reader()), before);
    assert_eq!(indexes.iter().map(|path| disk.contents(path)).collect::<Vec<_>>(), good);
}

#[test]
fn a_page_of_an_index_that_rots_while_running_is_replaced_from_the_segment() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 60, 1000);
    let reader = log.reader();
    let before = read_all(&reader);
    for path in disk.paths().into_iter().filter(|path| path.extension().is_some_and(|e| e == "idx")) {
        disk.tamper(&path, |bytes| bytes[4096..].iter_mut().for_each(|byte| *byte ^= 1));
    }
    assert_eq!(read_all(&reader), before);
    let hash = xxhash_rust::xxh3::xxh3_64(&numbered(2, 1000));
    assert_eq!(reader.lookup(1, hash, 0, 9).unwrap(), [2]);
    let report = verify(&disk, Path::new(DIR), &describe, &mut |_, _| {}).unwrap();
    assert!(report.is_healthy(), "{:?}", report.damage);
}

#[test]
fn an_unreadable_block_is_a_gap_while_running_and_damage_at_start() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 3, 3500);
    let segment = newest(&disk);
    let at = frame_offsets(&disk.contents(&segment).unwrap())[1];
    disk.make_unreadable(&segment, at as u64 + 1000);
    let reader = log.reader();
    assert!(matches!(reader.read_at(2), Err(ReadError::Gap(damage)) if damage.cause == Cause::Unreadable));
    assert!(reader.read_at(1).unwrap().is_some());
    drop((log, reader));
    let Err(OpenError::Damaged { damage }) = try_open(&disk) else { panic!("damage is told") };
    assert_eq!((damage[0].cause, damage[0].lost.first), (Cause::Unreadable, 2));
}

#[test]
fn swapped_segments_are_refused_by_name() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 80, 1000);
    drop(log);
    let files = segments(&disk);
    let (first, second) = (disk.contents(&files[0]).unwrap(), disk.contents(&files[1]).unwrap());
    disk.tamper(&files[0], |bytes| *bytes = second);
    disk.tamper(&files[1], |bytes| *bytes = first);
    let Err(OpenError::Damaged { damage }) = try_open(&disk) else { panic!("damage is told") };
    assert!(damage.iter().all(|damage| damage.cause == Cause::Misplaced) && damage.len() == 2, "{damage:?}");
    let (log, _) = open_accepting(&disk);
    let seen = read_all(&log.reader());
    assert!(matches!(seen[0], Seen::Gap(1, _)), "{:?}", seen[0]);
    assert_eq!(seen.last(), Some(&Seen::Record(80, numbered(80, 1000))));
}

#[test]
fn a_missing_segment_is_a_gap_with_its_exact_positions() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 80, 1000);
    drop(log);
    let files = segments(&disk);
    disk.unlink(&files[1]).unwrap();
    let (log, recovered) = open(&disk);
    assert_eq!(recovered.damage.len(), 1);
    let seen = read_all(&log.reader());
    let gap = seen.iter().position(|seen| matches!(seen, Seen::Gap(..))).unwrap();
    let Seen::Gap(first, last) = seen[gap] else { unreachable!() };
    assert_eq!(
        (gap as u64 + 1, seen[gap + 1].clone()),
        (first, Seen::Record(last + 1, numbered(last + 1, 1000)))
    );
}

#[test]
fn a_missing_beginning_is_told_at_every_start() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 40, 1000);
    drop(log);
    let mut files = segments(&disk);
    let newest = files.pop().unwrap();
    for file in files {
        disk.unlink(&file).unwrap();
    }
    let (log, recovered) = open(&disk);
    assert_eq!((recovered.damage.len(), recovered.damage[0].lost.first), (1, 1), "{:?}", recovered.damage);
    assert_eq!(recovered.damage[0].file, newest);
    let gap = recovered.damage[0].lost.last;
    assert_eq!(
        read_all(&log.reader())[..2],
        [Seen::Gap(1, gap), Seen::Record(gap + 1, numbered(gap + 1, 1000))]
    );
}

#[test]
fn a_missing_newest_segment_is_not_taken_for_a_shorter_log() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 40, 1000);
    drop(log);
    disk.unlink(&newest(&disk)).unwrap();
    let Err(OpenError::Damaged { damage }) = try_open(&disk) else { panic!("damage is told") };
    assert_eq!(damage[0].cause, Cause::Missing);
    let (mut log, recovered) = open_accepting(&disk);
    assert!(recovered.end > 40, "no position that may have been read is given again");
    append(&mut log, &[b"on"]);
    drop(log);
    let (log, _) = open(&disk);
    assert_eq!(read_all(&log.reader()).last(), Some(&Seen::Record(recovered.end + 1, b"on".to_vec())));
}

#[test]
fn a_log_whose_segments_are_all_gone_is_not_begun_anew() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 40, 1000);
    drop(log);
    for segment in segments(&disk) {
        disk.unlink(&segment).unwrap();
    }
    assert!(matches!(try_open(&disk), Err(OpenError::Damaged { .. })));
}

#[test]
fn a_truncated_segment_is_damage_and_accepting_it_gives_no_position_twice() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 5, 1000);
    drop(log);
    let segment = newest(&disk);
    let at = frame_offsets(&disk.contents(&segment).unwrap())[3];
    disk.tamper(&segment, |bytes| bytes.truncate(at + 10));
    let Err(OpenError::Damaged { damage }) = try_open(&disk) else { panic!("damage is told") };
    assert_eq!((damage[0].cause, damage[0].lost.first), (Cause::Truncated, 4));
    let (mut log, recovered) = open_accepting(&disk);
    assert!(recovered.end >= 5);
    let next = append(&mut log, &[b"on"]);
    drop(log);
    let (log, _) = open(&disk);
    let seen = read_all(&log.reader());
    assert_eq!(seen[3..], [Seen::Gap(4, next - 1), Seen::Record(next, b"on".to_vec())]);
}

#[test]
fn a_lost_header_of_a_sealed_segment_loses_no_record() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 60, 1000);
    let before = read_all(&log.reader());
    drop(log);
    let files = segments(&disk);
    disk.tamper(&files[1], |bytes| bytes[..4096].fill(0));
    for keep_index in [true, false] {
        if !keep_index {
            disk.unlink(&files[1].with_extension("idx")).unwrap();
        }
        let (log, recovered) = open(&disk);
        assert_eq!(recovered.damage.iter().filter(|damage| damage.cause == Cause::Header).count(), 1);
        assert_eq!(read_all(&log.reader()), before);
    }
}

#[test]
fn a_lost_header_of_the_newest_segment_is_damage_and_can_be_accepted() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 5, 100);
    let before = read_all(&log.reader());
    drop(log);
    disk.tamper(&newest(&disk), |bytes| bytes[..4096].fill(0));
    assert!(matches!(try_open(&disk), Err(OpenError::Damaged { .. })));
    let (mut log, _) = open_accepting(&disk);
    append(&mut log, &[b"on"]);
    drop(log);
    let (log, _) = open(&disk);
    let seen = read_all(&log.reader());
    assert_eq!(seen[..5], before);
    assert_eq!(seen.last(), Some(&Seen::Record(6, b"on".to_vec())));
}

#[test]
fn an_unknown_version_is_refused_and_not_rewritten() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 40, 1000);
    drop(log);
    let index = segments(&disk)[0].with_extension("idx");
    for path in [newest(&disk), index] {
        let good = disk.contents(&path).unwrap();
        disk.tamper(&path, |bytes| bytes[8] = 2);
        let before = disk.contents(&path);
        let error = try_open(&disk).unwrap_err();
        assert!(
            matches!(&error, OpenError::UnknownVersion { found: 2, known: 1, file } if *file == path),
            "{error}"
        );
        assert_eq!(disk.contents(&path), before);
        disk.tamper(&path, |bytes| *bytes = good);
    }
    open(&disk);
}

#[test]
fn a_version_that_has_rotted_is_damage_and_no_newer_one() {
    for bit in 0..16 {
        let disk = ModelDisk::default();
        let (mut log, _) = open(&disk);
        append_numbered(&mut log, 40, 1000);
        drop(log);
        let sealed = segments(&disk)[0].clone();
        for path in [sealed.clone(), sealed.with_extension("idx")] {
            disk.tamper(&path, |bytes| bytes[8 + bit / 8] ^= 1 << (bit % 8));
        }
        match try_open(&disk) {
            Ok(_) => {}
            Err(OpenError::UnknownVersion { file, found, .. }) => {
                panic!("{} has version {found}, and has only rotted", file.display())
            }
            Err(_) => {
                repair(Path::new(DIR), options(&disk), Arc::new(describe)).unwrap();
                open(&disk);
            }
        }
    }
}

#[test]
fn frames_of_an_older_generation_in_a_recycled_file_are_never_read() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 14, 700);
    let old = disk.contents(&newest(&disk)).unwrap();
    append_numbered(&mut log, 20, 700);
    drop(log);
    // A segment of the same log, full of frames that were valid there, left as a spare.
    let spare = Path::new(DIR).join("spare.ready");
    let mut bytes = old.clone();
    bytes.resize(32 * 1024, 0xee);
    let file = disk.create(&spare).unwrap();
    file.pwrite(0, &bytes).unwrap();
    let (mut log, recovered) = open(&disk);
    let count = segments(&disk).len();
    while segments(&disk).len() == count {
        append_numbered(&mut log, 1, 700);
    }
    let end = log.next_position() - 1;
    assert!(end > recovered.end);
    drop(log);
    let (mut log, recovered) = open(&disk);
    assert_eq!((recovered.end, recovered.cut, recovered.damage), (end, None, vec![]));
    write(&mut log, &[&[9; 3000]]).unwrap();
    drop(log);
    // Torn in its middle: the tail is recognised among the old bytes.
    let segment = newest(&disk);
    let at = *frame_offsets(&disk.contents(&segment).unwrap()).last().unwrap();
    flip(&disk, &segment, at + 2000);
    let (mut log, recovered) = open(&disk);
    assert_eq!((recovered.end, recovered.damage), (end, vec![]));
    assert_eq!(recovered.cut.map(|cut| cut.offset), Some(at as u64));
    append_numbered(&mut log, 30, 700);
    let seen = read_all(&log.reader());
    assert!(seen.iter().all(|seen| matches!(seen, Seen::Record(n, text) if *text == numbered(*n, 700))));
    assert_eq!(seen.len() as u64, end + 30);
}

#[test]
fn verify_counts_everything_and_changes_nothing() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 60, 1000);
    log.mark().unwrap();
    write(&mut log, &[b"unsynced"]).unwrap();
    log.write_out().unwrap();
    let operations = disk.operations();
    let mut steps = Vec::new();
    let report =
        verify(&disk, Path::new(DIR), &describe, &mut |done, total| steps.push((done, total))).unwrap();
    assert!(report.is_healthy(), "{:?}", report.damage);
    assert_eq!((report.log_id, report.frames, report.records, report.end), (Some(42), 61, 61, 61));
    assert_eq!(report.segments.len(), segments(&disk).len());
    let (done, total) = steps.pop().unwrap();
    assert_eq!(done, total);
    assert_eq!(disk.operations(), operations);
}
