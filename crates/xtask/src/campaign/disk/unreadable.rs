//! EIO on read: the device can not read its own bytes. They are said to be lost, or the server refuses to start and says why; once
//! the device reads them again they are there again, as nothing was deleted.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

use super::rotten::{gather, names, written_place};
use super::scenario::Memory;
use super::shim::Shim;
use super::{Outcome, Stage};

/// Enough for several segments and an index.
const ROUNDS: usize = 60;
const FILLING: usize = 120_000;
const BLOCK: u64 = 4096;
/// How many blocks can not be read at most.
const BLOCKS_MAX: u64 = 64;
/// How long a server that will not start may take to say so.
const START: Duration = Duration::from_secs(90);

pub(super) async fn run(stage: &Stage<'_>, rng: &mut StdRng) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut server = stage.server(rng)?;
    let client = server.client()?;
    let mut memory = Memory::default();
    server.start()?;
    server.ready().await?;
    memory.drive(&client, rng.random_range(ROUNDS / 2..ROUNDS), FILLING).await;
    memory.drive(&client, ROUNDS, 300).await;
    if rng.random_bool(0.5) {
        server.stop().await?
    } else {
        server.kill().await?
    }

    let log = server.data_dir().join("log");
    let (file, from, to) = choose(&server.data_dir(), rng)?;
    let what = format!("bytes {from} to {to} of {}", file.display());
    let shim = Shim::new(stage.shim, &server.data_dir(), stage.dir)?
        .with("FAULTS_READ", format!("{}:{from}:{to}", file.display()));
    let before = names(&log)?;
    server.set_variables(shim.variables());
    server.start()?;
    match tokio::time::timeout(START, server.ready()).await {
        Ok(Ok(())) => {
            // A look at everything meets what can not be read, and must not end the server.
            let checked = memory.check(&client).await.with_context(|| what.clone())?;
            outcome.count("started_with_unreadable_bytes", 1);
            outcome.count("said_to_be_lost", checked.missing);
            outcome.count("gaps", checked.gaps);
            outcome.violations.extend(checked.violations);
            memory.drive(&client, 10, 400).await;
            if let Some(status) = server.ended()? {
                outcome.violations.push(format!("the server ended with {status} because of a read"));
            } else {
                server.kill().await?;
            }
        }
        Ok(Err(_)) if server.ended()?.is_some() => {
            let said = fs::read_to_string(server.log()).unwrap_or_default();
            let explains =
                said.lines().last().is_some_and(|line| !line.is_empty()) && !said.contains("panicked");
            if !explains {
                outcome.violations.push("the server refused to start and did not say why".to_owned());
            }
            outcome.count("refused_to_start", 1);
        }
        Ok(Err(error)) => return Err(error),
        Err(_) => outcome.violations.push("the server neither starts nor refuses".to_owned()),
    }
    let after = names(&log)?;
    for gone in before.iter().filter(|name| name.ends_with(".segment") && !after.contains(name)) {
        outcome.violations.push(format!("{gone} was deleted"));
    }

    // The device reads again.
    server.set_variables(Vec::new());
    if server.ended()?.is_none() && server.process().is_some() {
        server.kill().await?;
    }
    server.start()?;
    server.ready().await.with_context(|| format!("after {what} can be read again"))?;
    let checked = memory.check(&client).await?;
    outcome.count("events_accepted", memory.accepted());
    outcome.count("events_stored", checked.stored);
    outcome.violations.extend(checked.violations);
    if checked.missing > 0 {
        outcome.violations.push(format!("{} events are lost though they can be read again", checked.missing));
    }
    server.stop().await?;
    for violation in &mut outcome.violations {
        *violation = format!("{what}: {violation}");
    }
    Ok(outcome)
}

/// A range of a file that something was written to: of a segment most of the time.
fn choose(data: &Path, rng: &mut StdRng) -> Result<(PathBuf, u64, u64)> {
    let mut files = Vec::new();
    gather(data, &mut files)?;
    let segments: Vec<PathBuf> = files
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "segment"))
        .cloned()
        .collect();
    let any = if rng.random_bool(0.7) { &segments } else { &files };
    let file = any.choose(rng).context("there are files")?.clone();
    let length = fs::metadata(&file)?.len();
    let from = if length == 0 { 0 } else { written_place(&file, length, rng)? / BLOCK * BLOCK };
    Ok((file, from, from + BLOCK * rng.random_range(1..=BLOCKS_MAX)))
}
