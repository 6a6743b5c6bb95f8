//! Where a dead letter holds its key, nothing of that key is delivered but the dead letter's own replay, until it is
//! resolved, put away or let go by a person.

use cantus_core::fact::{DeadLetterOpened, Fact, Recorded};
use cantus_core::subscription::AfterDeadLetter;
use cantus_core::subscription::retry::Reason;

use super::{Invariant, Verdict, hold};
use crate::model::{Ledger, Model};

pub(super) struct HeldKeys;

fn opened(model: &Model, fact: &DeadLetterOpened) -> Verdict {
    let id = fact.delivery;
    let Some(sub) = model.subscriptions.get(&id.subscription) else { return Ok(()) };
    let holds = sub.definition().after_dead_letter == AfterDeadLetter::HoldKey
        && fact.reason != Reason::GivenUp
        && fact.reopens.is_none();
    let key = model.delivery(id).and_then(|it| it.key).filter(|_| holds);
    // What was given its key by an order before has another by now.
    let told = fact.holds.is_some() == key.is_some();
    hold(told || sub.reordered.0 > 0, || {
        format!("the dead letter of {id:?} holds {:?}, its key is {key:?}", fact.holds)
    })
}

impl Invariant for HeldKeys {
    fn promise(&self) -> &'static str {
        "a key that waits for a person waits"
    }

    fn fact(&mut self, model: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        match &recorded.fact {
            Fact::DeadLetterOpened(fact) => opened(model, fact),
            Fact::DeliveryLeased(fact) => {
                let id = fact.delivery;
                let Some(key) = fact.key else { return Ok(()) };
                let mut holders = model.holders(id.subscription, key).peekable();
                let replay_of = model.delivery(id).and_then(|it| it.replay_of);
                let passes = holders.peek().is_none() || holders.any(|holder| Some(holder) == replay_of);
                hold(passes, || format!("{id:?} is leased while its key waits for a person"))
            }
            _ => Ok(()),
        }
    }
}
