//! Frames from anywhere: read as they were written, or refused; never a panic, never a large allocation for a small file.

use bytes::Bytes;
use proptest::prelude::*;

use super::header::FrameHeader;
use super::{Frame, FrameBuilder, HEADER_BYTES};
use crate::local::checksum::Seed;

fn records() -> impl Strategy<Value = Vec<(u64, u16, bool, Vec<u8>, String)>> {
    let record = (
        1u64..1 << 40,
        any::<u16>(),
        any::<bool>(),
        prop::collection::vec(any::<u8>(), 0..50),
        "[a-zé]{0,6}",
    );
    prop::collection::vec(record, 1..20)
}

fn build(records: &[(u64, u16, bool, Vec<u8>, String)]) -> Vec<(u64, u16, bool, Vec<u8>)> {
    let mut position = 0;
    let last = records.len() - 1;
    let record = |(at, (step, number, end, payload, _)): (usize, &(u64, u16, bool, Vec<u8>, String))| {
        position += step;
        (position, *number, *end || at == last, payload.clone())
    };
    records.iter().enumerate().map(record).collect()
}

proptest! {
    #[test]
    fn a_frame_reads_back_as_it_was_built(records in records()) {
        let expected = build(&records);
        let mut builder = FrameBuilder::new();
        builder.begin(expected[0].0, 7);
        let words: Vec<u32> = records.iter().map(|record| builder.word(&record.4)).collect();
        for (position, number, end, payload) in &expected {
            builder.record(*position, *number, *end, payload).unwrap();
        }
        let frame = builder.to_frame().unwrap();
        let seen: Vec<_> = frame
            .records()
            .map(|record| (record.position, record.number, record.slice_end, record.payload.to_vec()))
            .collect();
        prop_assert_eq!(seen, expected);
        for (word, record) in words.iter().zip(&records) {
            prop_assert_eq!(frame.words().get(*word), Some(record.4.as_str()));
        }
    }

    #[test]
    fn any_bytes_with_a_right_checksum_are_read_or_refused(
        records in records(),
        changes in prop::collection::vec((12usize..2000, any::<u8>()), 1..8),
    ) {
        let mut builder = FrameBuilder::new();
        let built = build(&records);
        builder.begin(built[0].0, 7);
        for (position, number, end, payload) in &built {
            builder.word("a word");
            builder.record(*position, *number, *end, payload).unwrap();
        }
        let seed = Seed::from_value(0);
        let (_, bytes) = builder.seal(super::Seal {
            seed,
            offset: 0,
            chain_before: 0,
            durable_mark: 0,
            durable_offset: 0,
        });
        let mut bytes = bytes.to_vec();
        for (at, byte) in changes {
            let at = 12 + at % (bytes.len() - 12);
            // The version, the place and the seed stay: they are judged before the content.
            if !(12..14).contains(&at) && !(20..32).contains(&at) {
                bytes[at] = byte;
            }
        }
        let mut header = FrameHeader::read(&bytes, bytes.len() as u64).unwrap();
        header.write(&mut bytes, seed);
        if let Ok(frame) = Frame::verify(Bytes::from(bytes), seed, 0) {
            for record in frame.records() {
                prop_assert!(frame.record(record.position).is_some());
            }
            for word in 0..frame.words().len() {
                prop_assert!(frame.words().get(word as u32).is_some());
            }
        }
    }

    #[test]
    fn any_bytes_at_all_are_no_frame(mut bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Frame::verify(Bytes::from(bytes.clone()), Seed::of(1, 1), 0).is_err());
        if bytes.len() >= HEADER_BYTES {
            bytes[..4].copy_from_slice(b"CFRM");
            prop_assert!(Frame::verify(Bytes::from(bytes), Seed::of(1, 1), 0).is_err());
        }
    }
}
