//! Writing, syncing, rolling, refusing.

use std::path::Path;
use std::sync::Arc;

use super::given::{self, Seen, append, append_numbered, numbered, open, options, read_all, segments, write};
use crate::local::model_disk::{Faults, ModelDisk};
use crate::local::{AppendError, FrameBuilder, FrameError, Log, OpenError, Options};

#[test]
fn what_is_written_is_read_only_once_it_is_synced() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    let reader = log.reader();
    write(&mut log, &[b"one", b"two"]).unwrap();
    assert_eq!((reader.durable(), read_all(&reader)), (0, vec![]));
    assert!(reader.read_at(1).unwrap().is_none());
    assert!(reader.lookup(1, xxhash_rust::xxh3::xxh3_64(b"one"), 0, 9).unwrap().is_empty());
    assert_eq!(log.sync().unwrap().position, 2);
    assert_eq!(read_all(&reader), [Seen::Record(1, b"one".to_vec()), Seen::Record(2, b"two".to_vec())]);
}

#[test]
fn one_sync_covers_all_frames_written_before_it() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    let before = disk.syncs();
    for _ in 0..5 {
        write(&mut log, &[b"frame"]).unwrap();
    }
    assert_eq!(log.sync().unwrap().position, 5);
    assert_eq!(disk.syncs() - before, 1);
    log.sync().unwrap();
    assert_eq!(disk.syncs() - before, 1, "with nothing written there is nothing to sync");
}

#[test]
fn positions_may_have_holes_and_never_go_back() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    let mut frame = FrameBuilder::new();
    frame.begin(3, 7);
    frame.record(5, 0, false, b"five").unwrap();
    assert!(matches!(frame.record(5, 0, true, b"again"), Err(FrameError::Order { at_least: 6, .. })));
    frame.record(900, 0, true, b"nine hundred").unwrap();
    log.write(&mut frame).unwrap();
    log.sync().unwrap();
    frame.begin(900, 7);
    frame.record(900, 0, true, b"once more").unwrap();
    let refused = log.write(&mut frame).unwrap_err();
    assert!(matches!(refused, AppendError::Frame(FrameError::Order { position: 900, at_least: 901 })));
    let reader = log.reader();
    assert_eq!(
        read_all(&reader),
        [Seen::Record(5, b"five".to_vec()), Seen::Record(900, b"nine hundred".to_vec())]
    );
    assert!(reader.read_at(6).unwrap().is_none(), "a hole is nothing, not an error");
    drop(log);
    assert_eq!(open(&disk).1.end, 900);
}

#[test]
fn the_logs_time_never_goes_back() {
    let (mut log, _) = open(&ModelDisk::default());
    append(&mut log, &[b"at 1"]);
    let mut frame = FrameBuilder::new();
    frame.begin(2, 0);
    frame.record(2, 0, true, b"at 0").unwrap();
    assert!(matches!(log.write(&mut frame), Err(AppendError::LogTime { log_time_ms: 0, at_least_ms: 1 })));
}

#[test]
fn a_frame_without_records_or_with_an_open_slice_is_refused_and_harms_nothing() {
    let (mut log, _) = open(&ModelDisk::default());
    let mut frame = FrameBuilder::new();
    frame.begin(1, 0);
    assert!(matches!(log.write(&mut frame), Err(AppendError::Frame(FrameError::Empty))));
    frame.record(1, 0, false, b"half a slice").unwrap();
    assert!(matches!(log.write(&mut frame), Err(AppendError::Frame(FrameError::SliceOpen))));
    append(&mut log, &[b"whole"]);
}

#[test]
fn a_word_stands_once_in_a_frame_however_often_it_is_used() {
    let mut frame = FrameBuilder::new();
    frame.begin(1, 0);
    assert_eq!([frame.word("a"), frame.word("b"), frame.word("a"), frame.word("")], [0, 1, 0, 2]);
    frame.record(1, 0, true, b"").unwrap();
    let frame = frame.to_frame().unwrap();
    assert_eq!(frame.words().len(), 3);
    assert_eq!(
        [frame.words().get(0), frame.words().get(2), frame.words().get(3)],
        [Some("a"), Some(""), None]
    );
}

