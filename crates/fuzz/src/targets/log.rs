//! Files of the log. The first byte says whether checksums are made right first.

use cantus_engine::codec;
use cantus_engine::local::probe;

pub(super) fn frame(input: &[u8]) {
    let Some((sealed, bytes)) = input.split_first() else { return };
    let Some(frame) = probe::frame(bytes, sealed & 1 == 1) else { return };
    let words = frame.words();
    for number in 0..words.len() {
        assert!(words.get(number as u32).is_some(), "word {number} was counted and is not there");
    }
    let mut before = None;
    let mut records = 0;
    for record in frame.records() {
        assert!(before.is_none_or(|before| before < record.position), "positions rise");
        before = Some(record.position);
        records += 1;
        assert_eq!(frame.record(record.position).map(|found| found.number), Some(record.number));
        codec::describe(&words, record.number, record.payload);
        // A fact is read, or named as one that can not be.
        drop(codec::decode(&frame, &record));
    }
    assert_eq!(records, frame.len(), "a frame has the records it counts");
}

pub(super) fn index_file(input: &[u8]) {
    if let Some((sealed, bytes)) = input.split_first() {
        probe::index_file(bytes, sealed & 1 == 1);
    }
}
