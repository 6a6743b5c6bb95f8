//! `cargo xtask campaign kill`: clients publish, a worker consumes, programs run, and the server is killed with SIGKILL at
//! random, again and again. At the end everything that was acknowledged must be there once, in order, and settled.
//!
//! Read `plan` (what is declared and published), `publisher`, `consumer` and `reader` (who does what), `record` (what they
//! remember), `judge` (what must hold), `report`.

mod consumer;
mod judge;
mod plan;
mod publisher;
mod reader;
mod record;
mod report;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cantus_client::api::delivery::State;
use cantus_client::{Client, Error};
use clap::Args;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Server, build};
use plan::{FILE, INBOX, PROGRAM, RUNS, SCRIPT};
use record::{Evidence, Run, Settled};
use report::Setting;

/// How long the server lives on average, from the start of its process.
const LIFE_MEAN_S: f64 = 1.5;
/// How long it lives at most.
const LIFE_MAX_S: f64 = 8.0;
/// How long clients go on after the last start.
const CALM: Duration = Duration::from_secs(1);
/// How long nothing of what is left may be done: a crowded machine is slow, and only a server that stands still is wrong.
const DRAIN: Duration = Duration::from_secs(240);
/// How long everything beside the kills may take.
const OVERHEAD: Duration = Duration::from_secs(900);

/// What the campaign is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How often the server is killed
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    count: u32,
    /// How many clients publish
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    clients: u32,
    /// What chance begins with: the same seed publishes the same and kills after the same times
    #[arg(long)]
    seed: Option<u64>,
    /// The binary to try; built unless given
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Keep the folder with the server's state and log, also when nothing was violated
    #[arg(long)]
    keep: bool,
}

/// Runs the campaign and prints what came of it.
///
/// # Errors
/// When a promise was broken, or the campaign could not be run.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.binary.clone().map_or_else(build, Ok)?;
    let seed = options.seed.unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    let dir = tempfile::Builder::new().prefix("cantus-kill-").tempdir().context("a folder cannot be made")?;
    std::fs::write(dir.path().join("cantus.yaml"), FILE)?;
    std::fs::write(dir.path().join("run.sh"), SCRIPT)?;
    let clients = options.clients as usize;
    eprintln!("seed {seed}: {clients} clients, {} kills, in {}", options.count, dir.path().display());

    let started = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let limit = OVERHEAD + Duration::from_secs_f64(LIFE_MAX_S) * options.count;
    let campaign = runtime.block_on(async {
        let campaign = campaign(binary, dir.path(), options.count, clients, seed);
        timeout(limit, campaign).await.with_context(|| format!("the campaign is not over after {limit:?}"))?
    });
    runtime.shutdown_background();

    let verdict = campaign.map(|evidence| judge::judge(&evidence));
    let failed = verdict.as_ref().map_or(true, |verdict| !verdict.violations.is_empty());
    if failed || options.keep {
        let kept = dir.keep();
        eprintln!("the server's state and its log are kept in {}", kept.display());
    }
    let verdict = verdict?;
    report::print(&Setting { seed, clients, seconds: started.elapsed().as_secs_f64() }, &verdict);
    match verdict.violations.len() {
        0 => Ok(()),
        count => bail!("{count} violations; repeat with --seed {seed}"),
    }
}

