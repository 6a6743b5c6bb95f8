//! `cantus bench`: how fast this machine publishes, delivers, acknowledges, starts and remembers, over real sockets.
//!
//! `phases` says what can be measured; `server` starts a process of its own, `raw` is the connection the load uses, `publish`,
//! `consume`, `arrival` and `disk` are the loads, `measured`, `latency` and `process` count, `hardware` says where it ran.

mod arrival;
mod consume;
mod disk;
mod hardware;
mod latency;
mod measured;
mod phases;
mod process;
mod publish;
mod raw;
mod server;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::output::{Format, compact, pretty};
use crate::token;
use phases::{Phase, Site};
use process::Process;
use raw::Target;
use server::OwnServer;

/// Measure publishing, delivery, acknowledgement and more over real sockets, and print JSON
///
/// Starts a server process of its own in a temporary folder, unless --server or CANTUS_URL names one. Client and server then share
/// this machine. Every figure is said with what it was measured under; an answer always means that the disk has synced.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// What to measure, in this order; lone, singles, batches, consume and latency unless given
    #[arg(value_enum, value_name = "PHASE")]
    phases: Vec<Phase>,
    /// How many events to publish in batches, to consume, and to append to the log alone
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    events: u32,
    /// How many events many connections publish one by one
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    singles: u32,
    /// How many events a lone publisher publishes
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    lone: u32,
    /// How many events to measure the way from publish to delivery with
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    deliveries: u32,
    /// How many events a second are published meanwhile
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// How many subscriptions with distinct filters there are many of
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    filters: u32,
    /// How many events the history has of which one timeline is read, and with which the server is started
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(200..=1_000_000_000))]
    history: u32,
    /// How many events are in a batch
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
    /// How many deliveries a pull takes
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pull: u32,
    /// How many bytes the data of an event has
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(32..=1_000_000))]
    size: u32,
    /// How many connections publish one by one, each with one request under way
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    connections: u32,
    /// How many connections publish in batches, or consume, each with one request under way
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    publishers: u32,
    /// The process of the server that --server names, if it is on this machine: its processor time and memory are told too
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
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
        let mut site = self.site(context).await?;
        let status = site.client.status().await?;
        let mut answer = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "build": if cfg!(debug_assertions) { "debug" } else { "release" },
            "server": {"version": status.version, "mode": status.mode, "engine": status.engine,
                       "own_process": site.own.is_some(), "store": site.own.as_ref().map(OwnServer::store)},
            "hardware": hardware::describe(),
            "event": {"data_bytes": self.size, "content_type": "application/json"},
            "in_flight_per_connection": 1,
            "ack": "an event was accepted once it was written and synced to disk; a delivery was done once its acknowledgement was",
        });
        if let Some(own) = &site.own {
            answer["hardware"]["fdatasync_4096_bytes"] = disk::syncs(own.folder())?.report("fdatasync");
        }
        let measured = self.phases(&mut site, context).await;
        // On a server that goes on, nothing but events is left behind, whatever happened.
        let cleaned = site.clean_up().await;
        answer["measured"] = Value::Object(measured?);
        cleaned?;
        if let Some(own) = site.own {
            own.stop().await?;
        }
        Ok(answer)
    }

    async fn site(&self, context: &Context) -> Result<Site> {
        let run = format!("bench.{:x}", context.screen.now_ms());
        if context.global.server.is_some() {
            let url = context.global.server_url();
            let token = token::find(context.global.token.as_deref(), url)?;
            return Ok(Site {
                own: None,
                client: context.client()?,
                maker: Target::new(url, token.clone())?,
                target: Target::new(url, token)?,
                process: self.pid.map(Process),
                run,
            });
        }
        let own = OwnServer::start(self.folder.as_deref(), context).await?;
        // Publishing and consuming need no token here, and checking one is not what is measured.
        let (client, target) = (own.client()?, Target::new(own.url(), None)?);
        let maker = Target::new(own.url(), own.token()?)?;
        Ok(Site { process: own.process(), client, target, maker, run, own: Some(own) })
    }

    async fn phases(&self, site: &mut Site, context: &Context) -> Result<Map<String, Value>> {
        let phases = if self.phases.is_empty() { &Phase::USUAL[..] } else { &self.phases };
        let mut measured = Map::new();
        for phase in phases {
            context.screen.note(&format!("measuring: {}", phase.name()));
            measured.insert(phase.name(), self.phase(*phase, site).await?);
        }
        Ok(measured)
    }
}

fn print(answer: &Value, context: &Context) -> Result<()> {
    let json = serde_json::to_vec(answer)?;
    context.screen.print(&match context.screen.format {
        Format::Jsonl => compact(&json),
        Format::Table | Format::Json => pretty(&json),
    })
}
