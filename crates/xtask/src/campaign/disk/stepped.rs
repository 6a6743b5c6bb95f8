//! The same scenario again and again, each time ended at the next operation: SIGKILL at N = 1, 2, 3 … of a run, or of a start that
//! recovers what a killed process has left. Only the port is left to chance: campaigns beside each other must not meet.

use std::time::Duration;

use anyhow::Result;
use cantus_client::Client;
use rand::rngs::StdRng;

use super::scenario::Memory;
use super::shim::Shim;
use super::{Outcome, Server, Stage};

const ROUNDS: usize = 20;
const FILLING: usize = 400;
const END: Duration = Duration::from_secs(20);

/// Ends the server at the `number`-th operation of its first run: half of the times before it, half in the middle of it.
pub(super) async fn of_a_run(stage: &Stage<'_>, number: u64, rng: &mut StdRng) -> Result<Outcome> {
    let (mut outcome, mut memory) = (Outcome::default(), Memory::default());
    let mut server = stage.server(rng)?;
    let client = server.client()?;
    end_at(stage, &mut server, &client, &mut memory, number, &mut outcome).await?;
    judge(&mut server, &client, &mut memory, &mut outcome).await?;
    Ok(outcome)
}

/// Ends the server at the `number`-th operation of a start behind a kill with a torn tail; then once more at the same place.
pub(super) async fn of_a_start(stage: &Stage<'_>, number: u64, rng: &mut StdRng) -> Result<Outcome> {
    let (mut outcome, mut memory) = (Outcome::default(), Memory::default());
    let mut server = stage.server(rng)?;
    let client = server.client()?;
    server.start()?;
    server.ready().await?;
    memory.drive(&client, ROUNDS, FILLING).await;
    server.kill().await?;
    tear(&server.data_dir().join("log"))?;
    for _ in 0..2 {
        end_at(stage, &mut server, &client, &mut memory, number, &mut outcome).await?;
    }
    judge(&mut server, &client, &mut memory, &mut outcome).await?;
    Ok(outcome)
}

async fn end_at(
    stage: &Stage<'_>,
    server: &mut Server,
    client: &Client,
    memory: &mut Memory,
    number: u64,
    outcome: &mut Outcome,
) -> Result<()> {
    let at = number / 2 + 1;
    let how = if number.is_multiple_of(2) { "before" } else { "torn" };
    let shim = Shim::new(stage.shim, &server.data_dir(), stage.dir)?
        .with("FAULTS_KILL_AT", at)
        .with("FAULTS_KILL_HOW", how);
    server.set_variables(shim.variables());
    server.start()?;
    // One that dies at its start is never ready.
    if server.ready().await.is_ok() {
        memory.drive(client, ROUNDS, FILLING).await;
    }
    let was_reached = shim.counts().0 >= at;
    match server.end(if was_reached { END } else { Duration::ZERO }).await? {
        Some(_) => outcome.count("killed_at_an_operation", 1),
        None => {
            outcome.count(if was_reached { "went_on" } else { "operations_never_reached" }, 1);
            server.kill().await?;
        }
    }
    server.set_variables(Vec::new());
    Ok(())
}

/// Writes the beginning of a frame behind the last one, as a process does that is killed while it writes.
fn tear(log: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::FileExt as _;
    let mut segments: Vec<_> = std::fs::read_dir(log)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "segment"))
        .collect();
    segments.sort();
    let Some(newest) = segments.pop() else { return Ok(()) };
    let bytes = std::fs::read(&newest)?;
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    let file = std::fs::OpenOptions::new().write(true).open(&newest)?;
    file.write_all_at(b"CFRM\x00\x10\x00\x00torn", written.next_multiple_of(64) as u64)?;
    Ok(())
}

async fn judge(
    server: &mut Server,
    client: &Client,
    memory: &mut Memory,
    outcome: &mut Outcome,
) -> Result<()> {
    server.start()?;
    server.ready().await?;
    let checked = memory.check(client).await?;
    outcome.count("events_accepted", memory.accepted());
    outcome.count("events_stored", checked.stored);
    outcome.violations.extend(checked.violations);
    if checked.gaps > 0 {
        outcome.violations.push(format!("{} gaps after nothing but a kill", checked.gaps));
    }
    server.stop().await
}
