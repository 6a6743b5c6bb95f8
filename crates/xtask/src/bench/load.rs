//! The load: events of one size, published by several with a bounded number under way, then consumed and acknowledged by as many.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use anyhow::{Result, anyhow};

use super::process::Process;

/// How many events are under way at once, over all publishers.
pub(super) const IN_FLIGHT: u32 = 1_000;
/// How many events are sent at once.
pub(super) const BATCH: u32 = 100;
/// How many are asked for at once when consuming.
pub(super) const PULL: u32 = 500;

/// How much, how large, by how many.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) events: u32,
    pub(super) size: u32,
    pub(super) publishers: u32,
}

/// What came of one turn.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    pub(super) publish_per_second: f64,
    pub(super) publish_cpu_us: f64,
    pub(super) consume_per_second: f64,
    pub(super) consume_cpu_us: f64,
}

/// A system that can take the load.
pub(super) trait Peer {
    /// What it means that an event was accepted.
    fn ack(&self) -> &'static str;

    /// Starts it, gives it the load, stops it.
    fn turn(&self, load: &Load) -> Result<Measured>;
}

/// A connection that publishes or consumes.
pub(super) trait Worker: Send {
    /// Does up to so many, and returns how many were done for good.
    fn step(&mut self, wanted: u32) -> Result<u32>;

    /// Waits for what is still under way, and returns how many that were.
    fn finish(&mut self) -> Result<u32>;
}

impl Load {
    /// Returns an event's data.
    pub(super) fn data(&self) -> Vec<u8> {
        let around = r#"{"pad":""}"#.len();
        format!(r#"{{"pad":"{}"}}"#, "x".repeat((self.size as usize).saturating_sub(around))).into_bytes()
    }

    /// Returns how many events one publisher may have under way.
    pub(super) fn window(&self) -> u32 {
        (IN_FLIGHT / self.publishers).max(BATCH)
    }

    /// Lets workers do all of the load together, and returns how many were done in a second, and what the server took for each, in
    /// microseconds.
    pub(super) fn run<W: Worker + 'static>(
        &self,
        process: &Process,
        workers: Vec<W>,
        batch: u32,
    ) -> Result<(f64, f64)> {
        let left = Arc::new(AtomicI64::new(self.events.into()));
        let cpu = process.cpu_seconds();
        let begun = Instant::now();
        let threads: Vec<_> = workers
            .into_iter()
            .map(|mut worker| {
                let left = left.clone();
                std::thread::spawn(move || -> Result<u64> {
                    let mut done = 0;
                    while left.load(Ordering::Relaxed) > 0 {
                        let step = worker.step(batch)?;
                        left.fetch_sub(step.into(), Ordering::Relaxed);
                        done += u64::from(step);
                    }
                    Ok(done + u64::from(worker.finish()?))
                })
            })
            .collect();
        let mut done = 0;
        for thread in threads {
            done += thread.join().map_err(|_| anyhow!("a connection's thread has failed"))??;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let cpu = process.cpu_seconds() - cpu;
        Ok((done as f64 / seconds, cpu * 1e6 / done.max(1) as f64))
    }
}
