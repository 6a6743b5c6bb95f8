//! From publish to delivery at a fixed rate: events are sent when their time has come, whether or not those before them have
//! arrived, and the time counts from when they were due.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::consume::{acknowledge, acknowledgements};
use super::measured::Measured;
use super::publish::event;
use super::raw::{Connection, Target, texts};
use crate::exit::Failure;

/// How many connections take turns to publish: one alone could not keep the rate while an answer is on its way.
const PUBLISHERS: u32 = 4;
/// How many acknowledgements may wait to be sent.
const ACKS_WAITING_MAX: usize = 1_024;
/// After so many pulls that bring nothing, deliveries are missing.
const EMPTY_PULLS_MAX: u32 = 5;

/// Publishing at a fixed rate, and one who waits for it.
pub(super) struct Arrival {
    pub(super) target: Target,
    pub(super) topic: String,
    pub(super) subscription: String,
    pub(super) size: u32,
    /// Events per second.
    pub(super) rate: u32,
    pub(super) events: u32,
}

impl Arrival {
    /// Publishes, waits, and measures. The latencies of the first tenth do not count.
    pub(super) async fn run(&self) -> Result<Measured> {
        let (acks, waiting) = mpsc::channel(ACKS_WAITING_MAX);
        let arrived: Arc<Mutex<Vec<(u32, Instant)>>> = Arc::default();
        let consuming = tokio::spawn(consume(
            self.target.clone(),
            self.subscription.clone(),
            self.events,
            acks,
            arrived.clone(),
        ));
        let acknowledging = tokio::spawn(answer(self.target.clone(), waiting));
        let every = Duration::from_secs_f64(1.0 / f64::from(self.rate.max(1)));
        let begin = Instant::now() + Duration::from_millis(200);
        let mut publishers = JoinSet::new();
        for number in 0..PUBLISHERS {
            let publisher = Publisher {
                connection: self.target.connect().await?,
                target: self.target.clone(),
                topic: self.topic.clone(),
                size: self.size,
            };
            let numbers = (number..self.events).step_by(PUBLISHERS as usize);
            let runtime = Handle::current();
            // Threads of their own: the timers of the runtime are a millisecond wide.
            publishers.spawn_blocking(move || publisher.run(&runtime, numbers, begin, every));
        }
        while let Some(publisher) = publishers.join_next().await {
            publisher.context("a connection's task has failed")??;
        }
        consuming.await.context("a connection's task has failed")??;
        acknowledging.await.context("a connection's task has failed")??;
        let arrived = std::mem::take(&mut *arrived.lock().expect("nobody panics with it"));
        let last = arrived.iter().map(|(_, at)| *at).max().unwrap_or(begin);
        let due = |number: u32| begin + every * number;
        let latencies = arrived.iter().filter(|(number, _)| *number >= self.events / 10);
        let latencies = latencies.map(|(number, at)| at.saturating_duration_since(due(*number)));
        Ok(Measured::new(u64::from(self.events), last.saturating_duration_since(begin), latencies))
    }
}

struct Publisher {
    connection: Connection,
    target: Target,
    topic: String,
    size: u32,
}

impl Publisher {
    fn run(
        mut self,
        runtime: &Handle,
        numbers: impl Iterator<Item = u32>,
        begin: Instant,
        every: Duration,
    ) -> Result<()> {
        let path = format!("/v1/topics/{}/events", self.topic);
        for number in numbers {
            let body = event(0, self.size, &format!(r#""subject":"{number:09}","#));
            let request = self.target.request("POST", &path, "application/cloudevents+json", body.as_bytes());
            std::thread::sleep((begin + every * number).saturating_duration_since(Instant::now()));
            runtime.block_on(self.connection.call(&request))?;
        }
        Ok(())
    }
}

async fn consume(
    target: Target,
    subscription: String,
    events: u32,
    acks: mpsc::Sender<(Vec<u8>, i64)>,
    arrived: Arc<Mutex<Vec<(u32, Instant)>>>,
) -> Result<()> {
    let mut connection = target.connect().await?;
    let path = format!("/v1/subscriptions/{subscription}/pull");
    let pull = target.request("POST", &path, "application/json", br#"{"max":100,"wait":"10s"}"#);
    let (mut left, mut empty) = (i64::from(events), 0);
    while left > 0 {
        let pulled = connection.call(&pull).await?;
        let now = Instant::now();
        let mut body = Vec::new();
        let count = acknowledgements(pulled, &mut body);
        empty = if count == 0 { empty + 1 } else { 0 };
        if empty == EMPTY_PULLS_MAX {
            return Err(Failure::failed(format!("{left} deliveries did not come")).into());
        }
        let numbers =
            texts(pulled, "subject").filter_map(|text| std::str::from_utf8(text).ok()?.parse().ok());
        arrived.lock().expect("nobody panics with it").extend(numbers.map(|number| (number, now)));
        if count > 0 {
            acks.send((body, count)).await.context("the connection that acknowledges is gone")?;
        }
        left -= count;
    }
    Ok(())
}

async fn answer(target: Target, mut waiting: mpsc::Receiver<(Vec<u8>, i64)>) -> Result<()> {
    let mut connection = target.connect().await?;
    let mut request = Vec::new();
    while let Some((body, count)) = waiting.recv().await {
        acknowledge(&target, &mut connection, &body, &mut request, count).await?;
    }
    Ok(())
}
