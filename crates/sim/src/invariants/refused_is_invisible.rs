//! P11. What was definitely refused is never visible, then or later.

use cantus_core::bulk_operation::Action;
use cantus_core::event::Event;
use cantus_core::fact::{Fact, Recorded};

use super::{Invariant, Look, Verdict, hold};
use crate::model::{Fate, Identity, Ledger, Model, identity_of};

pub(super) struct RefusedIsInvisible;

fn check(ledger: &Ledger, identity: &Identity, content: u64, where_: &str) -> Verdict {
    let tries = ledger.tries.get(identity).map_or(&[][..], Vec::as_slice);
    let mut same = tries.iter().filter(|one| one.content == content).peekable();
    hold(same.peek().is_some(), || format!("nobody published {identity:?}, and it is {where_}"))?;
    hold(same.any(|one| one.fate != Fate::Refused), || {
        format!("{identity:?} was refused, and it is {where_}")
    })
}

/// A bulk operation makes the new event of an edited dead letter by itself.
fn is_renewed(event: &Event, only: Option<u32>) -> bool {
    only.is_some() && event.id.starts_with("evt_")
}

impl Invariant for RefusedIsInvisible {
    fn promise(&self) -> &'static str {
        "what was refused is never visible"
    }

    fn fact(&mut self, model: &Model, ledger: &Ledger, recorded: &Recorded) -> Verdict {
        let (event, content) = match &recorded.fact {
            Fact::EventPublished(fact) if is_renewed(&fact.event, fact.only) => {
                let replays = model.bulks.values().any(|bulk| bulk.action == Action::Replay);
                return hold(replays, || format!("`{}` replays an edited event by itself", fact.event.id));
            }
            Fact::EventPublished(fact) => (&fact.event, fact.content),
            Fact::EventDeferred(fact) => (&fact.event, fact.content),
            _ => return Ok(()),
        };
        check(ledger, &identity_of(event), content, &format!("at {}", recorded.position))
    }

    fn restarted(&mut self, model: &Model, ledger: &Ledger, _: &Look<'_>) -> Verdict {
        let sent = model.events.iter().filter(|(_, it)| !is_renewed(&it.event, it.only));
        for (position, published) in sent {
            check(ledger, &identity_of(&published.event), published.content, &format!("at {position}"))?;
        }
        Ok(())
    }
}
