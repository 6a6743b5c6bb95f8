//! P5. What is answered is durable, whatever syncs fail: a sync that fails is never taken for one that worked. What is not
//! answered then is in doubt until the next start, which tells the truth.

use cantus_core::command::{Answer, Settled};

use super::{Invariant, Told, Verdict, hold};
use crate::model::{Ledger, Model};

pub(super) struct SyncsAreHonest;

impl Invariant for SyncsAreHonest {
    fn promise(&self) -> &'static str {
        "what is answered is durable, whatever syncs fail"
    }

    fn answered(&mut self, model: &Model, _: &Ledger, told: &Told<'_>) -> Verdict {
        let receipts = match told.answer {
            Ok(Answer::Published { receipts, .. } | Answer::Settled(Settled::Acked(receipts))) => receipts,
            _ => return Ok(()),
        };
        let ahead = receipts.iter().find(|receipt| receipt.position > model.end);
        hold(ahead.is_none(), || {
            format!(
                "request {} is answered with {ahead:?}, the log is durable up to {}",
                told.request.number, model.end
            )
        })
    }
}
