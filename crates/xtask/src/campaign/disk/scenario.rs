//! What is done to a server whose disk fails, what is remembered of it, and what must hold afterwards.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use anyhow::{Context as _, Result};
use cantus_client::api::Event;
use cantus_client::api::event::Data;
use cantus_client::api::pull::{Nack, NackStatus};
use cantus_client::api::receipt::Status;
use cantus_client::api::stream::{EventsQuery, Gap};
use cantus_client::{Client, Error};

const TOPIC: &str = "disk.events";
const INBOX: &str = "worker/inbox";
const POISON: &str = "Poison";
const PAGE: u32 = 1000;

/// The file the server is started with.
pub(super) const FILE: &str = r#"
version: 1
name: disk-campaign
server: { reserve: 64MiB }
topics: { disk.events: {} }
agents:
  /worker:
    subscriptions:
      - { topic: disk.events, name: inbox, action: inbox, from: start, lease: 10m, retry: { max_retries: 3 } }
"#;

/// What one client remembers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    sent: Vec<Sent>,
    /// Events whose delivery was acknowledged, and said to be.
    acked: BTreeSet<String>,
    /// Events whose delivery became a dead letter, and was said to.
    dead: BTreeSet<String>,
    /// Answers that no server may give.
    faults: Vec<String>,
}

#[derive(Debug)]
struct Sent {
    id: String,
    data: String,
    batch: Option<usize>,
    told: Told,
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    At(String),
    Refused(u16),
    Nothing,
}

/// Why a client has stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// All was done.
    Done,
    /// The server does not answer any more.
    Silent,
    /// The server has no space.
    Full,
}

impl Memory {
    /// Returns how many events were acknowledged.
    pub(super) fn accepted(&self) -> u64 {
        self.sent.iter().filter(|sent| matches!(sent.told, Told::At(_))).count() as u64
    }

    /// Does `rounds` things, one after the other: publishes, takes, acknowledges, refuses.
    pub(super) async fn drive(&mut self, client: &Client, rounds: usize, filling: usize) -> Stopped {
        for _ in 0..rounds {
            let number = self.sent.len();
            let stopped = match number % 7 {
                3 => self.publish(client, 5, filling).await,
                6 => match self.publish(client, 1, filling).await {
                    Some(stopped) => Some(stopped),
                    None => self.take(client).await,
                },
                _ => self.publish(client, 1, filling).await,
            };
            if let Some(stopped) = stopped {
                return stopped;
            }
        }
        Stopped::Done
    }

    async fn publish(&mut self, client: &Client, count: usize, filling: usize) -> Option<Stopped> {
        let first = self.sent.len();
        let events: Vec<Event> = (first..first + count)
            .map(|number| {
                let event_type = if number % 11 == 5 { POISON } else { "Plain" };
                let data = format!(
                    "{{\"number\": {number},  \"cost\":1.50,\"filling\":\"{}\"}}",
                    "x".repeat(filling)
                );
                Event {
                    id: Some(format!("d-{number}")),
                    partition_key: Some(format!("k{}", number % 5)),
                    data: Some(Data::json(data)),
                    ..Event::new("/campaign", event_type)
                }
            })
            .collect();
        let publish = match &events[..] {
            [event] => client.publish(event),
            several => client.publish_all(several),
        };
        let answer = publish.topic(TOPIC).send().await;
        let (told, stopped): (Vec<Told>, _) = match answer {
            Ok(receipts) if receipts.len() == count => {
                if let Some(again) = receipts.iter().find(|receipt| receipt.status == Status::Duplicate) {
                    self.faults.push(format!("{} is new and was answered as a duplicate", again.id));
                }
                (receipts.into_iter().map(|receipt| Told::At(receipt.position)).collect(), None)
            }
            Ok(receipts) => {
                self.faults.push(format!("{} receipts for {count} events", receipts.len()));
                ((0..count).map(|_| Told::Nothing).collect(), Some(Stopped::Silent))
            }
            // 503 says that the outcome is unknown; every other refusal is definite.
            Err(Error::Refused { problem, .. }) if problem.status == 503 => {
                ((0..count).map(|_| Told::Nothing).collect(), Some(Stopped::Silent))
            }
            Err(Error::Refused { problem, .. }) => {
                let stopped = if problem.status == 507 { Stopped::Full } else { Stopped::Silent };
                if stopped != Stopped::Full {
                    self.faults.push(format!("a good event was refused: {problem}"));
                }
                ((0..count).map(|_| Told::Refused(problem.status)).collect(), Some(stopped))
            }
            Err(_) => ((0..count).map(|_| Told::Nothing).collect(), Some(Stopped::Silent)),
        };
        let batch = (count > 1).then_some(first);
        for (event, told) in events.into_iter().zip(told) {
            let data = event.data.as_ref().map(|data| String::from_utf8_lossy(&data.bytes).into_owned());
            self.sent.push(Sent {
                id: event.id.unwrap_or_default(),
                data: data.unwrap_or_default(),
                batch,
                told,
            });
        }
        stopped
    }

