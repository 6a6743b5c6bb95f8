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

use crate::context::Context;
use crate::exit::Failure;
use crate::token;

/// How long it may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server process that ends with this value.
pub(super) struct OwnServer {
    child: Child,
    folder: TempDir,
    url: String,
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
        let log = std::fs::File::create(folder.path().join("server.log"))
            .context("the server's log cannot be made")?;
        // Whoever takes the port in between makes the start fail, which is then said.
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .context("no free port")?
            .port();
        let program = std::env::current_exe().context("this program cannot be found")?;
        let mut command = Command::new(program);
        command
            .args(["dev", "--quiet", "--port", &port.to_string(), "--data-dir", ".cantus"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CANTUS_") {
                command.env_remove(name);
            }
        }
        let child = command.spawn().context("the server cannot be started")?;
        let mut server = OwnServer { child, folder, url: format!("http://127.0.0.1:{port}") };
        context.screen.note(&format!("a server of its own is starting at {}", server.url));
        server.wait_until_ready().await?;
        Ok(server)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let client = Client::builder().url(&self.url).build()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if client.readiness().await.is_ok_and(|health| health.ok) {
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
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn log_end(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("; ")
    }

    /// Returns a client with the right to do everything.
    pub(super) fn client(&self) -> Result<Client> {
        let builder = Client::builder().url(&self.url);
        let file = token::dev_token_file(self.folder.path());
        let token =
            file.map(std::fs::read_to_string).transpose().context("the server's token cannot be read")?;
        Ok(match token {
            Some(token) => builder.token(token.trim()).build()?,
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
