//! Publishing: one by one, in batches, alone. The bodies are made beforehand and are the same each time: the server gives every
//! event its id.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;

use super::measured::Measured;
use super::raw::Target;

/// Who publishes what, and how much.
#[derive(Debug, Clone)]
pub(super) struct Publish {
    pub(super) target: Target,
    pub(super) topic: String,
    /// How many bytes the data of an event has.
    pub(super) size: u32,
    /// How many connections, each with one request under way.
    pub(super) connections: u32,
    /// How many events are in a request.
    pub(super) batch: u32,
    /// How many events there are in all.
    pub(super) events: u64,
    /// How many types of events go round: `Bench0`, `Bench1` and so on.
    pub(super) types: u32,
}

impl Publish {
    /// Publishes, and measures it.
    pub(super) async fn run(&self) -> Result<Measured> {
        let left = Arc::new(AtomicI64::new(i64::try_from(self.events).unwrap_or(i64::MAX)));
        let mut workers = JoinSet::new();
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(self.target.connect().await?);
        }
        let bodies: Arc<Vec<Vec<u8>>> = Arc::new(self.requests());
        let begun = Instant::now();
        for (number, mut connection) in connections.into_iter().enumerate() {
            let (left, bodies, batch) = (left.clone(), bodies.clone(), i64::from(self.batch));
            workers.spawn(async move {
                let mut latencies = Vec::new();
                let mut turn = number;
                while left.fetch_sub(batch, Ordering::Relaxed) > 0 {
                    let sent = Instant::now();
                    connection.call(&bodies[turn % bodies.len()]).await?;
                    latencies.push(sent.elapsed());
                    turn += 1;
                }
                Ok(latencies)
            });
        }
        let latencies = all(workers).await?;
        let requests = latencies.len() as u64;
        Ok(Measured::new(requests * u64::from(self.batch), begun.elapsed(), latencies))
    }

    fn requests(&self) -> Vec<Vec<u8>> {
        // As many as it takes for every type to have been there once, within reason.
        let different = u64::from(self.types.max(1)).div_ceil(u64::from(self.batch.max(1))).clamp(1, 10_000);
        let mut number = 0;
        (0..different)
            .map(|_| {
                let mut body = Vec::new();
                let alone = self.batch == 1;
                if !alone {
                    body.push(b'[');
                }
                for index in 0..self.batch {
                    if index > 0 {
                        body.push(b',');
                    }
                    body.extend_from_slice(event(number % self.types.max(1), self.size, "").as_bytes());
                    number += 1;
                }
                if !alone {
                    body.push(b']');
                }
                let media_type =
                    if alone { "application/cloudevents+json" } else { "application/cloudevents-batch+json" };
                self.target.request("POST", &format!("/v1/topics/{}/events", self.topic), media_type, &body)
            })
            .collect()
    }
}

/// Returns an event as text: its type by number, its data of so many bytes, and further members, each with a comma behind it.
pub(super) fn event(number: u32, size: u32, further: &str) -> String {
    const AROUND: usize = r#"{"pad":""}"#.len();
    let pad = "x".repeat((size as usize).saturating_sub(AROUND));
    format!(
        r#"{{"specversion":"1.0","type":"Bench{number}","source":"/cantus-bench",{further}"data":{{"pad":"{pad}"}}}}"#
    )
}

/// Waits for all workers and puts together what they measured.
pub(super) async fn all(mut workers: JoinSet<Result<Vec<Duration>>>) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    while let Some(worker) = workers.join_next().await {
        latencies.extend(worker.context("a connection's task has failed")??);
    }
    Ok(latencies)
}
