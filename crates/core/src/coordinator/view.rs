//! What a decision sees.

use std::collections::HashMap;
use std::sync::Arc;

use crate::command::Now;
use crate::event::Event;
use crate::ids::DeliveryId;
use crate::numbered::Numbered;
use crate::refusal::Refusal;
use crate::row::{Key, Loaded};
use crate::state::State;

/// What a decision sees: the state, the time, and what it asked to be loaded.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// What is true.
    pub state: &'a State,
    /// Time and chance.
    pub now: Now,
    /// What earlier tries of this decision asked for.
    pub loaded: &'a HashMap<Key, Loaded>,
    /// Bodies of deliveries in hand.
    pub bodies: &'a Numbered<DeliveryId, Arc<Event>>,
    /// The limits in force.
    pub limits: &'a Limits,
}

impl View<'_> {
    /// Returns the event of a delivery in hand, if memory still has it.
    pub(crate) fn lanes_event(&self, id: DeliveryId) -> Option<Arc<Event>> {
        self.bodies.get(&id).cloned()
    }
}

/// The limits in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many causes may lie before an event.
    pub hops_max: u32,
    /// How many subscriptions there may be.
    pub subscriptions_max: usize,
    /// How many agents there may be.
    pub agents_max: usize,
    /// How many topics there may be.
    pub topics_max: usize,
    /// How many deliveries of a subscription state may hold before none of those that wait for their key is parked any more.
    pub parked_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hops_max: 64,
            subscriptions_max: 100_000,
            agents_max: 100_000,
            topics_max: 100_000,
            parked_max: 100_000,
        }
    }
}

/// Why a decision did not lead to facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The command can not be.
    Refused(Refusal),
    /// These must be loaded first; then the command is decided again. Nothing was applied.
    Need(Vec<Key>),
    /// What was stored can not be read. Nothing was applied.
    Damaged(String),
    /// A fact that was decided could not be applied: the coordinator is not to be used any more.
    Broken(String),
}
