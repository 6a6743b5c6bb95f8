//! Reading forward, back, by position, by name, by summary.

use xxhash_rust::xxh3::xxh3_64;

use super::given::{Seen, append, append_numbered, numbered, open, read_from, segments};
use crate::local::Term;
use crate::local::model_disk::ModelDisk;

#[test]
fn reading_may_begin_anywhere_and_goes_on_where_it_ended() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 60, 1000);
    append(&mut log, &[b"61", b"62", b"63"]);
    let reader = log.reader();
    assert_eq!(read_from(&reader, 62), [Seen::Record(62, b"62".to_vec()), Seen::Record(63, b"63".to_vec())]);
    assert_eq!(read_from(&reader, 64), []);
    assert_eq!(read_from(&reader, 1).len(), 63);
    let mut frames = reader.frames(61);
    assert_eq!(frames.next().unwrap().unwrap().len(), 3);
    assert!(frames.next().is_none());
    append(&mut log, &[b"64"]);
    assert_eq!(frames.next().unwrap().unwrap().first_position(), 64);
}

#[test]
fn backwards_gives_the_same_frames_in_the_other_order() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 150, 700);
    let reader = log.reader();
    for before in [151, u64::MAX, 100, 2, 1, 0] {
        let forward: Vec<u64> = reader
            .frames(1)
            .map(|frame| frame.unwrap().first_position())
            .filter(|&first| first < before)
            .collect();
        let mut back: Vec<u64> =
            reader.frames_back(before).map(|frame| frame.unwrap().first_position()).collect();
        back.reverse();
        assert_eq!(back, forward, "before {before}");
    }
}

#[test]
fn every_record_is_found_by_position_and_by_name_in_sealed_and_active_segments() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 100, 900);
    assert!(segments(&disk).len() > 2);
    for round in 0..2 {
        let reader = log.reader();
        for position in 1..=100 {
            let frame = reader.read_at(position).unwrap().unwrap();
            let record = frame.record(position).unwrap();
            assert_eq!(record.payload, numbered(position, 900));
            assert_eq!(frame.payload(&record), numbered(position, 900));
            let found = reader.lookup(Term::ID, xxh3_64(&numbered(position, 900)), 0, 10).unwrap();
            assert_eq!(found, [position], "round {round}");
        }
        assert!(reader.lookup(Term::ID, xxh3_64(b"nobody"), 0, 10).unwrap().is_empty());
        assert!(reader.lookup(Term::STREAM, xxh3_64(&numbered(5, 900)), 0, 10).unwrap().is_empty());
        drop(reader);
        drop(log);
        log = open(&disk).0;
    }
}

#[test]
fn lookups_cross_segments_in_order_both_ways_within_their_limits() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 100, 900);
    let reader = log.reader();
    let odd = xxh3_64(&[1]);
    let all: Vec<u64> = (1..=100).filter(|position| position % 2 == 1).collect();
    assert_eq!(reader.lookup(Term::CORRELATION, odd, 0, usize::MAX).unwrap(), all);
    assert_eq!(reader.lookup(Term::CORRELATION, odd, 50, 3).unwrap(), [51, 53, 55]);
    let newest: Vec<u64> = all.iter().rev().copied().collect();
    assert_eq!(reader.lookup_back(Term::CORRELATION, odd, u64::MAX, usize::MAX).unwrap(), newest);
    assert_eq!(reader.lookup_back(Term::CORRELATION, odd, 50, 3).unwrap(), [49, 47, 45]);
    assert!(reader.lookup(Term::CORRELATION, odd, 0, 0).unwrap().is_empty());
}

#[test]
fn summaries_let_frames_be_skipped_and_never_hide_one_that_matches() {
    let disk = ModelDisk::default();
    let (mut log, _) = open(&disk);
    append_numbered(&mut log, 80, 900);
    let reviews = xxh3_64(b"project.reviews");
    let reader = log.reader();
    let seen: Vec<u64> = reader
        .frames(1)
        .only(move |summary| summary.may_have_topic(reviews) && summary.may_have_priority(1))
        .map(|frame| frame.unwrap().first_position())
        .collect();
    assert_eq!(seen, (1..=80).filter(|position| position % 2 == 1).collect::<Vec<_>>());
    let none = reader.frames_back(81).only(|summary| summary.may_have_kind(77)).count();
    assert_eq!(none, 0);
}
