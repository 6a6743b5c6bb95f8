//! A server process of one's own: this binary, in a temporary folder, on a free port.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result};
use cantus_client::Client;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::process::Process;
use crate::context::Context;
use crate::exit::Failure;
use crate::token;

/// How long it may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait between two looks whether it takes requests: part of what a start is measured to take.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A server process that ends with this value.
pub(super) struct OwnServer {
    child: Child,
    folder: TempDir,
    port: u16,
    url: String,
    started_in: Duration,
}

impl OwnServer {
    /// Starts a server and waits until it takes requests.
    pub(super) async fn start(folder: Option<&Path>, context: &Context) -> Result<OwnServer> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("cantus-bench-");
        let folder = match folder {
            Some(folder) => builder.tempdir_in(folder),
            None => builder.tempdir(),
        };
        let folder = folder.context("the server's folder cannot be made")?;
        // Whoever takes the port in between makes the start fail, which is then said.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .context("no free port")?
            .port();
        let child = spawn(folder.path(), port)?;
        let mut server = OwnServer {
            child,
            folder,
            port,
            url: format!("http://127.0.0.1:{port}"),
            started_in: Duration::ZERO,
        };
        context.screen.note(&format!("a server of its own is starting at {}", server.url));
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// Kills it without a warning and starts it again; returns how long that start took.
    pub(super) async fn kill_and_start(&mut self) -> Result<Duration> {
        self.child.kill().await.context("the server cannot be ended")?;
        self.child = spawn(self.folder.path(), self.port)?;
        self.wait_until_ready().await?;
        Ok(self.started_in)
    }

    /// Returns how long its last start took, from the process to the first answer that it is ready.
    pub(super) fn started_in(&self) -> Duration {
        self.started_in
    }

    /// Returns its process.
    pub(super) fn process(&self) -> Option<Process> {
        self.child.id().map(Process)
    }

    /// Returns the folder it runs in.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns its URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Returns how many bytes its state has on disk.
    pub(super) fn stored_bytes(&self) -> u64 {
        bytes_in(&self.folder.path().join(".cantus"))
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let client = Client::builder().url(&self.url).build()?;
        let begun = Instant::now();
        let deadline = begun + PATIENCE;
        loop {
            if client.readiness().await.is_ok_and(|health| health.ok) {
                self.started_in = begun.elapsed();
                return Ok(());
            }
            let ended = self.child.try_wait().context("the server cannot be looked at")?;
            if let Some(status) = ended {
                return Err(
                    Failure::failed(format!("the server ended with {status}: {}", self.log_end())).into()
                );
            }
            if Instant::now() >= deadline {
                return Err(Failure::timeout(format!("the server is not ready: {}", self.log_end())).into());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn log_end(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("; ")
    }

    /// Returns the token with the right to do everything.
    pub(super) fn token(&self) -> Result<Option<String>> {
        let file = token::dev_token_file(self.folder.path());
        let token =
            file.map(std::fs::read_to_string).transpose().context("the server's token cannot be read")?;
        Ok(token.map(|token| token.trim().to_owned()))
    }

    /// Returns a client with the right to do everything.
    pub(super) fn client(&self) -> Result<Client> {
        let builder = Client::builder().url(&self.url);
        Ok(match self.token()? {
            Some(token) => builder.token(token).build()?,
            None => builder.build()?,
        })
    }

    /// Returns where it keeps its state.
    pub(super) fn store(&self) -> String {
        let place = self.folder.path().display();
        format!("{place} ({})", filesystem(self.folder.path()))
    }

    /// Asks it to stop, and waits for that.
    pub(super) async fn stop(mut self) -> Result<()> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        if timeout(PATIENCE, self.child.wait()).await.is_err() {
            self.child.kill().await.context("the server cannot be ended")?;
        }
        Ok(())
    }
}

/// Returns the name of the filesystem a folder is in: what a sync costs depends on it.
fn filesystem(folder: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let best = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(place, _)| folder.starts_with(place))
        .max_by_key(|(place, _)| place.len());
    best.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned())
}

fn spawn(folder: &Path, port: u16) -> Result<Child> {
    let log = std::fs::File::create(folder.join("server.log")).context("the server's log cannot be made")?;
    let program = std::env::current_exe().context("this program cannot be found")?;
    let mut command = Command::new(program);
    command
        .args(["dev", "--quiet", "--port", &port.to_string(), "--data-dir", ".cantus"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CANTUS_") {
            command.env_remove(name);
        }
    }
    command.spawn().context("the server cannot be started")
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_in(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    bytes.sum()
}
