//! Logs as version 1 of the format wrote them, whole and damaged. They are read for ever; they are never written anew.
//!
//! `cargo test -p cantus-engine --test log_fixtures -- --ignored` writes the files of a version that has none yet.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cantus_engine::local::{
    Cause, Description, FrameBuilder, IndexState, Log, OpenError, Options, ReadError, RealDisk, Recovered,
    Term, Words, verify,
};

const SEGMENT_BYTES: u64 = 20 * 1024;
/// The newest frames begin here; the first ones fill a segment of their own.
const SECOND_SEGMENT: &str = "00000000000000000052.segment";
const FIRST_SEGMENT: &str = "00000000000000000001.segment";
const LAST_POSITION: u64 = 80;

fn describe(words: &Words<'_>, number: u16, payload: &[u8]) -> Description {
    let mut description = Description::default();
    description.term(Term::ID, hash_of(payload));
    description.topic = words.get(0).map(|topic| hash_of(topic.as_bytes()));
    description.kind = Some(u64::from(number) << 52);
    description.priority = Some((number % 4) as u8);
    description
}

/// FNV-1a: a hash that these tests own, so that no dependency can change what the index files hold.
fn hash_of(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

fn options() -> Options {
    Options {
        segment_bytes_first: SEGMENT_BYTES,
        segment_bytes_max: SEGMENT_BYTES,
        reserve_bytes: 0,
        background: false,
        log_id: Some(0x0123_4567_89ab_cdef),
        ..Options::default()
    }
}

fn open(dir: &Path) -> Result<(Log, Recovered), OpenError> {
    Log::open(dir, options(), Arc::new(describe))
}

fn payload(position: u64) -> Vec<u8> {
    let mut bytes = format!("record {position} ").into_bytes();
    bytes.resize(200 + (position % 7) as usize * 60, b'.');
    bytes
}

/// Twenty frames of three records each; after every frame one position is left out.
fn write_healthy(dir: &Path) {
    let (mut log, _) = open(dir).expect("an empty directory opens");
    let mut frame = FrameBuilder::new();
    for number in 0..20u64 {
        let first = number * 4 + 1;
        frame.begin(first, 1_764_000_000_000 + number * 10);
        for position in first..first + 3 {
            let word = frame.word(if number % 2 == 0 { "project.tasks" } else { "project.reviews" });
            frame.word("/backend-architect");
            let fact = (word + 7) as u16;
            let slice_end = position != first;
            frame.record(position, fact, slice_end, &payload(position)).expect("positions rise");
        }
        if number == 19 {
            // The last position of the log is behind a hole of its own.
            frame.record(LAST_POSITION, 9, true, b"").expect("positions rise");
        }
        log.write(&mut frame).expect("the frame fits");
        log.sync().expect("the disk syncs");
    }
    log.mark().expect("the disk syncs");
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/log-v1").join(name)
}

/// A copy that may be opened, and so changed.
fn copy_of(name: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    copy_files(&fixture(name), copy.path());
    copy
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the directory is made");
    for entry in fs::read_dir(from).expect("the fixture is there") {
        let entry = entry.expect("the directory can be listed");
        if entry.file_name() != "lock" {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("the file is copied");
        }
    }
}

fn change(dir: &Path, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = dir.join(file);
    let mut bytes = fs::read(&path).expect("the file is there");
    change(&mut bytes);
    fs::write(&path, bytes).expect("the file is written");
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("the directory is there")
        .map(|entry| entry.expect("the directory can be listed"))
        .filter(|entry| entry.file_name() != "lock")
        .map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("it is read"))
        })
        .collect();
    files.sort();
    files
}

/// Where the frames of a segment begin.
fn frames_of(segment: &[u8]) -> Vec<usize> {
    let mut offsets = Vec::new();
    let mut at = 4096;
    while segment[at..].starts_with(b"CFRM") {
        offsets.push(at);
        at += u32::from_le_bytes(segment[at + 4..at + 8].try_into().expect("four bytes")) as usize;
    }
    offsets
}

