//! A sync that fails, once: the server must end rather than try again, and the next start has all that was acknowledged.

use std::time::Duration;

use anyhow::Result;
use rand::Rng;
use rand::rngs::StdRng;

use super::scenario::Memory;
use super::shim::Shim;
use super::{Outcome, Stage};

const SYNCS: u64 = 120;
const ROUNDS: usize = 150;
const END: Duration = Duration::from_secs(60);

pub(super) async fn run(stage: &Stage<'_>, rng: &mut StdRng) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut server = stage.server(rng)?;
    let client = server.client()?;
    let mut memory = Memory::default();
    // The log is the truth; everything else is a cache, and its failing disk may not lose anything either.
    let of_the_log = rng.random_bool(0.75);
    let watched = server.data_dir().join(if of_the_log { "log" } else { "checkpoint" });
    let at = rng.random_range(1..=if of_the_log { SYNCS } else { 12 });
    let mut shim = Shim::new(stage.shim, &watched, stage.dir)?.with("FAULTS_SYNC_AT", at);
    if rng.random_bool(0.5) {
        shim = shim.with("FAULTS_ERROR", "ENOSPC");
    }
    if of_the_log && rng.random_bool(0.5) {
        shim = shim.with("FAULTS_SYNC_DROP", 1);
    }
    server.set_variables(shim.variables());
    server.start()?;
    if server.ready().await.is_ok() {
        memory.drive(&client, ROUNDS, 400).await;
    }
    let has_failed = shim.counts().1 >= at;
    let ended = server.end(if has_failed && of_the_log { END } else { Duration::ZERO }).await?;
    match ended {
        Some(status) if status.success() => {
            outcome.violations.push(format!("sync {at} failed and the server ended with {status}"));
        }
        Some(_) => outcome.count("ended_by_a_failed_sync", 1),
        None if has_failed && of_the_log => {
            outcome.violations.push(format!("sync {at} of the log failed and the server goes on"));
            server.kill().await?;
        }
        None => {
            outcome.count(if has_failed { "went_on_without_a_cache" } else { "syncs_never_reached" }, 1);
            server.kill().await?;
        }
    }
    server.set_variables(Vec::new());
    server.start()?;
    server.ready().await?;
    let checked = memory.check(&client).await?;
    outcome.count("events_accepted", memory.accepted());
    outcome.count("events_stored", checked.stored);
    outcome.violations.extend(checked.violations);
    if checked.gaps > 0 {
        outcome.violations.push(format!("{} gaps after a failed sync", checked.gaps));
    }
    server.stop().await?;
    Ok(outcome)
}
