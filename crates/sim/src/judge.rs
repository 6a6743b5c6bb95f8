//! The judge: follows the durable log, keeps the model and the ledger, and asks every promise.

use std::fmt;

use cantus_engine::{Budget, Entry, Reader, Selection};

use crate::invariants::{Given, Invariant, Look, Rotten, Told, Verdict, all};
use crate::model::{Fate, Ledger, Model, Request};
use crate::sabotage;
use crate::world::Sabotage;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The promise in words.
    pub promise: String,
    /// What happened instead.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken: {}\n        {}", self.promise, self.what)
    }
}

impl Violation {
    pub(crate) fn new(promise: &str, what: String) -> Self {
        Self { promise: promise.to_owned(), what }
    }
}

pub(crate) struct Judge {
    pub(crate) model: Model,
    pub(crate) ledger: Ledger,
    promises: Vec<Box<dyn Invariant>>,
    sabotage: Sabotage,
}

impl Judge {
    pub(crate) fn new(sabotage: Sabotage) -> Self {
        Self { model: Model::default(), ledger: Ledger::default(), promises: all(), sabotage }
    }

    fn ask(
        &mut self,
        mut look: impl FnMut(&mut dyn Invariant, &Model, &Ledger) -> Verdict,
    ) -> Result<(), Violation> {
        for promise in &mut self.promises {
            let broken = look(promise.as_mut(), &self.model, &self.ledger);
            broken.map_err(|what| Violation::new(promise.promise(), what))?;
        }
        Ok(())
    }

    /// Follows everything that is durable. Returns the names of the facts that were new.
    pub(crate) fn follow(&mut self, reader: &dyn Reader) -> Result<Vec<String>, Violation> {
        let mut new = Vec::new();
        if reader.durable() <= self.model.end {
            return Ok(new);
        }
        loop {
            let read = reader.read(self.model.end, &Selection::default(), Budget::default());
            let chunk = read.map_err(|error| {
                Violation::new("the log can be read", format!("behind {}: {error}", self.model.end))
            })?;
            for entry in &chunk.entries {
                let recorded = match entry {
                    Entry::Fact(recorded) => recorded,
                    gap => return Err(Violation::new("nothing is lost", format!("{gap:?}"))),
                };
                let forged = sabotage::forged(self.sabotage, recorded);
                let recorded = forged.as_ref().unwrap_or(recorded);
                new.push(format!("{} {}", recorded.position.0, recorded.fact.name()));
                self.ask(|promise, model, ledger| promise.fact(model, ledger, recorded))?;
                self.model.follow(recorded);
            }
            if chunk.end {
                break;
            }
        }
        self.ask(|promise, model, ledger| promise.followed(model, ledger))?;
        Ok(new)
    }

    /// A worker was given a delivery.
    pub(crate) fn given(&mut self, given: &Given) -> Result<(), Violation> {
        self.ask(|promise, model, _| promise.given(model, given))
    }

    /// A request was taken by the node, or refused at the door.
    pub(crate) fn asked(&mut self, request: &Request) {
        self.ledger.asked(request);
    }

    /// All events of a request have this fate.
    pub(crate) fn fated(&mut self, request: &Request, fate: impl Fn(usize) -> Fate) {
        self.ledger.fated(request, fate);
    }

    /// A request was answered.
    pub(crate) fn answered(&mut self, told: &Told<'_>) -> Result<(), Violation> {
        self.ask(|promise, model, ledger| promise.answered(model, ledger, told))
    }

    /// The process has ended.
    pub(crate) fn ended(&mut self, unsynced_lost: bool) {
        for promise in &mut self.promises {
            promise.ended(unsynced_lost);
        }
    }

    /// The process has started again.
    pub(crate) fn restarted(&mut self, look: &Look<'_>) -> Result<(), Violation> {
        self.ask(|promise, model, ledger| promise.restarted(model, ledger, look))
    }

    /// A file has rotted while nobody ran.
    pub(crate) fn rotten(&mut self, rotten: &Rotten<'_>) -> Result<(), Violation> {
        self.ask(|promise, model, _| promise.rotten(model, rotten))
    }

    /// Nothing is left to do.
    pub(crate) fn drained(&mut self, look: &Look<'_>) -> Result<(), Violation> {
        self.ask(|promise, model, ledger| promise.drained(model, ledger, look))
    }
}
