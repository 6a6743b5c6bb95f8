//! The same rules on the file system of this machine, with the background thread at work.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::given::{Seen, describe, numbered, read_all};
use crate::local::{Checkpoint, Kept, Log, OpenError, Options, RealDisk, Recovered, verify};

fn open(dir: &std::path::Path) -> Result<(Log, Recovered), OpenError> {
    let options = Options {
        segment_bytes_first: 64 * 1024,
        segment_bytes_max: 256 * 1024,
        reserve_bytes: 0,
        ..Options::default()
    };
    Log::open(dir, options, Arc::new(describe))
}

fn fill(log: &mut Log, count: usize) {
    super::given::append_numbered(log, count, 2000);
}

#[test]
fn segments_are_prepared_and_indexed_in_the_background() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("a").join("log");
    let (mut log, recovered) = open(&dir).unwrap();
    assert!(recovered.created);
    fill(&mut log, 300);
    let expected: Vec<Seen> = (1..=300).map(|n| Seen::Record(n, numbered(n, 2000))).collect();
    assert_eq!(read_all(&log.reader()), expected);
    drop(log);
    let names: BTreeSet<String> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".segment") || name.ends_with(".idx"))
        .collect();
    let segments = names.iter().filter(|name| name.ends_with(".segment")).count();
    assert_eq!(names.len(), segments * 2 - 1, "every sealed segment has an index once the log is closed");
    let (log, recovered) = open(&dir).unwrap();
    assert_eq!((recovered.end, recovered.indexes_rebuilt, recovered.cut), (300, 0, None));
    assert_eq!(read_all(&log.reader()), expected);
    assert!(verify(&RealDisk, &dir, &describe, &mut |_, _| {}).unwrap().is_healthy());
}

#[test]
fn a_directory_in_use_is_refused_with_the_process_that_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path()).unwrap();
    let refused = open(dir.path()).unwrap_err();
    assert!(
        matches!(refused, OpenError::Locked { holder: Some(pid), .. } if pid == std::process::id()),
        "{refused}"
    );
    assert!(refused.to_string().contains(&format!("process {}", std::process::id())));
    drop(log);
    open(dir.path()).unwrap();
}

#[test]
fn a_reader_in_another_thread_sees_every_record_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path()).unwrap();
    let reader = log.reader();
    let follower = std::thread::spawn(move || {
        let mut frames = reader.frames(1);
        let mut next = 1;
        while next <= 400 {
            match frames.next() {
                Some(frame) => {
                    let frame = frame.unwrap();
                    assert_eq!(frame.first_position(), next);
                    next += 1;
                }
                None => std::thread::yield_now(),
            }
        }
    });
    fill(&mut log, 400);
    follower.join().unwrap();
}

#[test]
fn a_checkpoint_carries_its_position_and_comes_back_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(&dir.path().join("log")).unwrap();
    fill(&mut log, 5);
    let at = dir.path().join("checkpoint");
    let (mut checkpoint, kept) = Checkpoint::open(&at, log.reader()).unwrap();
    assert_eq!((kept, checkpoint.reached()), (Kept::Fresh, 0));
    let row = |key: &str, value: &str| (key.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
    checkpoint.commit([row("a/1", "one"), row("a/2", "two"), row("b/1", "three")], 3, 3).unwrap();
    checkpoint.commit([row("a/1", "four"), (b"a/2".to_vec(), None)], 5, 5).unwrap();
    checkpoint.close().unwrap();
    let (mut checkpoint, kept) = Checkpoint::open(&at, log.reader()).unwrap();
    assert_eq!((kept, checkpoint.reached()), (Kept::Reached(5), 5));
    assert_eq!(checkpoint.load(b"a/1").unwrap(), Some(b"four".to_vec()));
    assert_eq!(checkpoint.load(b"a/2").unwrap(), None);
    let rows: Vec<_> = checkpoint.scan(b"a/").map(|row| row.unwrap().0).collect();
    assert_eq!(rows, [b"a/1".to_vec()]);
    assert_eq!(checkpoint.scan(b"").count(), 2);
    assert!(checkpoint.commit([], 6, 6).is_err(), "not beyond what is durable");
    assert!(checkpoint.commit([], 4, 4).is_err(), "not backwards");
}

