//! The worker behind the inbox: takes deliveries, answers each as its type demands, and remembers everything.

use std::time::Duration;

use cantus_client::api::error::Code;
use cantus_client::api::event::{Data, Priority};
use cantus_client::api::pull::{AckOne, AckStatus, Leased, Nack, NackStatus};
use cantus_client::api::time::Span;
use cantus_client::api::{Event, Problem};
use cantus_client::{Client, Error};
use tokio::sync::watch;
use tokio::time::sleep;

use super::plan::{ANSWERS, ASK, FLAKY, INBOX, POISON, answer_to};
use super::record::{Consumed, Seen, Settled, hash_of};

/// How many deliveries are taken at once.
const PULLED: u32 = 64;
/// How often an answer is sent when there is nobody to take it. Later its lease is over, and the delivery comes again.
const TRIES: usize = 80;

/// Takes and answers deliveries until told to stop.
pub(super) async fn run(client: Client, stop: watch::Receiver<bool>) -> Consumed {
    let mut worker = Worker { client, consumed: Consumed::default() };
    while !*stop.borrow() {
        match worker.client.pull(INBOX, PULLED, Duration::from_secs(1)).await {
            Ok(deliveries) => worker.handle(deliveries).await,
            Err(error) => {
                worker.note(&error, "a pull");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    worker.consumed
}

/// What an answer was answered with.
enum Answered<T> {
    With(T),
    /// The delivery is over already, perhaps because an earlier try of the same answer arrived.
    Over,
    Nothing,
}

struct Worker {
    client: Client,
    consumed: Consumed,
}

impl Worker {
    async fn handle(&mut self, deliveries: Vec<Leased>) {
        let mut plain = Vec::new();
        for delivery in deliveries {
            self.remember(&delivery);
            match delivery.event.event_type.as_str() {
                POISON => self.refuse(&delivery).await,
                FLAKY if delivery.attempt == 1 => self.fail_once(&delivery).await,
                ASK => self.answer(&delivery).await,
                _ => plain.push(delivery),
            }
        }
        if !plain.is_empty() {
            self.ack_together(&plain).await;
        }
    }

    fn remember(&mut self, delivery: &Leased) {
        let event = &delivery.event;
        let id = event.id.clone().unwrap_or_default();
        if let Some(settled @ (Settled::Acked | Settled::Dead)) = self.consumed.settled.get(&id) {
            let fault =
                format!("{id} was settled ({settled:?}) and is delivered again as {}", delivery.delivery);
            self.consumed.faults.push(fault);
        }
        self.consumed.seen.push(Seen {
            data: hash_of(event),
            key: event.partition_key.clone(),
            priority: event.priority.unwrap_or(Priority::Normal),
            attempt: delivery.attempt,
            id,
        });
    }

    fn settle(&mut self, delivery: &Leased, settled: Settled) {
        let id = delivery.event.id.clone().unwrap_or_default();
        self.consumed.settled.insert(id, settled);
    }

    fn doubt(delivery: &Leased) -> Settled {
        Settled::InDoubt { delivery: delivery.delivery.clone() }
    }

    /// Counts silence; everything else that is no answer is a fault.
    fn note(&mut self, error: &Error, what: &str) {
        match error {
            Error::Unreachable { .. } | Error::Timeout { .. } => self.consumed.unanswered += 1,
            Error::Refused { problem, .. } if problem.status == 503 => self.consumed.unanswered += 1,
            other => self.consumed.faults.push(format!("{what} was answered with {other}")),
        }
    }

    /// Sends an answer until there is one to it.
    async fn insist<T, F: Future<Output = Result<T, Error>>>(
        &mut self,
        what: &str,
        call: impl Fn(Client) -> F,
    ) -> Answered<T> {
        for _ in 0..TRIES {
            match call(self.client.clone()).await {
                Ok(answer) => return Answered::With(answer),
                Err(Error::Refused { problem, .. }) if is_over(&problem) => return Answered::Over,
                Err(error @ Error::Refused { .. }) if !matches!(&error, Error::Refused { problem, .. } if problem.status == 503) =>
                {
                    self.note(&error, what);
                    return Answered::Nothing;
                }
                Err(error) => self.note(&error, what),
            }
            sleep(Duration::from_millis(50)).await;
        }
        Answered::Nothing
    }

    async fn refuse(&mut self, delivery: &Leased) {
        let nack = Nack {
            token: delivery.token.clone(),
            class: Some("invalid_payload".to_owned()),
            reason: Some("it is poison".to_owned()),
            delay: None,
        };
        let nacked =
            self.insist("a nack", |client| nack_one(client, delivery.delivery.clone(), nack.clone())).await;
        let settled = match nacked {
            Answered::With(NackStatus::Dead) => Settled::Dead,
            Answered::With(NackStatus::Retrying) => {
                self.consumed.faults.push(format!("{} is poison and is tried again", delivery.delivery));
                return;
            }
            Answered::With(NackStatus::Late) | Answered::Over | Answered::Nothing => Self::doubt(delivery),
        };
        self.settle(delivery, settled);
    }

    async fn fail_once(&mut self, delivery: &Leased) {
        let nack = Nack {
            token: delivery.token.clone(),
            class: None,
            reason: Some("not yet".to_owned()),
            delay: Some(Span::from(Duration::from_millis(200))),
        };
        let nacked =
            self.insist("a nack", |client| nack_one(client, delivery.delivery.clone(), nack.clone())).await;
        if matches!(nacked, Answered::With(NackStatus::Dead)) {
            let fault = format!("{} failed for the first time and is not tried again", delivery.delivery);
            self.consumed.faults.push(fault);
        }
    }

    /// Acks and publishes: both happen, or neither.
    async fn answer(&mut self, delivery: &Leased) {
        let id = delivery.event.id.clone().unwrap_or_default();
        let answer = Event {
            id: Some(answer_to(&id)),
            topic: Some(ANSWERS.to_owned()),
            data: Some(Data::json(format!("{{\"to\":\"{id}\"}}"))),
            ..Event::new("/worker", "Answer")
        };
        let acked = self
            .insist("an ack with an answer", |client| {
                ack_one(client, delivery.delivery.clone(), delivery.token.clone(), answer.clone())
            })
            .await;
        let settled = match acked {
            Answered::With(AckStatus::Acked) => Settled::Acked,
            Answered::With(AckStatus::Late) | Answered::Over | Answered::Nothing => Self::doubt(delivery),
        };
        self.settle(delivery, settled);
    }

    async fn ack_together(&mut self, deliveries: &[Leased]) {
        let acks: Vec<AckOne> = deliveries
            .iter()
            .map(|delivery| AckOne {
                delivery: delivery.delivery.clone(),
                token: delivery.token.clone(),
                publish: Vec::new(),
            })
            .collect();
        let acked = self.insist("several acks", |client| ack_many(client, acks.clone())).await;
        let Answered::With(results) = acked else {
            for delivery in deliveries {
                self.settle(delivery, Self::doubt(delivery));
            }
            return;
        };
        if results.len() != deliveries.len() {
            self.consumed.faults.push(format!("{} results for {} acks", results.len(), deliveries.len()));
        }
        for (delivery, (status, problem)) in deliveries.iter().zip(results) {
            match (status, problem) {
                (Some(AckStatus::Acked), _) => self.settle(delivery, Settled::Acked),
                (None, Some(problem)) if !is_over(&problem) => {
                    self.consumed
                        .faults
                        .push(format!("an ack of {} was refused: {problem}", delivery.delivery));
                }
                _ => self.settle(delivery, Self::doubt(delivery)),
            }
        }
    }
}

fn is_over(problem: &Problem) -> bool {
    let code = problem.known_code();
    matches!(code, Some(Code::DeliverySettled | Code::LeaseLost | Code::DeliveryUnknown))
}

async fn nack_one(client: Client, delivery: String, nack: Nack) -> Result<NackStatus, Error> {
    client.nack(&delivery, &nack).await.map(|nacked| nacked.status)
}

async fn ack_one(client: Client, delivery: String, token: String, answer: Event) -> Result<AckStatus, Error> {
    client.ack(&delivery, &token, &[answer]).await.map(|acked| acked.status)
}

async fn ack_many(
    client: Client,
    acks: Vec<AckOne>,
) -> Result<Vec<(Option<AckStatus>, Option<Problem>)>, Error> {
    let acked = client.ack_many(acks).await?;
    Ok(acked.results.into_iter().map(|result| (result.status, result.problem)).collect())
}
