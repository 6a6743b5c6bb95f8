//! Workers that pull: they succeed, fail, stall until their lease ends, answer late or twice, answer with events, ask for
//! more time.

use std::sync::Arc;

use cantus_core::command::{Answer, Command, Outcome, Pull, Pulled, Settle, Settled};
use cantus_core::event::Event;
use cantus_core::subscription::SubscriptionId;
use cantus_core::subscription::retry::{Class, Failure};
use cantus_core::topic::TopicName;
use cantus_core::{Refusal, Span, Text};
use cantus_runtime::simulation::Place;
use cantus_runtime::{Draft, Failed, Publishing};

use super::ask::Who;
use super::{Lived, World};
use crate::events;
use crate::judge::Violation;
use crate::model::What;
use crate::wire;

/// A worker of an inbox.
pub(super) struct Worker {
    pub(super) subscription: SubscriptionId,
    pub(super) held: Vec<Held>,
    pub(super) asks: bool,
    pub(super) place: Option<Place>,
}

/// A delivery in a worker's hands.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) pulled: Pulled,
    pub(super) event: Arc<Event>,
}

/// How many deliveries a worker takes.
const HELD_MAX: usize = 6;

impl Worker {
    pub(super) fn of(number: u64) -> Self {
        let subscription = events::subscription_id(number);
        Self { subscription, held: Vec::new(), asks: false, place: None }
    }
}

impl World {
    /// A worker asks for deliveries, or stops waiting for them.
    pub(super) fn pull(&mut self) -> Lived {
        let index = self.chance.index(self.workers.len());
        self.pull_by(index)
    }

    pub(super) fn pull_by(&mut self, index: usize) -> Lived {
        let Some(node) = &self.node else { return Ok(()) };
        let worker = &self.workers[index];
        let subscription = worker.subscription.clone();
        if let Some(place) = &worker.place {
            if !worker.asks && (self.is_kind || self.chance.permille(150)) {
                let stop = Command::StopWaiting { subscription, waiter: place.waiter };
                // What was leased just before is still taken.
                let sent = node.send(stop);
                let what = What::Operate { drafts: Vec::new() };
                let request = self.request(what);
                self.tell(format!("request {}: worker {index} waits no longer", request.number));
                return self.sent(request, sent, Who::Leaves(index));
            }
            return Ok(());
        }
        if worker.asks || worker.held.len() >= HELD_MAX {
            return Ok(());
        }
        let max = self.chance.between(1, 4) as usize;
        let waits = !self.is_kind && self.chance.flip();
        let sent = if waits {
            node.pull_and_wait(subscription.clone(), max).map(|(waiting, place)| {
                self.workers[index].place = Some(place);
                waiting
            })
        } else {
            node.send(Command::Pull(Pull { subscription: subscription.clone(), max, waiter: None }))
        };
        self.workers[index].asks = true;
        let request = self.request(What::Pull);
        self.tell(format!(
            "request {}: worker {index} pulls {max}{}",
            request.number,
            if waits { ", waiting" } else { "" }
        ));
        self.sent(request, sent, Who::Worker(index, None))
    }

    /// Takes what came for workers that wait.
    pub(super) fn look_at_places(&mut self) -> Lived {
        for index in 0..self.workers.len() {
            let Some(place) = &mut self.workers[index].place else { continue };
            let Some(deliveries) = place.poll() else { continue };
            self.workers[index].place = None;
            for pulled in deliveries {
                self.take(index, pulled)?;
            }
        }
        Ok(())
    }

    /// A worker takes a delivery into its hands.
    pub(super) fn take(&mut self, index: usize, pulled: Pulled) -> Lived {
        self.workers[index].place = None;
        self.given(&pulled, false)?;
        let event = match &pulled.event {
            Some(event) => Some(event.clone()),
            None => self.node.as_ref().and_then(|node| node.event_at(pulled.delivery.position)),
        };
        let Some(event) = event else {
            return Err(Violation::new("the event of a delivery can be read", format!("{pulled:?}")));
        };
        self.workers[index].held.push(Held { pulled, event });
        Ok(())
    }

    /// A worker answers for one of the deliveries it holds.
    pub(super) fn answer(&mut self) -> Lived {
        let holding: Vec<usize> =
            (0..self.workers.len()).filter(|index| !self.workers[*index].held.is_empty()).collect();
        if holding.is_empty() {
            return Ok(());
        }
        let index = holding[self.chance.index(holding.len())];
        let place = self.chance.index(self.workers[index].held.len());
        let manners = &self.settings.manners;
        let weights = [
            manners.succeed,
            manners.fail,
            manners.stall,
            manners.twice,
            manners.answer,
            manners.refused,
            manners.extend,
        ];
        let manner = if self.is_kind { 0 } else { self.chance.weighted(&weights) };
        if manner == 2 {
            // It says nothing for now.
            return Ok(());
        }
        let held = self.workers[index].held.remove(place);
        match manner {
            1 => {
                let failure = self.failure();
                self.settle(index, held, Outcome::Nack(failure), Vec::new())
            }
            3 => {
                self.settle(index, held.clone(), ack(), Vec::new())?;
                self.settle(index, held, ack(), Vec::new())
            }
            4 => {
                let drafts = self.answers(&held);
                self.settle_with(index, held, drafts)
            }
            5 => {
                let mut event = events::answer(&held.event, &self.workers[index].subscription.agent, 0, 0);
                event.topic = TopicName::parse("nowhere").expect("a legal name");
                self.settle_with(index, held, vec![wire::draft(event)])
            }
            6 => self.extend(index, held),
            _ => self.settle(index, held, ack(), Vec::new()),
        }
    }