#[test]
fn a_checkpoint_ahead_of_its_log_or_of_another_log_is_discarded_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("checkpoint");
    let (mut log, _) = open(&dir.path().join("log")).unwrap();
    fill(&mut log, 5);
    let (mut checkpoint, _) = Checkpoint::open(&at, log.reader()).unwrap();
    checkpoint.commit([(b"k".to_vec(), Some(b"v".to_vec()))], 5, 5).unwrap();
    checkpoint.close().unwrap();
    let log_id = log.log_id();
    for (log_id, records, reason) in [(log_id + 1, 9, "another log"), (log_id, 3, "ends at 3")] {
        let kept_rows = dir.path().join("kept");
        copy(&at, &kept_rows);
        let options = Options {
            log_id: Some(log_id),
            reserve_bytes: 0,
            segment_bytes_first: 65536,
            ..Options::default()
        };
        let (mut other, _) =
            Log::open(&dir.path().join(format!("other-{records}")), options, Arc::new(describe)).unwrap();
        fill(&mut other, records);
        let (checkpoint, kept) = Checkpoint::open(&kept_rows, other.reader()).unwrap();
        let Kept::Discarded { reason: told } = kept else { panic!("{kept:?}") };
        assert!(told.contains(reason), "{told}");
        assert_eq!((checkpoint.reached(), checkpoint.load(b"k").unwrap()), (0, None));
        drop(checkpoint);
        assert_eq!(Checkpoint::open(&kept_rows, other.reader()).unwrap().1, Kept::Reached(0));
        std::fs::remove_dir_all(&kept_rows).unwrap();
    }
}

#[test]
fn a_damaged_checkpoint_never_keeps_the_log_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("checkpoint");
    let (mut log, _) = open(&dir.path().join("log")).unwrap();
    fill(&mut log, 5);
    let (mut checkpoint, _) = Checkpoint::open(&at, log.reader()).unwrap();
    let rows = (0..2000u32).map(|n| (n.to_be_bytes().to_vec(), Some(vec![n as u8; 100])));
    checkpoint.commit(rows, 5, 5).unwrap();
    checkpoint.close().unwrap();
    let mut discarded = 0;
    for (number, file) in files_of(&at).into_iter().enumerate() {
        for damage in ["truncate", "garbage", "remove"] {
            let copied = dir.path().join(format!("copy-{number}-{damage}"));
            copy(&at, &copied);
            let target = copied.join(file.strip_prefix(&at).unwrap());
            match damage {
                "truncate" => std::fs::File::options().write(true).open(&target).unwrap().set_len(3).unwrap(),
                "garbage" => std::fs::write(&target, vec![0xa5; 5000]).unwrap(),
                _ => std::fs::remove_file(&target).unwrap(),
            }
            let (checkpoint, kept) = Checkpoint::open(&copied, log.reader()).unwrap();
            match kept {
                Kept::Discarded { .. } => discarded += 1,
                Kept::Fresh => assert_eq!(checkpoint.reached(), 0),
                Kept::Reached(reached) => {
                    // An older state is fine, as long as it says how old it is.
                    let there = checkpoint.scan(b"").count();
                    assert!(
                        (reached, there) == (5, 2000) || (reached, there) == (0, 0),
                        "{reached} with {there} rows"
                    );
                }
            }
        }
    }
    assert!(discarded > 0);
}

#[test]
fn deleting_the_checkpoint_costs_nothing_but_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("checkpoint");
    let (mut log, _) = open(&dir.path().join("log")).unwrap();
    fill(&mut log, 5);
    let (mut checkpoint, _) = Checkpoint::open(&at, log.reader()).unwrap();
    checkpoint.commit([(b"k".to_vec(), Some(b"v".to_vec()))], 5, 5).unwrap();
    drop(checkpoint);
    std::fs::remove_dir_all(&at).unwrap();
    let (checkpoint, kept) = Checkpoint::open(&at, log.reader()).unwrap();
    assert_eq!((kept, checkpoint.reached()), (Kept::Fresh, 0));
}

fn files_of(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files_of(&entry.path()));
        } else if entry.file_name() != "lock" {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