async fn campaign(binary: PathBuf, dir: &Path, count: u32, clients: usize, seed: u64) -> Result<Evidence> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut server = Server::new(binary.clone(), dir, &dir.join("cantus.yaml"), &mut rng)?;
    server.start()?;
    server.ready().await?;
    let client = server.client()?;
    let (publishing, stop_publishing) = watch::channel(false);
    let (consuming, stop_consuming) = watch::channel(false);
    let mut publishers = JoinSet::new();
    for number in 0..clients {
        publishers.spawn(publisher::run(client.clone(), number, seed, stop_publishing.clone()));
    }
    let consumer = tokio::spawn(consumer::run(client.clone(), stop_consuming.clone()));
    let follower = tokio::spawn(reader::follow(client.clone(), stop_consuming));

    let mut evidence = Evidence::default();
    while evidence.kills < count {
        sleep(life(&mut rng)).await;
        server.kill().await?;
        evidence.kills += 1;
        server.start()?;
    }
    server.ready().await?;
    sleep(CALM).await;
    publishing.send_replace(true);
    evidence.published = publishers.join_all().await;
    if let Err(left) = drain(&client).await {
        evidence.faults.push(format!("{left:#}"));
    }
    consuming.send_replace(true);
    evidence.consumed = consumer.await.context("the worker failed")?;
    evidence.followed = follower.await.context("the reader failed")?;

    resolve(&client, &mut evidence).await?;
    evidence.stored = reader::all(&client).await?;
    evidence.dead = reader::dead_letters(&client).await?;
    if let Err(error) = server.stop().await {
        evidence.faults.push(format!("{error:#}"));
    }
    if let Err(error) = verify(&binary, &server.data_dir()).await {
        evidence.faults.push(format!("{error:#}"));
    }
    evidence.runs = runs(&dir.join(RUNS))?;
    Ok(evidence)
}

/// Draws how long the server lives: most often not long, sometimes not even until it is ready.
fn life(rng: &mut impl Rng) -> Duration {
    let seconds = -LIFE_MEAN_S * (1.0 - rng.random::<f64>()).ln();
    Duration::from_secs_f64(seconds.min(LIFE_MAX_S))
}

/// Waits until no subscription has anything left to do, as long as it becomes less.
async fn drain(client: &Client) -> Result<()> {
    for id in [INBOX, PROGRAM] {
        let (mut least, mut deadline) = (u64::MAX, Instant::now() + DRAIN);
        loop {
            let left = client.subscription(id).await.with_context(|| format!("{id} cannot be read"))?;
            let open = left.lag_events + left.in_flight + left.retrying + left.waiting;
            if open == 0 {
                break;
            }
            if open < least {
                (least, deadline) = (open, Instant::now() + DRAIN);
            }
            if Instant::now() > deadline {
                bail!(
                    "{id} still has {} events before it, {} in flight, {} retrying, {} waiting, and no less for {DRAIN:?}",
                    left.lag_events,
                    left.in_flight,
                    left.retrying,
                    left.waiting
                );
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

/// Asks for every delivery whose answer was not answered.
async fn resolve(client: &Client, evidence: &mut Evidence) -> Result<()> {
    for settled in evidence.consumed.settled.values_mut() {
        let Settled::InDoubt { delivery } = settled else { continue };
        let known = match client.delivery(delivery).await {
            Ok(known) => known,
            // The judge will find that nothing became of it.
            Err(Error::Refused { .. }) => continue,
            Err(error) => return Err(error).with_context(|| format!("{delivery} cannot be read")),
        };
        match known.state {
            State::Delivered => *settled = Settled::Acked,
            State::Dead => *settled = Settled::Dead,
            State::Waiting | State::Leased | State::Expired => {}
        }
    }
    Ok(())
}

/// Has the log read from its first byte to its last.
async fn verify(binary: &Path, data_dir: &Path) -> Result<()> {
    let mut command = tokio::process::Command::new(binary);
    command.args(["log", "verify"]).arg(data_dir).stdin(Stdio::null());
    let output = command.output().await.context("`cantus log verify` cannot be started")?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("`cantus log verify` ended with {}: {}", output.status, String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}

fn runs(file: &Path) -> Result<Vec<Run>> {
    // Nothing is there if no event ran the program.
    let text = if file.exists() { std::fs::read_to_string(file)? } else { String::new() };
    let run = |line: &str| {
        let (id, word) = line.split_once(' ').with_context(|| format!("a program wrote `{line}`"))?;
        Ok(Run { id: id.to_owned(), began: word == "began" })
    };
    text.lines().map(run).collect()
}
