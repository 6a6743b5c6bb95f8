//! P5. After a sync has failed nobody is told that anything was done: what is not answered is in doubt until the next
//! start, which tells the truth.

use super::{Invariant, Told, Verdict, hold};
use crate::model::{Ledger, Model, What};

pub(super) struct SyncsAreHonest;

impl Invariant for SyncsAreHonest {
    fn promise(&self) -> &'static str {
        "after a failed sync nothing is acknowledged"
    }

    fn answered(&mut self, _: &Model, _: &Ledger, told: &Told<'_>) -> Verdict {
        // A lease may start once it is written.
        let rests_on_sync = !matches!(told.request.what, What::Pull);
        hold(!(told.after_failed_sync && rests_on_sync && told.answer.is_ok()), || {
            format!(
                "request {} was answered with {:?} after a sync had failed",
                told.request.number, told.answer
            )
        })
    }
}