#[test]
fn a_full_segment_is_sealed_with_an_index_and_the_next_goes_on() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 100, 1000);
    assert!(segments(&disk).len() >= 3);
    let indexes = disk.paths().iter().filter(|path| path.extension().is_some_and(|e| e == "idx")).count();
    assert_eq!(indexes, segments(&disk).len() - 1);
    let expected: Vec<Seen> = (1..=100).map(|n| Seen::Record(n, numbered(n, 1000))).collect();
    assert_eq!(read_all(&log.reader()), expected);
    drop(log);
    let (log, recovered) = open(&disk);
    assert_eq!((recovered.end, recovered.indexes_rebuilt, recovered.cut), (100, 0, None));
    assert_eq!(read_all(&log.reader()), expected);
}

#[test]
fn a_frame_larger_than_a_segment_makes_the_segment_grow() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    let large = vec![7; 100_000];
    append(&mut log, &[&large]);
    append(&mut log, &[b"small"]);
    append(&mut log, &[&large]);
    drop(log);
    let (log, _) = open(&disk);
    assert_eq!(
        read_all(&log.reader()),
        [Seen::Record(1, large.clone()), Seen::Record(2, b"small".to_vec()), Seen::Record(3, large)]
    );
}

#[test]
fn a_frame_above_the_limit_is_refused_before_anything_is_written() {
    let disk = ModelDisk::default();
    let options = Options { frame_bytes_max: 1000, ..options(&disk) };
    let (mut log, _) = Log::open(Path::new(given::DIR), options, Arc::new(given::describe)).unwrap();
    let refused = write(&mut log, &[&[1; 2000]]).unwrap_err();
    assert!(matches!(refused, AppendError::Frame(FrameError::TooLarge { bytes_max: 1000, .. })), "{refused}");
    let mut frame = FrameBuilder::new();
    frame.begin(1, 0);
    let refused = frame.record(1, 0, true, &vec![0; 64 * 1024 * 1024]).unwrap_err();
    assert!(matches!(refused, FrameError::TooLarge { .. }));
}

#[test]
fn a_failed_sync_stops_the_log_for_good_and_hides_what_it_should_have_kept() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append(&mut log, &[b"kept"]);
    disk.set_faults(Faults { failing_sync: Some(1), ..Faults::default() });
    write(&mut log, &[b"in doubt"]).unwrap();
    assert!(matches!(log.sync(), Err(AppendError::Broken(_))));
    assert!(matches!(log.sync(), Err(AppendError::Poisoned { .. })), "never tried again");
    assert!(matches!(write(&mut log, &[b"later"]), Err(AppendError::Poisoned { .. })));
    assert!(matches!(log.mark(), Err(AppendError::Poisoned { .. })));
    let reader = log.reader();
    assert!(reader.poisoned().is_some());
    assert_eq!(read_all(&reader), [Seen::Record(1, b"kept".to_vec())]);
    drop(log);
    let (log, recovered) = open(&disk);
    assert_eq!(recovered.end, 1, "the device has lost the record, though the page cache shows it");
    assert_eq!(read_all(&log.reader()), [Seen::Record(1, b"kept".to_vec())]);
}

#[test]
fn bytes_that_only_the_page_cache_has_do_not_come_back_later() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append(&mut log, &[b"kept"]);
    disk.set_faults(Faults { failing_sync: Some(1), ..Faults::default() });
    write(&mut log, &[&[1; 600]]).unwrap();
    write(&mut log, &[&[2; 600]]).unwrap();
    assert!(log.sync().is_err());
    drop(log);
    let (mut log, _) = open(&disk);
    append(&mut log, &[&[3; 600]]);
    drop(log);
    let (log, recovered) = open(&disk.after_power_loss(1));
    assert_eq!((recovered.end, recovered.cut), (2, None));
    assert_eq!(read_all(&log.reader()), [Seen::Record(1, b"kept".to_vec()), Seen::Record(2, vec![3; 600])]);
}