#[test]
#[ignore = "writes the fixtures; they are written once per version"]
fn write_the_fixtures() {
    for name in ["healthy", "torn-tail", "bit-flip", "unknown-version", "unknown-frame-version", "swapped"] {
        let dir = fixture(name);
        assert!(!dir.exists(), "{} exists and is never written anew", dir.display());
        if name == "healthy" {
            write_healthy(&dir);
            fs::remove_file(dir.join("lock")).expect("the lock file is there");
        } else {
            copy_files(&fixture("healthy"), &dir);
        }
        match name {
            // The last frame is cut in its middle, and no mark vouches for it: the power went before its sync.
            "torn-tail" => change(&dir, SECOND_SEGMENT, |bytes| {
                let last = *frames_of(bytes).last().expect("there are frames");
                bytes[last + 500..].fill(0);
            }),
            "bit-flip" => change(&dir, SECOND_SEGMENT, |bytes| {
                let third = frames_of(bytes)[2];
                bytes[third + 150] ^= 0x04;
            }),
            "unknown-version" => change(&dir, SECOND_SEGMENT, |bytes| bytes[8] = 2),
            // A whole frame of version 2: its checksum is right.
            "unknown-frame-version" => change(&dir, SECOND_SEGMENT, |bytes| {
                let third = frames_of(bytes)[2];
                let length =
                    u32::from_le_bytes(bytes[third + 4..third + 8].try_into().expect("four bytes")) as usize;
                let frame = &mut bytes[third..third + length];
                frame[12] = 2;
                let crc = reference_crc(frame);
                frame[8..12].copy_from_slice(&crc.to_le_bytes());
            }),
            "swapped" => {
                fs::rename(dir.join(FIRST_SEGMENT), dir.join("swap")).expect("renamed");
                fs::rename(dir.join(SECOND_SEGMENT), dir.join(FIRST_SEGMENT)).expect("renamed");
                fs::rename(dir.join("swap"), dir.join(SECOND_SEGMENT)).expect("renamed");
            }
            _ => {}
        }
    }
}

/// CRC-32C over the frame's seed and the frame without its checksum, bit by bit, as docs/formats.md says it.
fn reference_crc(frame: &[u8]) -> u32 {
    let parts = frame[24..32].iter().chain(&frame[..8]).chain(&frame[12..]);
    !parts.fold(!0u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 },
        )
    })
}

/// All positions with their payloads; a gap is an error with its positions.
fn read(log: &Log) -> Vec<Result<u64, (u64, u64)>> {
    let mut seen = Vec::new();
    for frame in log.reader().frames(1) {
        match frame {
            Ok(frame) => {
                for record in frame.records() {
                    let expected =
                        if record.position == LAST_POSITION { Vec::new() } else { payload(record.position) };
                    assert_eq!(record.payload, expected, "position {}", record.position);
                    seen.push(Ok(record.position));
                }
            }
            Err(ReadError::Gap(damage)) => seen.push(Err((damage.lost.first, damage.lost.last))),
            Err(error) => panic!("{error}"),
        }
    }
    seen
}

fn positions(below: u64) -> Vec<Result<u64, (u64, u64)>> {
    (1..=LAST_POSITION)
        .filter(|position| *position == LAST_POSITION || position % 4 != 0)
        .filter(|position| *position < below)
        .map(Ok)
        .collect()
}

#[test]
fn the_checksum_is_the_one_the_format_describes() {
    let segment = fs::read(fixture("healthy").join(FIRST_SEGMENT)).expect("the fixture is there");
    for at in frames_of(&segment) {
        let length = u32::from_le_bytes(segment[at + 4..at + 8].try_into().expect("four bytes")) as usize;
        assert_eq!(segment[at + 8..at + 12], reference_crc(&segment[at..at + length]).to_le_bytes());
    }
}

#[test]
fn a_healthy_log_of_version_1_is_read() {
    let dir = copy_of("healthy");
    let before = files(dir.path());
    let (log, recovered) = open(dir.path()).expect("it opens");
    assert_eq!((recovered.end, recovered.segments, recovered.indexes_rebuilt), (LAST_POSITION, 2, 0));
    assert_eq!((recovered.cut, recovered.damage, recovered.created), (None, vec![], false));
    assert_eq!(recovered.log_time_ms, 1_764_000_000_190);
    assert_eq!(read(&log), positions(u64::MAX));
    let reader = log.reader();
    for position in [1, 43, 77] {
        assert_eq!(
            reader.lookup(Term::ID, hash_of(&payload(position)), 0, 2).expect("it is found"),
            [position]
        );
    }
    let frame = reader.read_at(5).expect("it is read").expect("it is there");
    assert_eq!(
        (frame.words().get(0), frame.words().get(1)),
        (Some("project.reviews"), Some("/backend-architect"))
    );
    let slices: Vec<bool> = frame.records().map(|record| record.slice_end).collect();
    assert_eq!(slices, [false, true, true]);
    drop(log);
    assert_eq!(files(dir.path()), before, "opening a healthy log changes nothing");
}

