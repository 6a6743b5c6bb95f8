//! The promises, a file each, opened by the promise in words. Each looks at every fact before the model follows it, at
//! every answer, at what workers are given, at what is there after a restart and at the end.

mod acked_is_readable;
mod answers;
mod at_least_once;
mod batches_are_whole;
mod dedupe;
mod facts_rebuild_state;
mod leases;
mod order;
mod positions;
mod refused_is_invisible;
mod retries;
mod syncs_are_honest;
mod timers;

use cantus_core::Coordinator;
use cantus_core::command::{Answer, Pulled};
use cantus_core::fact::Recorded;
use cantus_engine::{Checkpoint, Reader};
use cantus_runtime::Failed;

use crate::model::{Ledger, Model, Request};

/// Ok, or what is wrong.
pub(crate) type Verdict = Result<(), String>;

/// What can be seen of a node.
pub(crate) struct Look<'a> {
    pub(crate) reader: &'a dyn Reader,
    pub(crate) checkpoint: &'a dyn Checkpoint,
    pub(crate) coordinator: &'a Coordinator,
}

/// A delivery that was put into a worker's hands.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) pulled: Pulled,
    /// True when an earlier start of the process may have given it already.
    pub(crate) survivor: bool,
}

/// An answer to a request.
pub(crate) struct Told<'a> {
    pub(crate) request: &'a Request,
    pub(crate) answer: &'a Result<Answer, Failed>,
}

/// A promise.
pub(crate) trait Invariant {
    /// Returns the promise in words.
    fn promise(&self) -> &'static str;

    /// Looks at a durable fact before the model follows it.
    fn fact(&mut self, _model: &Model, _ledger: &Ledger, _recorded: &Recorded) -> Verdict {
        Ok(())
    }

    /// Everything that is durable was followed.
    fn followed(&mut self, _model: &Model, _ledger: &Ledger) -> Verdict {
        Ok(())
    }

    /// A worker was given a delivery.
    fn given(&mut self, _model: &Model, _given: &Given) -> Verdict {
        Ok(())
    }

    /// A request was answered; all that is durable was followed.
    fn answered(&mut self, _model: &Model, _ledger: &Ledger, _told: &Told<'_>) -> Verdict {
        Ok(())
    }

    /// The process has ended; with `unsynced_lost`, what was not synced may be gone.
    fn ended(&mut self, _unsynced_lost: bool) {}

    /// The process has started again; all that is durable was followed.
    fn restarted(&mut self, _model: &Model, _ledger: &Ledger, _look: &Look<'_>) -> Verdict {
        Ok(())
    }

    /// Nothing is left to do.
    fn drained(&mut self, model: &Model, ledger: &Ledger, look: &Look<'_>) -> Verdict {
        self.restarted(model, ledger, look)
    }
}

/// Returns all promises.
pub(crate) fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::<positions::Positions>::default(),
        Box::<acked_is_readable::AckedIsReadable>::default(),
        Box::<batches_are_whole::BatchesAreWhole>::default(),
        Box::new(syncs_are_honest::SyncsAreHonest),
        Box::new(refused_is_invisible::RefusedIsInvisible),
        Box::new(dedupe::Dedupe),
        Box::new(order::FirstDeliveriesInOrder),
        Box::<leases::Leases>::default(),
        Box::<retries::Retries>::default(),
        Box::new(timers::Timers),
        Box::<answers::Answers>::default(),
        Box::new(at_least_once::AtLeastOnce),
        Box::new(facts_rebuild_state::FactsRebuildState),
    ]
}

/// Fails with words unless something holds.
pub(crate) fn hold(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise()) }
}