    /// Draws why an attempt failed.
    pub(super) fn failure(&mut self) -> Failure {
        let delay = self.chance.permille(150).then(|| Span(self.chance.below(4_000)));
        failure(self.chance.of(&Class::ALL), delay)
    }

    /// Draws what a worker answers with.
    fn answers(&mut self, held: &Held) -> Vec<Draft> {
        let count = self.chance.between(1, 3);
        let agent = events::agent(self.chance.below(self.settings.subscriptions));
        let attempt = held.pulled.attempt;
        (0..count).map(|number| wire::draft(events::answer(&held.event, &agent, attempt, number))).collect()
    }

    fn settle_with(&mut self, index: usize, held: Held, drafts: Vec<Draft>) -> Lived {
        let Some(node) = &self.node else { return Ok(()) };
        let agent = self.workers[index].subscription.agent.clone();
        let publishing = Publishing {
            drafts: drafts.clone(),
            expected_revision: None,
            actor: agent.text().clone(),
            agent: Some(agent),
            idempotency: None,
        };
        let admitted = node.admit(&publishing).map(Box::new);
        self.settle(index, held, Outcome::Ack(admitted), drafts)
    }

    fn settle(&mut self, index: usize, held: Held, outcome: Outcome, drafts: Vec<Draft>) -> Lived {
        let (delivery, token) = (held.pulled.delivery, held.pulled.token);
        let said = match &outcome {
            Outcome::Nack(failure) => format!("{:?}", failure.class),
            _ => "ack".to_owned(),
        };
        let settle = Settle {
            delivery,
            token,
            outcome,
            event: self.chance.flip().then(|| held.event.clone()),
            on_failure: None,
            refusal_fails: false,
            actor: self.workers[index].subscription.agent.text().clone(),
        };
        let ids: Vec<_> = drafts.iter().map(|draft| draft.event.id.to_string()).collect();
        let words = format!("worker {index} says {said} of {delivery:?} {}", ids.join(" "));
        let request = self.request(What::Settle { delivery, token, drafts });
        self.tell(format!("request {}: {words}", request.number));
        self.send(request, Command::Settle(Box::new(settle)), Who::Worker(index, Some(held)))
    }

    fn extend(&mut self, index: usize, held: Held) -> Lived {
        let (delivery, token) = (held.pulled.delivery, held.pulled.token);
        let request = self.request(What::Extend { delivery, token });
        self.tell(format!("request {}: worker {index} asks for more time for {delivery:?}", request.number));
        self.send(request, Command::Extend { delivery, token }, Who::Worker(index, Some(held)))
    }

    /// A worker reads the answer to what it said.
    pub(super) fn worker_told(&mut self, index: usize, held: Option<Held>, answer: Result<Answer, Failed>) {
        let Some(held) = held else {
            // It asked for deliveries: it waits for them now, or it was refused.
            self.workers[index].asks = false;
            if answer.is_err() {
                self.workers[index].place = None;
            }
            return;
        };
        let keeps = match &answer {
            Ok(Answer::Extended(_)) => true,
            // It says it again some time, late or not.
            Ok(Answer::Settled(Settled::Acked(_) | Settled::Retrying(_) | Settled::Dead(_))) => {
                !self.is_kind && self.chance.permille(self.settings.manners.twice * 20)
            }
            Ok(_) | Err(Failed::Refused(Refusal::LeaseLost | Refusal::DeliveryUnknown { .. })) => false,
            // Its answer was refused, and it still holds the delivery.
            Err(_) => true,
        };
        if keeps {
            self.workers[index].held.push(held);
        }
    }
}

fn ack() -> Outcome {
    Outcome::Ack(Ok(Box::new(cantus_core::command::Publish {
        events: Vec::new(),
        expected_revision: None,
        auto_create: false,
        actor: Text::from("/worker"),
        agent: None,
        idempotency: None,
    })))
}

/// Makes a failure.
pub(super) fn failure(class: Class, delay: Option<Span>) -> Failure {
    Failure {
        class,
        message: Text::from("it failed"),
        exit_code: None,
        status: None,
        output_tail: None,
        delay,
        refusal: None,
    }
}
