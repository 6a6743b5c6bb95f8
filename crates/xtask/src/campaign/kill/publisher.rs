//! A client that publishes, and sends the same again until it knows what became of it.

use std::time::Duration;

use cantus_client::api::Event;
use cantus_client::api::receipt::{Receipt, Status};
use cantus_client::{Client, Error};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::plan::{Operation, TOPIC, draw};
use super::record::{Outcome, Published, Sent, hash_of};

/// How long one operation is tried. A server that is killed over and over still gets through it in that time.
const PATIENCE: Duration = Duration::from_secs(120);
/// How many accepted events a client keeps for sending them again.
const KNOWN: usize = 64;

/// What came back in the end, and whether silence came before it.
struct Told {
    answer: Result<Vec<Receipt>, Refused>,
    was_silent: bool,
}

/// A definite no.
struct Refused {
    code: String,
}

/// Publishes until told to stop, one thing after the other.
pub(super) async fn run(client: Client, number: usize, seed: u64, stop: watch::Receiver<bool>) -> Published {
    let mut rng = StdRng::seed_from_u64(seed ^ (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut published = Published::default();
    let mut known: Vec<Event> = Vec::new();
    for operation_number in 0.. {
        if *stop.borrow() {
            break;
        }
        let operation = draw(&mut rng, number, operation_number, &known);
        let events = match &operation {
            Operation::Batch(events) | Operation::Spoilt(events) => events.clone(),
            Operation::Single(event)
            | Operation::Looping(event)
            | Operation::Again(event)
            | Operation::Reused(event) => vec![event.clone()],
        };
        let told = send(&client, &events, &mut published).await;
        let again = matches!(operation, Operation::Again(_) | Operation::Reused(_));
        let batch = (events.len() > 1).then_some(operation_number);
        judge_answer(&operation, &events, told.as_ref(), &mut published);
        if !again {
            published.sent.extend(sent(&events, number, batch, told.as_ref()));
        }
        if let (Operation::Single(event), Some(Ok(_))) = (operation, told.map(|told| told.answer)) {
            let at = rng.random_range(0..KNOWN);
            if known.len() < KNOWN { known.push(event) } else { known[at] = event }
        }
        sleep(Duration::from_millis(rng.random_range(0..20))).await;
    }
    published
}

/// Sends the same until there is an answer; None when there is none in time.
async fn send(client: &Client, events: &[Event], published: &mut Published) -> Option<Told> {
    let deadline = Instant::now() + PATIENCE;
    let mut was_silent = false;
    while Instant::now() < deadline {
        let publish = match events {
            [event] => client.publish(event),
            several => client.publish_all(several),
        };
        match publish.topic(TOPIC).send().await {
            Ok(receipts) => return Some(Told { answer: Ok(receipts), was_silent }),
            Err(Error::Refused { problem, .. }) if !matches!(problem.status, 429 | 503) => {
                return Some(Told { answer: Err(Refused { code: problem.code.to_string() }), was_silent });
            }
            Err(Error::Refused { .. } | Error::Unreachable { .. } | Error::Timeout { .. }) => {
                published.unanswered += 1;
                was_silent = true;
            }
            Err(error) => {
                published.faults.push(format!("a publish was answered with nonsense: {error}"));
                return None;
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
    None
}

/// Notes what no server may answer to an operation.
fn judge_answer(operation: &Operation, events: &[Event], told: Option<&Told>, published: &mut Published) {
    let id = events[0].id.clone().unwrap_or_default();
    let Some(told) = told else { return };
    let mut fault = |text: String| published.faults.push(text);
    let receipts = match &told.answer {
        Ok(receipts) => receipts,
        Err(Refused { code }) => {
            let expected = match operation {
                Operation::Looping(_) => code == "LOOP_DETECTED",
                Operation::Reused(_) => code == "EVENT_ID_REUSED",
                Operation::Spoilt(_) => true,
                _ => false,
            };
            if !expected {
                fault(format!(
                    "{id} was refused with {code}, {operation_kind}",
                    operation_kind = kind(operation)
                ));
            }
            return;
        }
    };
    if matches!(operation, Operation::Looping(_) | Operation::Reused(_) | Operation::Spoilt(_)) {
        fault(format!("{id} was accepted, {}", kind(operation)));
    }
    if receipts.len() != events.len() {
        fault(format!("{id}: {} receipts for {} events", receipts.len(), events.len()));
    }
    let duplicates = receipts.iter().filter(|receipt| receipt.status == Status::Duplicate).count();
    match operation {
        Operation::Again(_) if duplicates == 0 => fault(format!("{id} was accepted a second time")),
        Operation::Single(_) | Operation::Batch(_) if duplicates > 0 && !told.was_silent => {
            fault(format!("{id} is new and was answered as a duplicate"));
        }
        Operation::Batch(_) if duplicates > 0 && duplicates < receipts.len() => {
            fault(format!("{id}: of a batch sent again, {duplicates} of {} are duplicates", receipts.len()));
        }
        _ => {}
    }
    if let (Operation::Again(_), [receipt]) = (operation, &receipts[..]) {
        let first = published.sent.iter().find(|sent| sent.id == id);
        let first = first.map(|sent| sent.outcome.clone());
        if first != Some(Outcome::Accepted { position: receipt.position.clone() }) {
            published.faults.push(format!("{id} was at {first:?} and its duplicate at {}", receipt.position));
        }
    }
    published.duplicates += duplicates as u64;
}

fn kind(operation: &Operation) -> &'static str {
    match operation {
        Operation::Single(_) => "a good event",
        Operation::Batch(_) => "the first of a good batch",
        Operation::Spoilt(_) => "the first of a batch with a wrong event",
        Operation::Looping(_) => "an event with too many causes",
        Operation::Again(_) => "an event sent again",
        Operation::Reused(_) => "another event under the same id",
    }
}

fn sent(events: &[Event], client: usize, batch: Option<usize>, told: Option<&Told>) -> Vec<Sent> {
    let outcome = |at: usize| match told.map(|told| &told.answer) {
        Some(Ok(receipts)) => receipts
            .get(at)
            .map_or(Outcome::InDoubt, |receipt| Outcome::Accepted { position: receipt.position.clone() }),
        Some(Err(Refused { code })) => Outcome::Refused { code: code.clone() },
        None => Outcome::InDoubt,
    };
    let events = events.iter().enumerate().map(|(at, event)| Sent {
        client,
        id: event.id.clone().unwrap_or_default(),
        event_type: event.event_type.clone(),
        data: hash_of(event),
        batch,
        outcome: outcome(at),
    });
    events.collect()
}