#[test]
fn without_direct_reads_the_tail_is_written_again_before_it_is_read() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append(&mut log, &[b"kept"]);
    disk.set_faults(Faults { failing_sync: Some(1), ..Faults::default() });
    write(&mut log, &[b"in doubt"]).unwrap();
    assert!(log.sync().is_err());
    drop(log);
    disk.set_faults(Faults { no_device_reads: true, ..Faults::default() });
    let (log, recovered) = open(&disk);
    assert_eq!(recovered.end, 2, "the cache shows it, so it has to be made true");
    drop(log);
    let (log, _) = open(&disk.after_power_loss(3));
    assert_eq!(read_all(&log.reader()).len(), 2);
}

#[test]
fn below_the_low_water_mark_only_frames_from_the_reserve_are_taken_and_nothing_breaks() {
    let disk = ModelDisk::default();
    let low = Options { reserve_bytes: 100_000, ..options(&disk) };
    let (mut log, _) = Log::open(Path::new(given::DIR), low, Arc::new(given::describe)).unwrap();
    disk.set_faults(Faults { bytes_max: Some(120_000), ..Faults::default() });
    append(&mut log, &[b"there is room"]);
    disk.set_faults(Faults { bytes_max: Some(100_000), ..Faults::default() });
    assert!(log.space().is_low());
    let refused = write(&mut log, &[b"a publish"]).unwrap_err();
    assert!(matches!(refused, AppendError::Full { reserve_bytes: 100_000, .. }), "{refused}");
    let mut frame = FrameBuilder::new();
    frame.begin(log.next_position(), log.log_time_ms());
    frame.use_reserve();
    frame.record(log.next_position(), 0, true, b"an ack").unwrap();
    log.write(&mut frame).unwrap();
    log.sync().unwrap();
    disk.set_faults(Faults::default());
    append(&mut log, &[b"there is room again"]);
    assert_eq!(read_all(&log.reader()).len(), 3);
}

#[test]
fn a_full_disk_refuses_definitely_and_service_resumes_without_a_restart() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    disk.set_faults(Faults { bytes_max: Some(20_000), ..Faults::default() });
    let mut taken = 0;
    let refused = loop {
        match write(&mut log, &[&[5; 1000]]) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AppendError::Full { .. }), "{refused}");
    assert!(matches!(write(&mut log, &[&[5; 1000]]), Err(AppendError::Full { .. })));
    assert!(matches!(write(&mut log, &[&[5; 100_000]]), Err(AppendError::Full { .. })));
    log.sync().unwrap();
    assert_eq!(read_all(&log.reader()).len(), taken);
    disk.set_faults(Faults::default());
    append(&mut log, &[&[6; 1000]]);
    drop(log);
    let (log, _) = open(&disk);
    assert_eq!(read_all(&log.reader()).len(), taken + 1, "what was refused is never seen");
}

#[test]
fn an_idle_log_is_marked_once() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    log.mark().unwrap();
    append(&mut log, &[b"one"]);
    let before = disk.syncs();
    log.mark().unwrap();
    log.mark().unwrap();
    assert_eq!(disk.syncs() - before, 1);
    append(&mut log, &[b"two"]);
    drop(log);
    let (mut log, recovered) = open(&disk);
    assert_eq!(recovered.end, 2);
    let before = disk.syncs();
    log.mark().unwrap();
    assert_eq!(disk.syncs() - before, 1, "after a start the newest record is vouched for as well");
    assert_eq!(read_all(&log.reader()).len(), 2, "marks are not seen by readers");
}

#[test]
fn a_second_writer_is_refused_at_once_by_name() {
    let disk = ModelDisk::default();
    let (log, _) = open(&disk);
    let refused = given::try_open(&disk).unwrap_err();
    assert!(matches!(refused, OpenError::Locked { holder: Some(_), .. }), "{refused}");
    drop(log);
    open(&disk);
}
