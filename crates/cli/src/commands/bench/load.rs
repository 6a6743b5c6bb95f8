//! The load: publish one by one, publish in batches, consume, and the way from publish to delivery.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result};
use cantus_api::agent::Register;
use cantus_api::event::Data;
use cantus_api::pull::{AckOne, Leased};
use cantus_api::subscription::Create;
use cantus_api::{Code, Event};
use cantus_client::Client;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::latency::Latencies;
use crate::exit::Failure;

/// How many deliveries are taken at once.
pub(super) const PULL_MAX: u32 = 200;
/// How long a pull waits for the first delivery.
const PULL_WAIT: Duration = Duration::from_secs(10);
/// After so many pulls that bring nothing, deliveries are missing.
const EMPTY_PULLS_MAX: u32 = 3;
const SOURCE: &str = "/cantus-bench";
const AGENT: &str = "cantus-bench";

/// Who publishes what.
pub(super) struct Load {
    pub(super) clients: Vec<Client>,
    pub(super) topic: String,
    pub(super) batch: u32,
    pub(super) size: u32,
}

/// What was done, and how long it took.
pub(super) struct Measured {
    pub(super) events: u64,
    pub(super) bytes: u64,
    pub(super) elapsed: Duration,
    pub(super) latencies: Latencies,
}

impl Load {
    /// Publishes events one per request.
    pub(super) async fn publish_singles(&self, count: u32) -> Result<Measured> {
        self.publish(count, 1).await
    }

    /// Publishes events in batches.
    pub(super) async fn publish_batches(&self, count: u32) -> Result<Measured> {
        self.publish(count, self.batch).await
    }

