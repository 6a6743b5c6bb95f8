//! `cargo xtask bench`: the same load on Cantus and on others, in one run.
//!
//! Every system is started here, on loopback and in a folder of its own, and gets the same events over its own protocol. They take
//! turns, so that a machine that slows down slows all of them; what counts is the ratio of the medians. `load` says what the load is,
//! `process` runs a system, `wire` is a socket; then a file per system.

mod cantus;
mod load;
mod nats;
mod process;
mod rabbitmq;
mod redis;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use load::{Load, Measured, Peer};

/// How to compare.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The systems to compare with: those that are installed; see docs/performance.md for how to get them
    #[arg(long, value_delimiter = ',', value_enum, value_name = "SYSTEM")]
    against: Vec<Against>,
    /// How often each has its turn
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// How many events each publishes and consumes in its turn
    #[arg(long, default_value_t = 200_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1000..=100_000_000))]
    events: u32,
    /// How many bytes an event's data has
    #[arg(long, default_value_t = 200, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(32..=1_000_000))]
    size: u32,
    /// How many publish, and how many consume
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    publishers: u32,
    /// The binary `cantus` to measure; the release build of this workspace unless given
    #[arg(long, value_name = "FILE")]
    cantus: Option<PathBuf>,
}

/// What can be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Against {
    /// Redis Streams; every write synced
    Redis,
    /// Redis Streams; synced every second
    RedisEverysec,
    /// NATS JetStream; synced every two minutes, as it comes
    Nats,
    /// NATS JetStream; every write synced
    NatsSync,
    /// RabbitMQ with a quorum queue; every write synced
    Rabbitmq,
}

/// Runs the comparison and prints JSON.
///
/// # Errors
/// When a system is not installed or fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = match &options.cantus {
        Some(binary) => binary.clone(),
        None => cantus::build()?,
    };
    let load = Load { events: options.events, size: options.size, publishers: options.publishers };
    let mut peers: Vec<(String, Box<dyn Peer>)> =
        vec![("cantus".to_owned(), Box::new(cantus::Cantus::new(binary)))];
    for against in &options.against {
        let name = against.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        let peer: Box<dyn Peer> = match against {
            Against::Redis => Box::new(redis::Redis::new(redis::Sync::Always)),
            Against::RedisEverysec => Box::new(redis::Redis::new(redis::Sync::EverySecond)),
            Against::Nats => Box::new(nats::Nats::new(nats::Sync::Default)),
            Against::NatsSync => Box::new(nats::Nats::new(nats::Sync::Always)),
            Against::Rabbitmq => Box::new(rabbitmq::RabbitMq),
        };
        peers.push((name, peer));
    }
    let mut turns: BTreeMap<String, Vec<Measured>> = BTreeMap::new();
    for round in 1..=options.rounds {
        for (name, peer) in &peers {
            eprintln!("round {round} of {}: {name}", options.rounds);
            let measured = peer.turn(&load).with_context(|| format!("{name} could not be measured"))?;
            turns.entry(name.clone()).or_default().push(measured);
        }
    }
    let mut systems = serde_json::Map::new();
    let ours = turns.get("cantus").map(|turns| Median::of(turns)).unwrap_or_default();
    for (name, peer) in &peers {
        let median = turns.get(name).map(|turns| Median::of(turns)).unwrap_or_default();
        systems.insert(name.clone(), median.report(peer.ack(), &ours));
    }
    let report = json!({
        "events": options.events, "data_bytes": options.size, "publishers": options.publishers,
        "in_flight": load::IN_FLIGHT, "rounds": options.rounds, "medians": systems,
    });
    println!("{report:#}");
    Ok(())
}

#[derive(Debug, Default)]
struct Median {
    publish: f64,
    publish_cpu_us: f64,
    consume: f64,
    consume_cpu_us: f64,
}

impl Median {
    fn of(turns: &[Measured]) -> Median {
        let median = |value: fn(&Measured) -> f64| {
            let mut values: Vec<f64> = turns.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied().unwrap_or_default()
        };
        Median {
            publish: median(|it| it.publish_per_second),
            publish_cpu_us: median(|it| it.publish_cpu_us),
            consume: median(|it| it.consume_per_second),
            consume_cpu_us: median(|it| it.consume_cpu_us),
        }
    }

    fn report(&self, ack: &str, ours: &Median) -> Value {
        let ratio = |ours: f64, theirs: f64| (ours / theirs.max(1.0) * 100.0).round() / 100.0;
        json!({
            "ack": ack,
            "publish_per_second": self.publish.round(),
            "publish_server_cpu_us_per_event": (self.publish_cpu_us * 100.0).round() / 100.0,
            "consume_per_second": self.consume.round(),
            "consume_server_cpu_us_per_event": (self.consume_cpu_us * 100.0).round() / 100.0,
            "cantus_publishes_times_as_fast": ratio(ours.publish, self.publish),
            "cantus_consumes_times_as_fast": ratio(ours.consume, self.consume),
        })
    }
}
