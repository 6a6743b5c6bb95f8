//! `cargo xtask campaign disk`: the disk of the real binary fails, in every way disks do, and what was acknowledged must survive.
//!
//! ```text
//! killed       SIGKILL at the Nth write, sync, rename, unlink of the process, before, after, or in the middle of it
//! stepped      the same for N = 1, 2, 3 … of one fixed scenario
//! recovering   the same for N = 1, 2, 3 … of a start that recovers
//! unsynced     the Nth sync fails, with and without the loss of what it did not write: the server must end, and recover
//! full         no space, no room for files: refused in words, goes on by itself once there is room, killed while full
//! rotten       bits flipped, blocks zeroed, old chunks, cut, swapped and deleted files: wrong bytes are never served
//! unreadable   EIO on read: said to be lost or refused, and there again when the device reads again
//! descriptors  no more open files: connections suffer, the log does not
//! ```
//! Read `scenario` (what is done, remembered and checked), `shim` (the library that fails), then each way.

mod descriptors;
mod full;
mod killed;
mod rotten;
mod scenario;
mod shim;
mod stepped;
mod unreadable;
mod unsynced;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use super::{Server, build};

/// How long one fault may take, starts and checks included. Not a speed: the machine may be busy.
const FAULT: Duration = Duration::from_secs(300);

/// What the campaign is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many faults, over all ways
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,
    /// Only these ways
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WAY")]
    only: Vec<Way>,
    /// Where the ways that count begin
    #[arg(long, default_value_t = 0, value_name = "N")]
    from: u32,
    /// What chance begins with: the same seed does the same
    #[arg(long)]
    seed: Option<u64>,
    /// The binary to try; built unless given
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Keep the folder of every fault, not only of those that broke something
    #[arg(long)]
    keep: bool,
}

/// A way for a disk to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Way {
    Killed,
    Unsynced,
    Full,
    Rotten,
    Unreadable,
    Descriptors,
    Stepped,
    Recovering,
}

/// The ways of twelve faults in a row; then they begin again.
const SHARES: [Way; 12] = [
    Way::Killed,
    Way::Rotten,
    Way::Unsynced,
    Way::Stepped,
    Way::Recovering,
    Way::Full,
    Way::Killed,
    Way::Unreadable,
    Way::Unsynced,
    Way::Rotten,
    Way::Stepped,
    Way::Descriptors,
];

/// What every fault needs.
struct Stage<'a> {
    binary: &'a Path,
    shim: &'a Path,
    /// A folder of this fault's own.
    dir: &'a Path,
}

impl Stage<'_> {
    /// A server in this fault's folder; nothing is started.
    fn server(&self, rng: &mut StdRng) -> Result<Server> {
        std::fs::write(self.dir.join("cantus.yaml"), scenario::FILE)?;
        Server::new(self.binary.to_owned(), self.dir, &self.dir.join("cantus.yaml"), rng)
    }
}

/// What came of one fault.
#[derive(Debug, Default)]
struct Outcome {
    /// What was counted, by name.
    counts: BTreeMap<&'static str, u64>,
    /// What was promised and not kept.
    violations: Vec<String>,
}

impl Outcome {
    fn count(&mut self, name: &'static str, more: u64) {
        *self.counts.entry(name).or_default() += more;
    }
}

/// Runs the campaign and prints what came of it.
///
/// # Errors
/// When a promise was broken, or the campaign could not be run.
pub(crate) fn run(options: &Options) -> Result<()> {
    let binary = options.binary.clone().map_or_else(build, Ok)?;
    let shim = shim::build()?;
    let seed = options.seed.unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    let ways: Vec<Way> = if options.only.is_empty() { SHARES.to_vec() } else { options.only.clone() };
    eprintln!("seed {seed}: {} faults", options.count);
    let started = Instant::now();
    let (mut total, mut by_way) = (Outcome::default(), BTreeMap::<Way, u32>::new());
    for number in 0..options.count {
        let way = ways[number as usize % ways.len()];
        let nth = options.from + by_way.get(&way).copied().unwrap_or(0);
        let dir =
            tempfile::Builder::new().prefix("cantus-disk-").tempdir().context("a folder cannot be made")?;
        let stage = Stage { binary: &binary, shim: &shim, dir: dir.path() };
        let mut rng = StdRng::seed_from_u64(seed ^ u64::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let fault = runtime.block_on(async {
            tokio::time::timeout(FAULT, one(way, u64::from(nth), &stage, &mut rng))
                .await
                .context("not over in time")?
        });
        runtime.shutdown_background();
        let outcome = match fault {
            Ok(outcome) => outcome,
            Err(error) => Outcome { violations: vec![format!("{error:#}")], ..Outcome::default() },
        };
        *by_way.entry(way).or_default() += 1;
        if !outcome.violations.is_empty() || options.keep {
            let kept = dir.keep();
            eprintln!("fault {number} ({way:?}), kept in {}:", kept.display());
            for violation in &outcome.violations {
                eprintln!("  {violation}");
            }
        }
        for (name, count) in outcome.counts {
            total.count(name, count);
        }
        total
            .violations
            .extend(outcome.violations.into_iter().map(|text| format!("{number} {way:?}: {text}")));
    }
    report(options, seed, started.elapsed(), &by_way, &total)
}

async fn one(way: Way, nth: u64, stage: &Stage<'_>, rng: &mut StdRng) -> Result<Outcome> {
    match way {
        Way::Killed => killed::run(stage, rng).await,
        Way::Unsynced => unsynced::run(stage, rng).await,
        Way::Full => full::run(stage, rng).await,
        Way::Rotten => rotten::run(stage, rng).await,
        Way::Unreadable => unreadable::run(stage, rng).await,
        Way::Stepped => stepped::of_a_run(stage, nth, rng).await,
        Way::Recovering => stepped::of_a_start(stage, nth, rng).await,
        Way::Descriptors => descriptors::run(stage, rng).await,
    }
}

fn report(
    options: &Options,
    seed: u64,
    took: Duration,
    ways: &BTreeMap<Way, u32>,
    total: &Outcome,
) -> Result<()> {
    eprintln!("\n{:<34} {:>10}\n{:<34} {:>10.1}", "seed", seed, "seconds", took.as_secs_f64());
    for (way, count) in ways {
        eprintln!("{:<34} {count:>10}", format!("faults: {way:?}").to_lowercase());
    }
    for (name, count) in &total.counts {
        eprintln!("{:<34} {count:>10}", name.replace('_', " "));
    }
    eprintln!("{:<34} {:>10}", "violations", total.violations.len());
    let ways: BTreeMap<String, u32> =
        ways.iter().map(|(way, count)| (format!("{way:?}").to_lowercase(), *count)).collect();
    println!(
        "{}",
        json!({"campaign": "disk", "seed": seed, "seconds": took.as_secs(), "faults": ways, "counts": total.counts, "violations": total.violations})
    );
    match total.violations.len() {
        0 => Ok(()),
        count => bail!("{count} violations; repeat with --seed {seed} --count {}", options.count),
    }
}
