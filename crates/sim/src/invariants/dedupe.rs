//! P10. The same id within the window is stored once, also across crashes; with other content it is refused.

use cantus_core::command::Answer;
use cantus_core::fact::{Fact, Recorded};
use cantus_core::{Refusal, Span};
use cantus_runtime::Failed;

use super::{Invariant, Told, Verdict, hold};
use crate::model::{Ledger, Model, identity_of};

pub(super) struct Dedupe;

fn age(model: &Model, topic: &str) -> Span {
    model.topics.get(topic).and_then(|topic| topic.dedupe_age).unwrap_or(Span::hours(24))
}

impl Invariant for Dedupe {
    fn promise(&self) -> &'static str {
        "the same id within the window is stored once"
    }

    fn fact(&mut self, model: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        let event = match &recorded.fact {
            Fact::EventPublished(fact) if fact.deferred_at.is_none() => &fact.event,
            Fact::EventDeferred(fact) => &fact.event,
            Fact::RequestAnswered(fact) => {
                let key = (u128::from(fact.key_high) << 64) | u128::from(fact.key_low);
                let known = model.requests.get(&key).and_then(|all| all.last());
                return hold(known.is_none_or(|(at, ..)| recorded.at.since(*at) >= Span::hours(24)), || {
                    format!("the request of idempotency key {key:x} is done again at {}", recorded.position)
                });
            }
            _ => return Ok(()),
        };
        let Some(seen) = model.identities.get(&identity_of(event)) else { return Ok(()) };
        hold(recorded.at.since(seen.at) >= age(model, event.topic.as_str()), || {
            format!("`{}` lies at {} and again at {}", event.id, seen.position, recorded.position)
        })
    }

    fn answered(&mut self, model: &Model, _: &Ledger, told: &Told<'_>) -> Verdict {
        match told.answer {
            Ok(Answer::Published { receipts, replayed: false }) => {
                for (receipt, draft) in receipts.iter().zip(told.request.drafts()) {
                    let seen = model.identities.get(&identity_of(&draft.event));
                    let Some(seen) = seen else {
                        return Err(format!("`{}` was accepted and is unknown", receipt.id));
                    };
                    hold(seen.content == draft.content || seen.position != receipt.position, || {
                        format!("`{}` is told to lie at {}, with other content", receipt.id, receipt.position)
                    })?;
                    let forgotten = told.request.at.since(seen.at) >= age(model, &receipt.topic);
                    hold(!(receipt.duplicate && seen.position == receipt.position && forgotten), || {
                        format!("`{}` was forgotten, and is told to be a duplicate", receipt.id)
                    })?;
                }
                Ok(())
            }
            Err(Failed::Refused(Refusal::EventIdReused { id, position, .. })) => {
                let drafts = told.request.drafts();
                let own = drafts.iter().filter(|draft| draft.event.id == *id);
                let other = own.clone().any(|draft| {
                    let seen = model.identities.get(&identity_of(&draft.event));
                    seen.is_none_or(|seen| seen.position != *position || seen.content != draft.content)
                });
                hold(other, || format!("`{id}` was refused as reused, and has the same content"))
            }
            _ => Ok(()),
        }
    }
}
