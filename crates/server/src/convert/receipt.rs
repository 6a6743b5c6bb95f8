//! Receipts: what a publisher is told about each event.

use cantus_api::receipt;
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
