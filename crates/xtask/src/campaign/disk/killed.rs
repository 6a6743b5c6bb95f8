//! SIGKILL at the Nth operation on the data directory.

use std::time::Duration;

use anyhow::Result;
use rand::Rng;
use rand::rngs::StdRng;

use super::scenario::Memory;
use super::shim::Shim;
use super::{Outcome, Stage};

/// About how many operations a start and the scenario take.
const OPERATIONS: u64 = 500;
const ROUNDS: usize = 120;
/// How often one folder is killed before it is judged: later kills meet a start that recovers.
const LIVES_MAX: usize = 3;
const END: Duration = Duration::from_secs(20);

pub(super) async fn run(stage: &Stage<'_>, rng: &mut StdRng) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut server = stage.server(rng)?;
    let client = server.client()?;
    let mut memory = Memory::default();
    for _ in 0..rng.random_range(1..=LIVES_MAX) {
        // Half of the kills meet the first operations, which are those of a start.
        let last = if rng.random_bool(0.5) { OPERATIONS } else { 60 };
        let at = rng.random_range(1..=last);
        let how = ["before", "after", "torn"][rng.random_range(0..3)];
        let shim = Shim::new(stage.shim, &server.data_dir(), stage.dir)?
            .with("FAULTS_KILL_AT", at)
            .with("FAULTS_KILL_HOW", how);
        server.set_variables(shim.variables());
        server.start()?;
        // One that dies at its start is never ready.
        if server.ready().await.is_ok() {
            memory.drive(&client, ROUNDS, 400).await;
        }
        let ended = server.end(if shim.counts().0 >= at { END } else { Duration::ZERO }).await?;
        match ended {
            Some(_) => outcome.count("killed_at_an_operation", 1),
            None => server.kill().await?,
        }
    }
    server.set_variables(Vec::new());
    server.start()?;
    server.ready().await?;
    let checked = memory.check(&client).await?;
    outcome.count("events_accepted", memory.accepted());
    outcome.count("events_stored", checked.stored);
    outcome.violations = checked.violations;
    if checked.gaps > 0 {
        outcome.violations.push(format!("{} gaps after nothing but a kill", checked.gaps));
    }
    server.stop().await?;
    Ok(outcome)
}
