//! Receipts as text.

use cantus_api::receipt::{Receipt, Status};

use crate::output::{Screen, Table, fields};

/// Returns one receipt, a field per line.
pub(super) fn one(receipt: &Receipt) -> String {
    fields(&[
        ("id", receipt.id.clone()),
        ("topic", receipt.topic.clone()),
        ("position", receipt.position.clone()),
        ("correlation", receipt.correlation_id.clone()),
        ("revision", receipt.revision.map(|revision| revision.to_string()).unwrap_or_default()),
        ("status", status(receipt.status).to_owned()),
    ])
}

/// Returns receipts as a table.
pub(super) fn table(receipts: &[Receipt], screen: &Screen) -> String {
    let mut table = Table::new(["ID", "TOPIC", "POSITION", "CORRELATION", "STATUS"]);
    for receipt in receipts {
        table.row([
            receipt.id.clone(),
            receipt.topic.clone(),
            receipt.position.clone(),
            receipt.correlation_id.clone(),
            status(receipt.status).to_owned(),
        ]);
    }
    table.render(screen, "nothing was published")
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Accepted => "accepted",
        Status::Duplicate => "duplicate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_a_field_per_line() {
        let receipt = Receipt {
            id: "evt_1".into(),
            source: "/cli".into(),
            topic: "tasks".into(),
            position: "0:9".into(),
            correlation_id: "evt_1".into(),
            status: Status::Accepted,
            revision: None,
            warnings: Vec::new(),
        };
        assert_eq!(
            one(&receipt),
            "id           evt_1\ntopic        tasks\nposition     0:9\ncorrelation  evt_1\nstatus       accepted\n"
        );
    }
}
