//! `cantus-sim`: runs seeds, and tells the first that breaks a promise.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use cantus_sim::{Counts, Options, Report, run, shrink};
use clap::Parser;

/// Run the whole coordinator from seeds, and judge it by what it promised
#[derive(Debug, Parser)]
#[command(name = "cantus-sim")]
struct Cli {
    /// Run one seed and tell every step
    #[arg(long, conflicts_with_all = ["count", "from"])]
    seed: Option<u64>,
    /// How many seeds to run
    #[arg(long, default_value_t = 2_000)]
    count: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// How many steps each world lives
    #[arg(long, default_value_t = Options::default().steps)]
    steps: u64,
    /// How many seeds run at once
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Go on after a failure, up to so many
    #[arg(long, default_value_t = 1)]
    failures: usize,
    /// Run every seed twice and compare what happened, byte for byte
    #[arg(long)]
    twice: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // What panics is told with its seed and its steps.
    std::panic::set_hook(Box::new(|_| {}));
    let options = Options { steps: cli.steps, ..Options::default() };
    match cli.seed {
        Some(seed) => one(seed, options),
        None => many(&cli, options),
    }
}

fn one(seed: u64, options: Options) -> ExitCode {
    let report = run(seed, Options { told: true, ..options });
    println!("{}", report.settings);
    match &report.violation {
        None => {
            println!("seed {seed}: {} steps, trace {:016x}, every promise holds", report.steps, report.hash);
            ExitCode::SUCCESS
        }
        Some(violation) => {
            println!("seed {seed}, step {}: {violation}", report.steps);
            ExitCode::FAILURE
        }
    }
}

fn many(cli: &Cli, options: Options) -> ExitCode {
    let (next, done) = (AtomicU64::new(cli.from), AtomicU64::new(0));
    let end = cli.from.saturating_add(cli.count);
    let failed = Mutex::new(Vec::<Report>::new());
    let (counts, stop) = (Mutex::new(Counts::default()), AtomicBool::new(false));
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cli.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let mut report = run(seed, options);
                    if cli.twice && run(seed, options).hash != report.hash {
                        report.violation = Some(cantus_sim::Violation {
                            promise: "the same seed twice gives the same bytes".to_owned(),
                            what: "the traces differ".to_owned(),
                        });
                    }
                    counts.lock().expect("nobody panics with it").add(&report.counts);
                    done.fetch_add(1, Ordering::Relaxed);
                    if report.violation.is_some() {
                        let mut failed = failed.lock().expect("nobody panics with it");
                        failed.push(report);
                        if failed.len() >= cli.failures {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let (done, failed) = (done.into_inner(), failed.into_inner().expect("nobody panics with it"));
    for report in &failed {
        tell(report, options);
    }
    let counts = counts.into_inner().expect("nobody panics with it");
    println!(
        "{done} seeds from {} in {:.1} s: {} starts, {} losses of power, {} kills, {} failed syncs; {} events acknowledged, \
         {} deliveries given, {} passes of housekeeping with {} segments written anew, {} bits flipped and {} facts lost \
         by that, {} answers and {} facts judged; {} broken promises",
        cli.from,
        began.elapsed().as_secs_f64(),
        counts.starts,
        counts.power_cuts,
        counts.kills,
        counts.failed_syncs,
        counts.acknowledged,
        counts.given,
        counts.passes,
        counts.rewritten,
        counts.flipped,
        counts.lost,
        counts.answers,
        counts.facts,
        failed.len()
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(report: &Report, options: Options) {
    let shortest = shrink(report.seed, options);
    let report = shortest.as_ref().unwrap_or(report);
    println!("{}", report.settings);
    for line in &report.last {
        println!("{line}");
    }
    if let Some(violation) = &report.violation {
        println!("seed {}, step {}: {violation}", report.seed, report.steps);
    }
    println!("again, step by step: cargo xtask campaign sim --seed {}\n", report.seed);
}