    /// Takes a few deliveries and answers most of them.
    pub(super) async fn take(&mut self, client: &Client) -> Option<Stopped> {
        let Ok(deliveries) = client.pull(INBOX, 8, Duration::ZERO).await else {
            return Some(Stopped::Silent);
        };
        for (number, delivery) in deliveries.iter().enumerate() {
            let id = delivery.event.id.clone().unwrap_or_default();
            if self.acked.contains(&id) || self.dead.contains(&id) {
                self.faults.push(format!("{id} was settled and is delivered again"));
            }
            if delivery.event.event_type == POISON {
                let nack = Nack {
                    token: delivery.token.clone(),
                    class: Some("invalid_payload".to_owned()),
                    reason: None,
                    delay: None,
                };
                match client.nack(&delivery.delivery, &nack).await {
                    Ok(nacked) if nacked.status == NackStatus::Dead => drop(self.dead.insert(id)),
                    Ok(_) => self.faults.push(format!("{id} is poison and is tried again")),
                    Err(_) => return Some(Stopped::Silent),
                }
            } else if number % 4 != 3 {
                match client.ack(&delivery.delivery, &delivery.token, &[]).await {
                    Ok(_) => drop(self.acked.insert(id)),
                    Err(_) => return Some(Stopped::Silent),
                }
            }
        }
        None
    }

    /// Holds what is remembered against what a server says now. Returns what was broken, and what it says is lost.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(super) async fn check(&mut self, client: &Client) -> Result<Checked> {
        let mut violations = std::mem::take(&mut self.faults);
        let (stored, gaps) = read(client).await?;
        let lost = |position: &str| {
            let at = number(position);
            gaps.iter().any(|gap| (number(&gap.from)..number(&gap.to)).contains(&at))
        };
        let mut places: HashMap<&str, Vec<&(String, String, String)>> = HashMap::new();
        for event in &stored {
            places.entry(&event.0).or_default().push(event);
        }
        let mut batches: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
        let mut missing = 0;
        for sent in &self.sent {
            let there = places.remove(sent.id.as_str()).unwrap_or_default();
            if let Some(batch) = sent.batch {
                let (all, found) = batches.entry(batch).or_default();
                *all += 1;
                *found += usize::from(!there.is_empty());
            }
            if there.len() > 1 {
                violations.push(format!("{} is stored {} times", sent.id, there.len()));
            }
            match (&sent.told, there.first()) {
                (Told::At(position), None) if lost(position) => missing += 1,
                (Told::At(position), None) => {
                    violations.push(format!(
                        "{} was acknowledged at {position} and is lost, and nothing says so",
                        sent.id
                    ));
                }
                (Told::At(position), Some((_, at, data))) if position != at || *data != sent.data => {
                    violations.push(format!(
                        "{} was acknowledged at {position} and is at {at}, or says other things",
                        sent.id
                    ));
                }
                (Told::Refused(status), Some(_)) => {
                    violations.push(format!("{} was refused with {status} and is there", sent.id));
                }
                (Told::Nothing, Some((_, _, data))) if *data != sent.data => {
                    violations.push(format!("{} says other things than were sent", sent.id));
                }
                _ => {}
            }
        }
        for id in places.keys() {
            violations.push(format!("{id} was never sent and is there"));
        }
        if gaps.is_empty() {
            for (batch, (all, found)) in batches {
                if found != 0 && found != all {
                    violations.push(format!("of the batch of d-{batch}, {found} of {all} are there"));
                }
            }
            self.settled_stays_settled(client, &mut violations).await?;
        }
        Ok(Checked { violations, stored: stored.len() as u64, missing, gaps: gaps.len() as u64 })
    }

    async fn settled_stays_settled(&mut self, client: &Client, violations: &mut Vec<String>) -> Result<()> {
        let letters = client.all_dead_letters(&Default::default()).collect(100_000).await?;
        let letters: BTreeSet<String> = letters.into_iter().filter_map(|letter| letter.event.id).collect();
        for id in self.dead.difference(&letters) {
            violations.push(format!("{id} was a dead letter and is none any more"));
        }
        loop {
            let deliveries = client.pull(INBOX, 256, Duration::ZERO).await?;
            if deliveries.is_empty() {
                return Ok(());
            }
            for delivery in deliveries {
                let id = delivery.event.id.unwrap_or_default();
                if self.acked.contains(&id) || self.dead.contains(&id) {
                    violations.push(format!("{id} was settled and is delivered again"));
                }
            }
        }
    }
}

/// What a check has found.
#[derive(Debug, Default)]
pub(super) struct Checked {
    pub(super) violations: Vec<String>,
    pub(super) stored: u64,
    /// Acknowledged events that are gone, as the server says.
    pub(super) missing: u64,
    pub(super) gaps: u64,
}

/// Every event there is: id, position, data; and what is said to be lost.
async fn read(client: &Client) -> Result<(Vec<(String, String, String)>, Vec<Gap>)> {
    let mut query = EventsQuery {
        topic: Some(TOPIC.to_owned()),
        since: Some("start".to_owned()),
        limit: Some(PAGE),
        ..EventsQuery::default()
    };
    let (mut stored, mut gaps) = (Vec::new(), Vec::new());
    loop {
        let page = client.events(&query).await.context("the topic cannot be read")?;
        gaps.extend(page.gaps);
        stored.extend(page.items.iter().map(|recorded| {
            let data =
                recorded.event.data.as_ref().map(|data| String::from_utf8_lossy(&data.bytes).into_owned());
            let id = recorded.event.id.clone().unwrap_or_default();
            (id, recorded.position.clone(), data.unwrap_or_default())
        }));
        if page.at_end || query.cursor.as_ref() == Some(&page.next_cursor) {
            return Ok((stored, gaps));
        }
        query.since = None;
        query.cursor = Some(page.next_cursor);
    }
}

/// The number in a position such as `0:17`.
fn number(position: &str) -> u64 {
    position.rsplit(':').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
