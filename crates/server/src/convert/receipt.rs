//! Receipts: what a publisher is told about each event.

use std::io::Write as _;

use cantus_api::{json, receipt};
use cantus_core::fact;

/// Returns a receipt for the wire.
pub fn out(receipt: &fact::Receipt) -> receipt::Receipt {
    receipt::Receipt {
        id: receipt.id.to_string(),
        source: receipt.source.to_string(),
        topic: receipt.topic.to_string(),
        position: receipt.position.to_string(),
        correlation_id: receipt.correlation_id.to_string(),
        status: if receipt.duplicate { receipt::Status::Duplicate } else { receipt::Status::Accepted },
        revision: receipt.revision,
        warnings: receipt.warnings.iter().map(ToString::to_string).collect(),
    }
}

/// Returns receipts for the wire.
pub fn all(receipts: &[fact::Receipt]) -> Vec<receipt::Receipt> {
    receipts.iter().map(out).collect()
}

/// Writes the answer to a publish, by hand: it has a receipt for every event of a batch, and is the same as
/// [`receipt::Receipts`] written by serde.
pub fn write(receipts: &[fact::Receipt]) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + 208 * receipts.len());
    out.extend_from_slice(b"{\"results\":[");
    for (index, receipt) in receipts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let texts = [
            (&b"{\"id\":"[..], &receipt.id),
            (b",\"source\":", &receipt.source),
            (b",\"topic\":", &receipt.topic),
        ];
        for (name, text) in texts {
            out.extend_from_slice(name);
            json::string(&mut out, text);
        }
        // Writing to memory can not fail.
        let _ = write!(out, ",\"position\":\"{}\",\"correlation_id\":", receipt.position);
        json::string(&mut out, &receipt.correlation_id);
        out.extend_from_slice(if receipt.duplicate {
            b",\"status\":\"duplicate\""
        } else {
            b",\"status\":\"accepted\""
        });
        if let Some(revision) = receipt.revision {
            let _ = write!(out, ",\"revision\":{revision}");
        }
        for (index, warning) in receipt.warnings.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b",\"warnings\":[" } else { b"," });
            json::string(&mut out, warning);
        }
        out.extend_from_slice(if receipt.warnings.is_empty() { b"}" } else { b"]}" });
    }
    out.extend_from_slice(b"]}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use cantus_core::{Position, Text};

    #[test]
    fn an_answer_written_by_hand_is_what_serde_writes() {
        let plain = fact::Receipt {
            id: Text::from("evt_1"),
            source: Text::from("/a \"quoted\"\n"),
            topic: Text::from("t"),
            position: Position(u64::MAX),
            correlation_id: Text::from("é😀\\"),
            duplicate: false,
            revision: None,
            warnings: Vec::new(),
        };
        let full = fact::Receipt {
            duplicate: true,
            revision: Some(7),
            warnings: vec![Text::from("one"), Text::from("\"two\"")],
            ..plain.clone()
        };
        for receipts in [vec![], vec![plain.clone()], vec![full.clone(), plain, full]] {
            let expected = serde_json::to_vec(&receipt::Receipts { results: all(&receipts) }).unwrap();
            assert_eq!(String::from_utf8(write(&receipts)).unwrap(), String::from_utf8(expected).unwrap());
        }
    }
}
