//! Consuming a backlog: pulls and acknowledgements in batches, over several connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;

use super::measured::Measured;
use super::raw::{Connection, Target, find, texts};
use crate::exit::Failure;

/// After so many pulls that bring nothing, deliveries are missing.
const EMPTY_PULLS_MAX: u32 = 20;
/// How long a pull waits for the first delivery, as the server reads it. Short, because the others' acknowledgements may end it.
const PULL_WAIT: &str = "500ms";

/// Who consumes what.
pub(super) struct Consume {
    pub(super) target: Target,
    /// The subscription's id.
    pub(super) subscription: String,
    pub(super) connections: u32,
    /// How many deliveries a pull takes at most.
    pub(super) pull: u32,
    pub(super) events: u64,
}

impl Consume {
    /// Consumes all there is, and measures it.
    pub(super) async fn run(&self) -> Result<Measured> {
        let left = Arc::new(AtomicI64::new(i64::try_from(self.events).unwrap_or(i64::MAX)));
        let mut workers: JoinSet<Result<Vec<Duration>>> = JoinSet::new();
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(self.target.connect().await?);
        }
        let path = format!("/v1/subscriptions/{}/pull", self.subscription);
        let body = format!(r#"{{"max":{},"wait":"{PULL_WAIT}"}}"#, self.pull);
        let pull = Arc::new(self.target.request("POST", &path, "application/json", body.as_bytes()));
        let begun = Instant::now();
        for connection in connections {
            workers.spawn(worker(self.target.clone(), connection, pull.clone(), left.clone()));
        }
        let mut latencies = Vec::new();
        let mut elapsed = None;
        // Whoever acknowledges the last one ends first; the others still wait for more, which is not part of it.
        while let Some(worker) = workers.join_next().await {
            latencies.extend(worker.context("a connection's task has failed")??);
            if left.load(Ordering::Relaxed) <= 0 {
                elapsed.get_or_insert_with(|| begun.elapsed());
            }
        }
        let done = self.events as i64 - left.load(Ordering::Relaxed);
        Ok(Measured::new(
            u64::try_from(done).unwrap_or(0),
            elapsed.unwrap_or_else(|| begun.elapsed()),
            latencies,
        ))
    }
}

async fn worker(
    target: Target,
    mut connection: Connection,
    pull: Arc<Vec<u8>>,
    left: Arc<AtomicI64>,
) -> Result<Vec<Duration>> {
    let (mut latencies, mut empty) = (Vec::new(), 0);
    let (mut body, mut request) = (Vec::new(), Vec::new());
    while left.load(Ordering::Relaxed) > 0 {
        let sent = Instant::now();
        let pulled = connection.call(&pull).await?;
        let count = acknowledgements(pulled, &mut body);
        if count == 0 {
            empty += 1;
            if empty == EMPTY_PULLS_MAX {
                let missing = left.load(Ordering::Relaxed);
                return Err(Failure::failed(format!("{missing} deliveries did not come")).into());
            }
            continue;
        }
        empty = 0;
        acknowledge(&target, &mut connection, &body, &mut request, count).await?;
        latencies.push(sent.elapsed());
        left.fetch_sub(count, Ordering::Relaxed);
    }
    Ok(latencies)
}

/// Writes the body that acknowledges all deliveries of a pull's answer, and returns how many they are.
pub(super) fn acknowledgements(pulled: &[u8], body: &mut Vec<u8>) -> i64 {
    body.clear();
    body.extend_from_slice(b"{\"acks\":[");
    let mut count = 0;
    for (delivery, token) in texts(pulled, "delivery").zip(texts(pulled, "token")) {
        if count > 0 {
            body.push(b',');
        }
        body.extend_from_slice(b"{\"delivery\":\"");
        body.extend_from_slice(delivery);
        body.extend_from_slice(b"\",\"token\":\"");
        body.extend_from_slice(token);
        body.extend_from_slice(b"\"}");
        count += 1;
    }
    body.extend_from_slice(b"]}");
    count
}

/// Sends acknowledgements, and checks that all of them were taken.
pub(super) async fn acknowledge(
    target: &Target,
    connection: &mut Connection,
    body: &[u8],
    request: &mut Vec<u8>,
    count: i64,
) -> Result<()> {
    request.clear();
    target.begin(request, "POST", "/v1/deliveries/ack", "application/json", body.len());
    request.extend_from_slice(body);
    let answer = connection.call(request).await?;
    let acked = texts(answer, "status").filter(|status| *status == b"acked").count();
    if i64::try_from(acked).unwrap_or(0) != count {
        let problem = find(answer, b"\"problem\":{").map_or(&b""[..], |at| &answer[at..]);
        let shown: String = String::from_utf8_lossy(problem).chars().take(400).collect();
        return Err(
            Failure::failed(format!("of {count} acknowledgements {acked} were taken: {shown}")).into()
        );
    }
    Ok(())
}
