//! What state keeps of a bulk operation.

use minicbor::{Decode, Encode};

use super::Pace;
use crate::ids::{BulkId, DeadLetterId, DeliveryId};
use crate::text::Text;
use crate::time::Timestamp;

/// What is done to every item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Action {
    /// Dead letters are sent on their way again.
    #[n(0)]
    Replay,
    /// Dead letters are put away.
    #[n(1)]
    Archive,
    /// Dead letters are taken back.
    #[n(2)]
    Restore,
    /// Deliveries that wait for a retry are tried at once.
    #[n(3)]
    Retry,
    /// Deliveries that wait become dead letters.
    #[n(4)]
    GiveUp,
}

impl Action {
    /// Returns the word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Replay => "replay",
            Action::Archive => "archive",
            Action::Restore => "restore",
            Action::Retry => "retry",
            Action::GiveUp => "give_up",
        }
    }

    /// Tells whether it is done to dead letters; else it is done to deliveries.
    pub fn is_for_dead_letters(self) -> bool {
        matches!(self, Action::Replay | Action::Archive | Action::Restore)
    }
}

/// The frozen ids of an operation, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Items {
    /// Dead letters.
    #[n(0)]
    DeadLetters(#[n(0)] Vec<DeadLetterId>),
    /// Deliveries.
    #[n(1)]
    Deliveries(#[n(0)] Vec<DeliveryId>),
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// A dead letter.
    DeadLetter(DeadLetterId),
    /// A delivery.
    Delivery(DeliveryId),
}

impl Items {
    /// Returns how many there are.
    pub fn len(&self) -> usize {
        match self {
            Items::DeadLetters(ids) => ids.len(),
            Items::Deliveries(ids) => ids.len(),
        }
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the item at a place.
    pub fn get(&self, index: usize) -> Option<Item> {
        match self {
            Items::DeadLetters(ids) => ids.get(index).copied().map(Item::DeadLetter),
            Items::Deliveries(ids) => ids.get(index).copied().map(Item::Delivery),
        }
    }

    /// Returns them without those that `drop` names.
    #[must_use]
    pub(crate) fn without(&self, mut drop: impl FnMut(Item) -> bool) -> Items {
        match self {
            Items::DeadLetters(ids) => {
                Items::DeadLetters(ids.iter().filter(|id| !drop(Item::DeadLetter(**id))).copied().collect())
            }
            Items::Deliveries(ids) => {
                Items::Deliveries(ids.iter().filter(|id| !drop(Item::Delivery(**id))).copied().collect())
            }
        }
    }

    /// Tells whether an item is among those from `from` on. They are in order, so it is found quickly.
    pub(crate) fn has_behind(&self, from: usize, item: Item) -> bool {
        match (self, item) {
            (Items::DeadLetters(ids), Item::DeadLetter(id)) => {
                ids.get(from..).is_some_and(|rest| rest.binary_search(&id).is_ok())
            }
            (Items::Deliveries(ids), Item::Delivery(id)) => {
                ids.get(from..).is_some_and(|rest| rest.binary_search(&id).is_ok())
            }
            _ => false,
        }
    }

    /// Puts them in order, each once.
    pub(crate) fn sorted(mut self) -> Items {
        match &mut self {
            Items::DeadLetters(ids) => {
                ids.sort_unstable();
                ids.dedup();
            }
            Items::Deliveries(ids) => {
                ids.sort_unstable();
                ids.dedup();
            }
        }
        self
    }
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    /// It was done.
    #[n(0)]
    Done,
    /// It had moved meanwhile: there was nothing to do any more.
    #[n(1)]
    Skipped,
    /// It could not be done.
    #[n(2)]
    Failed,
}

impl Outcome {
    /// Returns the word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Skipped => "skipped",
            Outcome::Failed => "failed",
        }
    }
}

/// An item that was not done, and why.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Problem {
    /// Which, as its id is shown.
    #[n(0)]
    pub id: Text,
    /// Skipped or failed.
    #[n(1)]
    pub outcome: Outcome,
    /// Why, in words.
    #[n(2)]
    pub why: Text,
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Status {
    /// It goes on.
    #[n(0)]
    Running,
    /// Every item had its turn.
    #[n(1)]
    Completed,
    /// A person ended it.
    #[n(2)]
    Aborted,
}

impl Status {
    /// Returns the word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Completed => "completed",
            Status::Aborted => "aborted",
        }
    }
}

/// A bulk operation as it stands. Its items are a row of their own, kept while it runs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Operation {
    /// Its id: where the fact lies that began it.
    #[n(0)]
    pub id: BulkId,
    /// What is done.
    #[n(1)]
    pub action: Action,
    /// Where it stands.
    #[n(2)]
    pub status: Status,
    /// How many items it has.
    #[n(3)]
    pub total: u32,
    /// The next item's place.
    #[n(4)]
    pub next: u32,
    /// When its turn comes.
    #[n(5)]
    pub due: Timestamp,
    /// How many items were taken since the last rest.
    #[n(6)]
    pub burst: u32,
    /// How fast it goes.
    #[n(7)]
    pub pace: Pace,
    /// What was asked for, as JSON text.
    #[n(8)]
    pub filter: Text,
    /// Only what was there by then is meant.
    #[n(9)]
    pub as_of: Timestamp,
    /// The hash of the frozen ids.
    #[n(10)]
    pub hash: Text,
    /// Who began it.
    #[n(11)]
    pub actor: Text,
    /// Why.
    #[n(12)]
    pub reason: Text,
    /// When it began.
    #[n(13)]
    pub started_at: Timestamp,
    /// When it last moved.
    #[n(14)]
    pub moved_at: Timestamp,
    /// When it was over.
    #[n(15)]
    pub ended_at: Option<Timestamp>,
    /// Who aborted it.
    #[n(16)]
    pub ended_by: Option<Text>,
    /// Why it was aborted.
    #[n(17)]
    pub ended_because: Option<Text>,
    /// How many items were done.
    #[n(18)]
    pub done: u32,
    /// How many had moved meanwhile.
    #[n(19)]
    pub skipped: u32,
    /// How many could not be done.
    #[n(20)]
    pub failed: u32,
    /// The first items that were skipped or failed.
    #[n(21)]
    pub problems: Vec<Problem>,
}
