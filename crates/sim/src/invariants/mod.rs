//! The promises, a file each, opened by the promise in words. Each looks at every fact before the model follows it, at
//! every answer, at what workers are given, at what is there after a restart and at the end.

mod acked_is_readable;
mod answers;
mod at_least_once;
mod batches_are_whole;
mod breakers;
mod bulk;
mod dedupe;
mod facts_rebuild_state;
mod held_keys;
mod leases;
mod order;
mod positions;
mod rates;
mod refused_is_invisible;
mod retention;
mod retries;
mod rot;
mod syncs_are_honest;
mod timers;

use std::collections::BTreeSet;

use cantus_core::command::{Answer, Pulled};
use cantus_core::fact::Recorded;
use cantus_core::{Coordinator, Position, Timestamp};
use cantus_engine::{Checkpoint, Housekeeping, Reader};
use cantus_runtime::Failed;
use cantus_runtime::simulation::Node;

use crate::model::{Ledger, Model, Request};

/// Ok, or what is wrong.
pub(crate) type Verdict = Result<(), String>;

/// What can be seen of a node.
pub(crate) struct Look<'a> {
    /// The log as everybody sees it.
    pub(crate) reader: &'a dyn Reader,
    /// The log as it is on the disk.
    pub(crate) raw: &'a dyn Reader,
    /// What is done to sealed data.
    pub(crate) log: &'a dyn Housekeeping,
    pub(crate) checkpoint: &'a dyn Checkpoint,
    pub(crate) coordinator: &'a Coordinator,
    /// The log time.
    pub(crate) now: Timestamp,
}

impl<'a> Look<'a> {
    pub(crate) fn at(node: &'a Node, checkpoint: &'a dyn Checkpoint) -> Self {
        Self {
            reader: node.reader().as_ref(),
            raw: node.raw().as_ref(),
            log: node.log().as_ref(),
            checkpoint,
            coordinator: node.coordinator(),
            now: node.now(),
        }
    }
}

/// A delivery that was put into a worker's hands.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) pulled: Pulled,
    /// True when an earlier start of the process may have given it already.
    pub(crate) survivor: bool,
}

/// What is there after a bit of a file has flipped while nobody ran.
pub(crate) struct Rotten<'a> {
    /// The file, by its name.
    pub(crate) file: String,
    /// What could be read before.
    pub(crate) before: &'a BTreeSet<Position>,
    /// The log as it is read now.
    pub(crate) reader: &'a dyn Reader,
    /// What is told to be damaged, after everything was looked at.
    pub(crate) told: Vec<String>,
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

    /// A bit of a file has flipped after everything was done; the process has started again.
    fn rotten(&mut self, _model: &Model, _rotten: &Rotten<'_>) -> Verdict {
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
        Box::<breakers::Breakers>::default(),
        Box::new(held_keys::HeldKeys),
        Box::<rates::Rates>::default(),
        Box::<bulk::BulkOperations>::default(),
        Box::<answers::Answers>::default(),
        Box::new(at_least_once::AtLeastOnce),
        Box::new(retention::Retention),
        Box::<rot::Rot>::default(),
        Box::new(facts_rebuild_state::FactsRebuildState),
    ]
}

/// Fails with words unless something holds.
pub(crate) fn hold(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise()) }
}
