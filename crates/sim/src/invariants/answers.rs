//! Every answer is true: what it names is in the log, and a refusal had its reason between the question and the answer.

use std::collections::BTreeMap;

use cantus_core::command::{Answer, Settled};
use cantus_core::fact::{Fact, Recorded};
use cantus_core::ids::DeliveryId;
use cantus_core::{Position, Refusal, Text};
use cantus_runtime::Failed;

use super::{Invariant, Told, Verdict, hold};
use crate::model::{Ledger, Model, Request, Stage, What, identity_of};

#[derive(Default)]
pub(super) struct Answers {
    late: BTreeMap<DeliveryId, Vec<u64>>,
    acked: BTreeMap<DeliveryId, u64>,
    extended: BTreeMap<DeliveryId, i64>,
    seen: Position,
}

impl Answers {
    fn published(
        model: &Model,
        request: &Request,
        receipts: &[cantus_core::fact::Receipt],
        replayed: bool,
    ) -> Verdict {
        let drafts = request.drafts();
        hold(receipts.len() == drafts.len(), || {
            format!("request {} of {} events has {} receipts", request.number, drafts.len(), receipts.len())
        })?;
        for (receipt, draft) in receipts.iter().zip(drafts) {
            hold(receipt.id == draft.event.id && receipt.source == draft.event.source, || {
                format!("the receipt of `{}` is about `{}`", draft.event.id, receipt.id)
            })?;
            hold(receipt.position <= model.end, || {
                format!(
                    "`{}` is told to lie at {}, the log ends at {}",
                    receipt.id, receipt.position, model.end
                )
            })?;
            let event = model.events.get(&receipt.position).map(|it| (&it.event, it.content));
            // A deferred event has its position; it is published at another one.
            if let Some((event, content)) = event {
                let same = identity_of(event) == identity_of(&draft.event) && content == draft.content;
                hold(same, || {
                    format!(
                        "`{}` is told to lie at {}, where there is `{}`",
                        receipt.id, receipt.position, event.id
                    )
                })?;
            }
            let old = receipt.position <= request.end;
            hold(!old || receipt.duplicate || replayed, || {
                format!(
                    "`{}` was there at {} before it was asked for, and is told new",
                    receipt.id, receipt.position
                )
            })?;
        }
        Ok(())
    }

    fn settled(&self, model: &Model, told: &Told<'_>, settled: &Settled) -> Verdict {
        let What::Settle { delivery, token, .. } = &told.request.what else { return Ok(()) };
        let stage = model.delivery(*delivery).map(|it| it.stage);
        match settled {
            Settled::Acked(_) => hold(self.acked.contains_key(delivery), || {
                format!("{delivery:?} is told acknowledged, and the log does not say so")
            }),
            Settled::Retrying(due) => {
                let history = model.settled.get(delivery);
                let failed = crate::model::settled_failed(Some(*due));
                hold(history.is_some_and(|all| all.iter().any(|(_, it)| *it == failed)), || {
                    format!("{delivery:?} is told to be tried again at {due:?}, and the log does not say so")
                })
            }
            Settled::Dead(id) => hold(model.dead_letters.contains_key(id), || {
                format!("{delivery:?} is told dead as {id:?}, and there is no such dead letter")
            }),
            Settled::Late => {
                let holds = matches!(stage, Some(Stage::Leased { token: held, .. }) if held == *token);
                hold(!holds, || format!("{delivery:?} is told late, and its worker holds it"))?;
                let stored = self.late.get(delivery).is_some_and(|all| all.contains(&token.secret));
                hold(stored, || format!("the late answer for {delivery:?} is not in the log"))
            }
        }
    }

    fn refused(model: &Model, told: &Told<'_>, refusal: &Refusal) -> Verdict {
        let request = told.request;
        match refusal {
            Refusal::RevisionConflict { stream, expected, actual } => {
                hold(expected != actual, || {
                    format!("revision {expected} of `{stream}` is refused as wrong")
                })?;
                let history = model.streams.get(stream).map_or(&[][..], Vec::as_slice);
                let before = history.iter().rev().find(|(position, _)| *position <= request.end);
                let least = before.map_or(0, |(_, revision)| *revision);
                hold((least..=model.revision(stream)).contains(actual), || {
                    format!(
                        "`{stream}` is told to be at {actual}; it was at {least} to {}",
                        model.revision(stream)
                    )
                })
            }
            Refusal::IdempotencyKeyReused => {
                let What::Publish { idempotency: Some(asked), .. } = &request.what else {
                    return Err("an idempotency key is told used that nobody gave".to_owned());
                };
                let known = model.requests.get(&asked.key).and_then(|all| all.last());
                hold(known.is_some_and(|(_, fingerprint, _)| *fingerprint != asked.fingerprint), || {
                    format!("idempotency key {:x} is told used by another request", asked.key)
                })
            }
            Refusal::LoopDetected { hops, max, .. } => hold(hops > max, || "a loop that is none".to_owned()),
            Refusal::LeaseLost => {
                let (What::Settle { delivery, token, .. } | What::Extend { delivery, token }) = &request.what
                else {
                    return Ok(());
                };
                let stage = model.delivery(*delivery).map(|it| it.stage);
                let holds = matches!(stage, Some(Stage::Leased { token: held, .. }) if held == *token);
                hold(!holds, || format!("the lease of {delivery:?} is told lost, and its worker holds it"))
            }
            Refusal::TopicUnknown { topic } => {
                hold(!model.topics.contains_key::<Text>(topic), || format!("topic `{topic}` is told unknown"))
            }
            _ => Ok(()),
        }
    }
}

impl Invariant for Answers {
    fn promise(&self) -> &'static str {
        "every answer is true"
    }

    fn fact(&mut self, _: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        self.seen = recorded.position;
        match &recorded.fact {
            Fact::DeliveryAnsweredLate(fact) => {
                self.late.entry(fact.delivery).or_default().push(fact.token.secret);
            }
            Fact::DeliveryAcked(fact) => *self.acked.entry(fact.delivery).or_default() += 1,
            // Who has all the time there is is told when it ends.
            Fact::DeliveryLeased(fact) => drop(self.extended.insert(fact.delivery, fact.deadline.0)),
            Fact::DeliveryExtended(fact) => drop(self.extended.insert(fact.delivery, fact.deadline.0)),
            _ => {}
        }
        Ok(())
    }

    fn answered(&mut self, model: &Model, _: &Ledger, told: &Told<'_>) -> Verdict {
        match told.answer {
            Ok(Answer::Published { receipts, replayed }) => {
                Self::published(model, told.request, receipts, *replayed)
            }
            Ok(Answer::Settled(settled)) => self.settled(model, told, settled),
            Ok(Answer::Extended(deadline)) => {
                let What::Extend { delivery, .. } = &told.request.what else { return Ok(()) };
                hold(self.extended.get(delivery).is_some_and(|known| *known >= deadline.0), || {
                    format!("{delivery:?} is told extended to {deadline:?}, and the log does not say so")
                })
            }
            Err(Failed::Refused(refusal)) => Self::refused(model, told, refusal),
            Err(Failed::Unreadable(reason)) => Err(format!("what is stored is told unreadable: {reason}")),
            _ => Ok(()),
        }
    }
}
