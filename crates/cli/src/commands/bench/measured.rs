//! What was measured, and how it is told.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::latency::Latencies;
use super::process::Process;

/// What was done, and how long it took.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) events: u64,
    pub(super) elapsed: Duration,
    pub(super) latencies: Latencies,
}

impl Measured {
    pub(super) fn new(
        events: u64,
        elapsed: Duration,
        latencies: impl IntoIterator<Item = Duration>,
    ) -> Measured {
        Measured { events, elapsed, latencies: Latencies::of(latencies) }
    }

    /// Returns how many events went through in a second.
    pub(super) fn rate(&self) -> f64 {
        self.events as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Returns it as JSON; `of` says what the latencies are those of.
    pub(super) fn report(&self, of: &str) -> Value {
        json!({
            "events": self.events,
            "seconds": round(self.elapsed.as_secs_f64()),
            "events_per_second": self.rate().round(),
            "latency_ms": self.latencies.report(of),
        })
    }
}

/// The server's processor time between two moments.
pub(super) struct Costs {
    process: Option<Process>,
    begun: Instant,
    cpu: Option<Duration>,
}

impl Costs {
    pub(super) fn begin(process: Option<Process>) -> Costs {
        Costs { process, begun: Instant::now(), cpu: process.and_then(Process::cpu) }
    }

    /// Adds to a report what the server has taken since then, for so many events.
    pub(super) fn end(&self, mut report: Value, events: u64) -> Value {
        let cpu = self.process.and_then(Process::cpu).zip(self.cpu);
        let cpu = cpu.map(|(now, before)| now.saturating_sub(before));
        report["server"] = json!({
            "cpu_seconds": cpu.map(|cpu| round(cpu.as_secs_f64())),
            "cpu_percent": cpu.map(|cpu| {
                round(100.0 * cpu.as_secs_f64() / self.begun.elapsed().as_secs_f64().max(f64::MIN_POSITIVE))
            }),
            "cpu_us_per_event": cpu.map(|cpu| round(cpu.as_secs_f64() * 1e6 / events.max(1) as f64)),
            "resident_mib": self.process.and_then(Process::resident_mib).map(round),
            "resident_peak_mib": self.process.and_then(Process::resident_peak_mib).map(round),
        });
        report
    }
}

/// Adds members to a report.
pub(super) fn with<const N: usize>(mut report: Value, members: [(&str, Value); N]) -> Value {
    for (name, value) in members {
        report[name] = value;
    }
    report
}

/// Returns a number to three places behind the point.
pub(super) fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