    async fn publish(&self, count: u32, batch: u32) -> Result<Measured> {
        let left = Arc::new(AtomicI64::new(i64::from(count)));
        let mut workers = JoinSet::new();
        let begun = Instant::now();
        for client in &self.clients {
            let (client, topic, left) = (client.clone(), self.topic.clone(), Arc::clone(&left));
            let event = self.event();
            workers.spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let before = left.fetch_sub(i64::from(batch), Ordering::Relaxed);
                    let Ok(take @ 1..) = usize::try_from(before.min(i64::from(batch))) else {
                        return Ok(latencies);
                    };
                    let sent = Instant::now();
                    let publish = match take {
                        1 => client.publish(&event),
                        many => client.publish_all(&vec![event.clone(); many]),
                    };
                    publish.topic(&topic).send().await?;
                    latencies.push(sent.elapsed());
                }
            });
        }
        let latencies = all(workers).await?;
        Ok(self.measured(count, begun.elapsed(), latencies))
    }

    /// Consumes events that were published before, and acknowledges them.
    pub(super) async fn consume(&self, count: u32) -> Result<Measured> {
        let id = self.subscribe("consume", "start").await?;
        let shared = Arc::new(Consumed { left: AtomicI64::new(count.into()), latencies: Mutex::default() });
        let mut workers = JoinSet::new();
        let begun = Instant::now();
        for client in &self.clients {
            workers.spawn(consume(client.clone(), id.clone(), Arc::clone(&shared)));
        }
        // Whoever acknowledges the last one ends first; the others still wait for more, which is not part of it.
        while let Some(worker) = workers.join_next().await {
            worker.context("a connection's task has failed")??;
            if shared.left.load(Ordering::Relaxed) <= 0 {
                break;
            }
        }
        let elapsed = begun.elapsed();
        workers.abort_all();
        let latencies = std::mem::take(&mut *shared.latencies.lock().expect("nobody panics with it"));
        Ok(self.measured(count, elapsed, latencies))
    }

    /// Publishes events one after the other and measures until each is delivered to somebody who waits for it.
    pub(super) async fn deliver(&self, count: u32) -> Result<Measured> {
        let id = self.subscribe("deliver", "end").await?;
        let (publisher, consumer) = (&self.clients[0], &self.clients[1]);
        let mut latencies = Vec::new();
        let begun = Instant::now();
        let event = self.event();
        for _ in 0..count {
            let (receipt, arrived) = tokio::try_join!(
                async {
                    let sent = Instant::now();
                    let receipts = publisher.publish(&event).topic(&self.topic).send().await?;
                    Ok::<_, anyhow::Error>((sent, receipts))
                },
                async {
                    let leased = consumer.pull(&id, 1, PULL_WAIT).await?;
                    let arrived = Instant::now();
                    Ok((arrived, leased))
                }
            )?;
            let ((sent, receipts), (arrived, leased)) = (receipt, arrived);
            let expected = receipts.first().map(|receipt| receipt.id.as_str());
            if leased.first().and_then(|one| one.event.id.as_deref()) != expected {
                return Err(Failure::failed(
                    "an event was published and another one, or none, was delivered",
                )
                .into());
            }
            latencies.push(arrived.saturating_duration_since(sent));
            acknowledge(consumer, leased).await?;
        }
        Ok(self.measured(count, begun.elapsed(), latencies))
    }

    /// Removes the agent and the subscriptions that were made.
    pub(super) async fn clean_up(&self) -> Result<()> {
        let client = &self.clients[0];
        for removed in [
            client.delete_subscription(&self.id("consume")).await,
            client.delete_subscription(&self.id("deliver")).await,
            client.delete_agent(AGENT).await,
        ] {
            match removed {
                Err(error) if !is_unknown(&error) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn id(&self, name: &str) -> String {
        format!("{AGENT}/{}.{name}", self.topic)
    }

    async fn subscribe(&self, name: &str, from: &str) -> Result<String> {
        let create: Create = serde_json::from_value(json!({
            "agent": AGENT, "name": format!("{}.{name}", self.topic), "topic": self.topic, "action": "inbox",
            "from": from, "concurrency": 10_000, "max_in_flight": 65_536,
        }))?;
        self.clients[0].register_agent(&Register { agent: AGENT.to_owned(), ..Register::default() }).await?;
        self.clients[0].create_subscription(&create).await?;
        Ok(self.id(name))
    }

    fn event(&self) -> Event {
        const AROUND: usize = r#"{"pad":""}"#.len();
        let pad = "x".repeat((self.size as usize).saturating_sub(AROUND));
        let mut event = Event::new(SOURCE, "BenchRun");
        event.data = Some(Data::json(format!(r#"{{"pad":"{pad}"}}"#)));
        event
    }

    fn measured(&self, count: u32, elapsed: Duration, latencies: Vec<Duration>) -> Measured {
        Measured {
            events: count.into(),
            bytes: u64::from(count) * u64::from(self.size),
            elapsed,
            latencies: Latencies::of(latencies),
        }
    }
}

/// What the connections that consume share.
struct Consumed {
    left: AtomicI64,
    latencies: Mutex<Vec<Duration>>,
}

/// Consumes on one connection until nothing is left.
async fn consume(client: Client, id: String, shared: Arc<Consumed>) -> Result<()> {
    let mut empty = 0;
    loop {
        let sent = Instant::now();
        let leased = client.pull(&id, PULL_MAX, PULL_WAIT).await?;
        if leased.is_empty() {
            empty += 1;
            let left = shared.left.load(Ordering::Relaxed);
            if left <= 0 {
                return Ok(());
            }
            // Others may have taken the last ones in the meantime.
            if empty == EMPTY_PULLS_MAX {
                return Err(Failure::failed(format!("{left} deliveries did not come")).into());
            }
            continue;
        }
        empty = 0;
        let done = acknowledge(&client, leased).await?;
        shared.latencies.lock().expect("nobody panics with it").push(sent.elapsed());
        if shared.left.fetch_sub(done, Ordering::Relaxed) <= done {
            return Ok(());
        }
    }
}

/// Returns whether something was not there in the first place.
fn is_unknown(error: &cantus_client::Error) -> bool {
    matches!(error.code(), Some(Code::SubscriptionUnknown | Code::AgentUnknown))
}

/// Acknowledges deliveries, and returns how many of them were done by that.
async fn acknowledge(client: &Client, leased: Vec<Leased>) -> Result<i64> {
    let acks: Vec<AckOne> = leased
        .into_iter()
        .map(|one| AckOne { delivery: one.delivery, token: one.token, publish: Vec::new() })
        .collect();
    let answers = client.ack_many(acks).await?.results;
    let mut problems: HashMap<String, u64> = HashMap::new();
    for problem in answers.iter().filter_map(|answer| answer.problem.as_ref()) {
        *problems.entry(problem.to_string()).or_default() += 1;
    }
    match problems.into_iter().next() {
        Some((problem, count)) => {
            Err(Failure::failed(format!("{count} acknowledgements were refused: {problem}")).into())
        }
        None => Ok(i64::try_from(answers.len()).unwrap_or(i64::MAX)),
    }
}

async fn all(mut workers: JoinSet<Result<Vec<Duration>>>) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    while let Some(worker) = workers.join_next().await {
        latencies.extend(worker.context("a connection's task has failed")??);
    }
    Ok(latencies)
}
