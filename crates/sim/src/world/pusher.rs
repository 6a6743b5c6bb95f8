//! Attempts that are carried out for agents: programs and routes, as model agents that take their time, fail, answer with
//! events, and go on after the server was killed.

use std::sync::Arc;

use cantus_core::Timestamp;
use cantus_core::command::{Answer, Pulled};
use cantus_core::effect::Deliver;
use cantus_core::event::Event;
use cantus_core::ids::DeliveryId;
use cantus_core::subscription::{Action, SubscriptionId};
use cantus_core::{Refusal, Span};
use cantus_runtime::Failed;
use cantus_runtime::simulation::{Said, received};

use super::ask::Who;
use super::worker::failure;
use super::{Lived, World};
use crate::events;
use crate::judge::Violation;
use crate::model::What;
use crate::wire;

/// What receivers of webhooks answer when they fail.
const STATUSES: [u16; 12] = [301, 400, 401, 404, 408, 410, 422, 429, 500, 502, 503, 504];

/// An attempt that is being carried out.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) deliver: Deliver,
    pub(super) event: Arc<Event>,
    pub(super) subscription: SubscriptionId,
    pub(super) action: Action,
    /// It is not done before then.
    pub(super) until: Timestamp,
}

impl World {
    /// An attempt is given out.
    pub(super) fn begin(&mut self, deliver: Deliver) -> Lived {
        let pulled = Pulled {
            delivery: deliver.delivery,
            token: deliver.token,
            attempt: deliver.attempt,
            deadline: deliver.deadline,
            recorded_at: deliver.recorded_at,
            first_at: deliver.first_at,
            redelivered: deliver.redelivered,
            event: deliver.event.clone(),
        };
        self.given(&pulled, deliver.survivor)?;
        let Some(node) = &self.node else { return Ok(()) };
        // Removed meanwhile, as the workers of a server find it.
        let known = node.coordinator().state.subscriptions.get(&deliver.delivery.subscription);
        let Some(subscription) = known.filter(|it| !it.removed) else { return Ok(()) };
        let (id, action) = (subscription.id.clone(), subscription.definition().action.clone());
        if matches!(action, Action::Inbox) {
            return Ok(());
        }
        let event = deliver.event.clone().or_else(|| node.event_at(deliver.delivery.position));
        let Some(event) = event else {
            return Err(Violation::new("the event of a delivery can be read", format!("{deliver:?}")));
        };
        let takes = if self.is_kind { 0 } else { self.chance.below(2_000) };
        let until = node.now().after(Span(takes));
        self.running.push(Running { deliver, event, subscription: id, action, until });
        Ok(())
    }

    /// An attempt is ended: its agent does not hear it every time.
    pub(super) fn cancel(&mut self, delivery: DeliveryId, attempt: u32) {
        self.tell(format!("cancel {delivery:?} attempt {attempt}"));
        if self.chance.flip() {
            self.running.retain(|it| it.deliver.delivery != delivery || it.deliver.attempt != attempt);
        }
    }

    /// An attempt ends.
    pub(super) fn attempt(&mut self) -> Lived {
        let Some(node) = &self.node else { return Ok(()) };
        let now = node.now();
        let done: Vec<usize> =
            (0..self.running.len()).filter(|index| self.running[*index].until <= now).collect();
        if done.is_empty() {
            return Ok(());
        }
        let index = done[self.chance.index(done.len())];
        let running = self.running.remove(index);
        let said = self.says(&running);
        self.settle_attempt(running.clone(), &said)?;
        if !self.is_kind && self.chance.permille(self.settings.manners.twice * 10) {
            self.settle_attempt(running, &said)?;
        }
        Ok(())
    }

    fn says(&mut self, running: &Running) -> Said {
        let Some(node) = &self.node else { return Said::Done(Ok(Vec::new())) };
        if let Action::Publish(transform) = &running.action {
            return node.transform(transform, &running.subscription.agent, &running.event);
        }
        let manners = &self.settings.manners;
        let weights = [manners.succeed, manners.fail, manners.answer, manners.refused];
        let is_webhook = matches!(running.action, Action::Webhook(_));
        match if self.is_kind { 0 } else { self.chance.weighted(&weights) } {
            1 if is_webhook => {
                let status = self.chance.of(&STATUSES);
                received(status, self.chance.flip().then(|| self.chance.below(6)))
            }
            1 => {
                let drawn = self.failure();
                Said::Failed(failure(drawn.class, drawn.delay))
            }
            2 => {
                let (agent, attempt) = (&running.subscription.agent, running.deliver.attempt);
                let drafts =
                    (0..2).map(|number| wire::draft(events::answer(&running.event, agent, attempt, number)));
                Said::Done(Ok(drafts.collect()))
            }
            3 => Said::Done(Err(Refusal::EventInvalid {
                message: "no event".into(),
                code: "EVENT_INVALID".into(),
                pointer: None,
                index: 0,
            })),
            _ => Said::Done(Ok(Vec::new())),
        }
    }

    fn settle_attempt(&mut self, running: Running, said: &Said) -> Lived {
        let drafts = match said {
            Said::Done(Ok(drafts)) => drafts.clone(),
            _ => Vec::new(),
        };
        let (delivery, token) = (running.deliver.delivery, running.deliver.token);
        let failed = match said {
            Said::Failed(failure) => Some(failure.class),
            _ => None,
        };
        let ids: Vec<_> = drafts.iter().map(|draft| draft.event.id.to_string()).collect();
        let request = self.request(What::Settle { delivery, token, drafts });
        self.tell(format!(
            "request {}: attempt {} of {delivery:?} ends {failed:?} {}",
            request.number,
            running.deliver.attempt,
            ids.join(" ")
        ));
        let Some(node) = &self.node else { return Ok(()) };
        let sent = node.settle(&running.deliver, &running.event, &running.subscription, said);
        self.sent(request, sent, Who::Pusher(Box::new(running)))
    }

    /// What the workers of a server do with an answer.
    pub(super) fn pusher_told(&mut self, running: Running, answer: Result<Answer, Failed>) {
        if let Err(Failed::Refused(Refusal::Stale) | Failed::Overloaded | Failed::StorageFull) = answer {
            self.running.push(running);
        }
    }
}
