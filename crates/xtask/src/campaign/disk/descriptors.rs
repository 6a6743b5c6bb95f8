//! No more open files: new connections wait or are shed; the log, and everybody who is there already, goes on.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::Rng;
use rand::rngs::StdRng;
use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

use super::scenario::{Memory, Stopped};
use super::{Outcome, Stage};

/// How many connections are opened on a server that has room for a few.
const CONNECTIONS: usize = 100;
const AGAIN: Duration = Duration::from_secs(60);

pub(super) async fn run(stage: &Stage<'_>, rng: &mut StdRng) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut server = stage.server(rng)?;
    let client = server.client()?;
    let mut memory = Memory::default();
    server.start()?;
    server.ready().await?;
    memory.drive(&client, 20, 400).await;

    let process = server.process().context("the server runs")?;
    let open = std::fs::read_dir(format!("/proc/{}/fd", process.as_raw_pid()))?.count() as u64;
    let room = rng.random_range(0..8);
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit { current: Some(open + room), maximum };
    let before =
        prlimit(Some(process), Resource::Nofile, limit).context("the server's limit cannot be set")?;
    let address = client.url().trim_start_matches("http://").to_owned();
    let connections: Vec<TcpStream> =
        (0..CONNECTIONS).filter_map(|_| TcpStream::connect(&address).ok()).collect();
    // Whoever is there is served; nobody else may be, and the process stays.
    // More than fits into the first segment: the log goes on in another file.
    memory.drive(&client, 20, 500_000).await;
    if let Some(status) = server.ended()? {
        outcome.violations.push(format!("the server ended with {status} for want of files"));
        return Ok(outcome);
    }
    drop(connections);
    prlimit(Some(process), Resource::Nofile, before).context("the server's limit cannot be set back")?;
    let again = tokio::time::timeout(AGAIN, async {
        while memory.drive(&client, 1, 400).await != Stopped::Done {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    if again.await.is_err() {
        outcome.violations.push("the server takes nothing although it may open files again".to_owned());
    }
    server.kill().await?;
    server.start()?;
    server.ready().await?;
    let checked = memory.check(&client).await?;
    outcome.count("events_accepted", memory.accepted());
    outcome.count("events_stored", checked.stored);
    outcome.violations.extend(checked.violations);
    server.stop().await?;
    Ok(outcome)
}
