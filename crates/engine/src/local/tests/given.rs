//! Logs on model disks, small enough that a few records fill several segments.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::local::model_disk::ModelDisk;
use crate::local::{
    AppendError, Description, FrameBuilder, Log, OpenError, Options, ReadError, Reader, Recovered, Term,
    Words,
};

pub(super) const DIR: &str = "log";

/// Records of these tests are `topic word number, text`; they are found by their text and by `story-N` of their position.
pub(super) fn describe(words: &Words<'_>, number: u16, payload: &[u8]) -> Description {
    let mut description = Description::default();
    description.term(Term::ID, xxh3_64(payload));
    description.term(Term::CORRELATION, xxh3_64(&[number as u8]));
    description.topic = words.get(u32::from(number)).map(|topic| xxh3_64(topic.as_bytes()));
    description.priority = Some(number as u8 & 3);
    description
}

pub(super) fn options(disk: &ModelDisk) -> Options {
    Options {
        segment_bytes_first: 16 * 1024,
        segment_bytes_max: 32 * 1024,
        reserve_bytes: 0,
        background: false,
        log_id: Some(42),
        disk: Arc::new(disk.clone()),
        ..Options::default()
    }
}

pub(super) fn open(disk: &ModelDisk) -> (Log, Recovered) {
    try_open(disk).expect("the log opens")
}

pub(super) fn try_open(disk: &ModelDisk) -> Result<(Log, Recovered), OpenError> {
    Log::open(Path::new(DIR), options(disk), Arc::new(describe))
}

/// Opens a log although it is damaged.
pub(super) fn open_accepting(disk: &ModelDisk) -> (Log, Recovered) {
    let options = Options { accept_damage: true, ..options(disk) };
    Log::open(Path::new(DIR), options, Arc::new(describe)).expect("the log opens with its damage accepted")
}

/// Writes one frame with the given payloads at the next positions.
pub(super) fn write(log: &mut Log, payloads: &[&[u8]]) -> Result<u64, AppendError> {
    let mut frame = FrameBuilder::new();
    frame.begin(log.next_position(), log.log_time_ms() + 1);
    for (at, payload) in payloads.iter().enumerate() {
        frame.word("project.tasks");
        frame.word("project.reviews");
        let position = log.next_position() + at as u64;
        frame.record(position, (position % 2) as u16, at + 1 == payloads.len(), payload)?;
    }
    Ok(log.write(&mut frame)?.last_position)
}

/// Writes one frame and syncs it.
pub(super) fn append(log: &mut Log, payloads: &[&[u8]]) -> u64 {
    let last = write(log, payloads).expect("the frame is written");
    assert_eq!(log.sync().expect("the frame is synced").position, last);
    last
}

/// Appends single records of about `bytes` bytes, with their number in the text.
pub(super) fn append_numbered(log: &mut Log, count: usize, bytes: usize) {
    for _ in 0..count {
        append(log, &[&numbered(log.next_position(), bytes)]);
    }
}

pub(super) fn numbered(position: u64, bytes: usize) -> Vec<u8> {
    format!("{:0>bytes$}", format!("record {position}")).into_bytes()
}

/// All records from a position on, and all gaps, in order.
#[derive(Debug, PartialEq, Eq, Clone)]
pub(super) enum Seen {
    Record(u64, Vec<u8>),
    Gap(u64, u64),
}

pub(super) fn read_from(reader: &Reader, from: u64) -> Vec<Seen> {
    let mut seen = Vec::new();
    for frame in reader.frames(from) {
        match frame {
            Ok(frame) => {
                for record in frame.records().filter(|record| record.position >= from) {
                    seen.push(Seen::Record(record.position, record.payload.to_vec()));
                }
            }
            Err(ReadError::Gap(damage)) => seen.push(Seen::Gap(damage.lost.first, damage.lost.last)),
            Err(error) => panic!("reading fails: {error}"),
        }
    }
    seen
}

pub(super) fn read_all(reader: &Reader) -> Vec<Seen> {
    read_from(reader, 1)
}

/// The segment files, oldest first.
pub(super) fn segments(disk: &ModelDisk) -> Vec<PathBuf> {
    let mut paths = disk.paths();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "segment"));
    paths
}

/// Where each frame of a segment begins, from its own lengths.
pub(super) fn frame_offsets(segment: &[u8]) -> Vec<usize> {
    let mut offsets = Vec::new();
    let mut at = 4096;
    while segment.get(at..at + 4) == Some(b"CFRM") {
        offsets.push(at);
        at += u32::from_le_bytes(segment[at + 4..at + 8].try_into().expect("four bytes")) as usize;
    }
    offsets
}
