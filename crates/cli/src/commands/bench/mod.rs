//! `cantus bench`, the short form: how fast this machine publishes, delivers and acknowledges over real sockets.
//!
//! `server` starts a process of its own, `load` does the work, `latency` counts, `hardware` says where it ran.

mod hardware;
mod latency;
mod load;
mod server;

use std::path::PathBuf;

use anyhow::Result;
use cantus_client::Client;
use clap::Args;
use serde_json::{Value, json};

use crate::context::Context;
use crate::output::{Format, compact, pretty};
use load::{Load, Measured};
use server::OwnServer;

/// Measure publishing, delivery and acknowledgement over real sockets, and print JSON
///
/// Starts a server process of its own in a temporary folder, unless --server or CANTUS_URL names one. Client and server then share
/// this machine.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// How many events to publish in batches, and to consume
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    events: u32,
    /// How many events to publish one by one
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    singles: u32,
    /// How many events to measure the way from publish to delivery with
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    deliveries: u32,
    /// How many events are in a batch
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    /// How many bytes the data of an event has
    #[arg(long, value_name = "BYTES", default_value_t = 256, value_parser = clap::value_parser!(u32).range(32..=1_000_000))]
    size: u32,
    /// How many connections are used at once, each with one request under way
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=1000))]
    connections: u32,
    /// Where the server's folder is made; the system's place for temporary files unless given
    #[arg(long = "in", value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl Bench {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        tokio::select! {
            answer = self.measure(context) => print(&answer?, context),
            _ = tokio::signal::ctrl_c() => Err(crate::exit::Failure::failed("interrupted").into()),
        }
    }

    async fn measure(&self, context: &Context) -> Result<Value> {
        let own = match context.global.server {
            Some(_) => None,
            None => Some(OwnServer::start(self.folder.as_deref(), context).await?),
        };
        // A client per connection, so that each has one socket and one request under way.
        let clients: Vec<Client> = (0..self.connections)
            .map(|_| match &own {
                Some(own) => own.client(),
                None => context.client(),
            })
            .collect::<Result<_>>()?;
        let status = clients[0].status().await?;
        let load = Load {
            clients,
            topic: format!("bench.{:x}", context.screen.now_ms()),
            batch: self.batch,
            size: self.size,
        };
        let phases = self.phases(&load, context).await;
        // On a server that goes on, nothing is left behind, whatever happened.
        let cleaned = load.clean_up().await;
        let [singles, batches, consumed, delivered] = phases?;
        cleaned?;
        let answer = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "build": if cfg!(debug_assertions) { "debug" } else { "release" },
            "server": {"version": status.version, "mode": status.mode, "engine": status.engine,
                       "own_process": own.is_some(), "store": own.as_ref().map(OwnServer::store)},
            "hardware": hardware::describe(),
            "event": {"data_bytes": self.size, "content_type": "application/json"},
            "connections": self.connections,
            "in_flight_per_connection": 1,
            "ack": "an event was accepted once it was written and synced to disk; a delivery was done once its acknowledgement was",
            "publish_single": report(&singles, "request"),
            "publish_batch": with(report(&batches, "request"), "batch", self.batch.into()),
            "consume": with(report(&consumed, "pull and acknowledgement"), "pull_max", load::PULL_MAX.into()),
            "publish_to_delivery": report(&delivered, "publish to delivery"),
        });
        if let Some(own) = own {
            own.stop().await?;
        }
        Ok(answer)
    }
}

impl Bench {
    async fn phases(&self, load: &Load, context: &Context) -> Result<[Measured; 4]> {
        let say = |text: &str| context.screen.note(text);
        say("publishing one by one");
        load.publish_singles(self.singles.min(100)).await?;
        let singles = load.publish_singles(self.singles).await?;
        say("publishing in batches");
        let batches = load.publish_batches(self.events).await?;
        say("consuming");
        let consumed = load.consume(self.events).await?;
        say("from publish to delivery");
        let delivered = load.deliver(self.deliveries).await?;
        Ok([singles, batches, consumed, delivered])
    }
}

fn print(answer: &Value, context: &Context) -> Result<()> {
    let json = serde_json::to_vec(answer)?;
    context.screen.print(&match context.screen.format {
        Format::Jsonl => compact(&json),
        Format::Table | Format::Json => pretty(&json),
    })
}

fn report(measured: &Measured, of: &str) -> Value {
    let seconds = measured.elapsed.as_secs_f64();
    json!({
        "events": measured.events,
        "seconds": round(seconds),
        "events_per_second": round(measured.events as f64 / seconds.max(f64::MIN_POSITIVE)),
        "bytes_per_second": round(measured.bytes as f64 / seconds.max(f64::MIN_POSITIVE)),
        "latency_ms": {
            "of": of,
            "samples": measured.latencies.len(),
            "p50": measured.latencies.percentile_ms(50.0),
            "p99": measured.latencies.percentile_ms(99.0),
            "max": measured.latencies.percentile_ms(100.0),
        },
    })
}

fn with(mut report: Value, name: &str, value: Value) -> Value {
    report[name] = value;
    report
}

fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}