#[test]
fn the_same_input_still_gives_the_same_bytes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    write_healthy(dir.path());
    assert!(
        files(dir.path()) == files(&fixture("healthy")),
        "the format has changed: that needs a new version"
    );
}

#[test]
fn verify_finds_nothing_in_a_healthy_log() {
    let report = verify(&RealDisk, &fixture("healthy"), &describe, &mut |_, _| {}).expect("it is read");
    assert!(report.is_healthy(), "{:?}", report.damage);
    assert_eq!((report.frames, report.records, report.end, report.tail), (20, 61, LAST_POSITION, None));
    let indexes: Vec<IndexState> = report.segments.iter().map(|segment| segment.index).collect();
    assert_eq!(indexes, [IndexState::Good, IndexState::NotYet]);
}

#[test]
fn a_torn_tail_of_version_1_is_cut() {
    let dir = copy_of("torn-tail");
    let (log, recovered) = open(dir.path()).expect("it opens");
    assert_eq!((recovered.end, recovered.damage), (75, vec![]));
    let cut = recovered.cut.expect("the tail is cut");
    assert_eq!(cut.file, dir.path().join(SECOND_SEGMENT));
    assert!(fs::read(&cut.copy).expect("the copy is there").starts_with(b"CFRM"));
    assert_eq!(read(&log), positions(76));
    drop(log);
    assert_eq!(open(dir.path()).expect("it opens again").1.cut, None);
}

#[test]
fn a_flipped_bit_below_a_valid_mark_is_refused_and_can_be_accepted() {
    let dir = copy_of("bit-flip");
    let before = files(dir.path());
    let error = open(dir.path()).expect_err("it is damaged");
    let text = error.to_string();
    let OpenError::Damaged { damage } = error else { panic!("{text}") };
    assert_eq!((damage.len(), damage[0].cause), (1, Cause::Frame));
    assert_eq!(damage[0].file, dir.path().join(SECOND_SEGMENT));
    let (first, last) = (damage[0].lost.first, damage[0].lost.last);
    assert!(text.contains(&format!("positions {first} to {last} are lost")), "{text}");
    assert!(text.contains("cantus log verify"), "{text}");
    assert_eq!(files(dir.path()), before);
    let report = verify(&RealDisk, dir.path(), &describe, &mut |_, _| {}).expect("it is read");
    assert_eq!(report.damage, damage);

    let options = Options { accept_damage: true, ..options() };
    let (log, _) = Log::open(dir.path(), options, Arc::new(describe)).expect("the loss is accepted");
    let mut expected = positions(u64::MAX);
    // Holes beside the damaged frame cannot be told from lost positions.
    let is_lost = |seen: &Result<u64, _>| seen.is_ok_and(|position| (first..=last).contains(&position));
    let at = expected.iter().position(is_lost).expect("records are lost");
    let lost = expected.iter().filter(|seen| is_lost(seen)).count();
    assert_eq!(lost, 3, "one frame is lost");
    expected.splice(at..at + lost, [Err((first, last))]);
    assert_eq!(read(&log), expected);
}

#[test]
fn unknown_versions_are_refused_and_nothing_is_changed() {
    for name in ["unknown-version", "unknown-frame-version"] {
        let dir = copy_of(name);
        let before = files(dir.path());
        for accept_damage in [false, true] {
            let options = Options { accept_damage, ..options() };
            let error = Log::open(dir.path(), options, Arc::new(describe)).expect_err("it is too new");
            assert!(matches!(&error, OpenError::UnknownVersion { found: 2, .. }), "{name}: {error}");
            assert!(error.to_string().contains(SECOND_SEGMENT), "{error}");
            assert_eq!(files(dir.path()), before);
        }
        let error = verify(&RealDisk, dir.path(), &describe, &mut |_, _| {}).expect_err("it is too new");
        assert!(matches!(error, OpenError::UnknownVersion { .. }));
    }
}

#[test]
fn swapped_segments_of_version_1_are_refused() {
    let dir = copy_of("swapped");
    let before = files(dir.path());
    let OpenError::Damaged { damage } = open(dir.path()).expect_err("it is damaged") else {
        panic!("damage is told")
    };
    assert_eq!(damage.iter().filter(|damage| damage.cause == Cause::Misplaced).count(), 2, "{damage:?}");
    assert_eq!(files(dir.path()), before);
}
