//! A server of one's own: the real binary, on a port of its own, in a folder that outlives it.

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cantus_client::Client;
use rand::Rng;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// Below the ports that systems give out by themselves, so that nobody takes it while the server is down.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// How long a start may take. Not a speed: the machine may be busy.
const START: Duration = Duration::from_secs(90);
/// How long a graceful end may take: ten seconds of draining, and what a busy machine adds.
const STOP: Duration = Duration::from_secs(60);
const LOG: &str = "server.log";

/// A server and its folder.
pub(crate) struct Server {
    binary: PathBuf,
    dir: PathBuf,
    file: PathBuf,
    port: u16,
    child: Option<Child>,
    variables: Vec<(String, String)>,
}

impl Server {
    /// Prepares a server; nothing is started. Its state and its log go to `dir`.
    ///
    /// # Errors
    /// When no port is free.
    pub(crate) fn new(binary: PathBuf, dir: &Path, file: &Path, rng: &mut impl Rng) -> Result<Server> {
        let port = (0..100)
            .map(|_| rng.random_range(PORTS))
            .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
            .context("none of 100 ports is free")?;
        Ok(Server {
            binary,
            dir: dir.to_owned(),
            file: file.to_owned(),
            port,
            child: None,
            variables: Vec::new(),
        })
    }

    /// Returns a client of it.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub(crate) fn client(&self) -> Result<Client> {
        let url = format!("http://127.0.0.1:{}", self.port);
        let client = Client::builder().url(url).timeout(Duration::from_secs(20));
        Ok(client.connect_timeout(Duration::from_secs(2)).build()?)
    }

    /// Says which variables its next process gets besides ours.
    pub(crate) fn set_variables(&mut self, variables: Vec<(String, String)>) {
        self.variables = variables;
    }

    /// Returns the number of its process, while there is one.
    pub(crate) fn process(&self) -> Option<rustix::process::Pid> {
        self.child.as_ref().and_then(|child| rustix::process::Pid::from_raw(child.id()?.cast_signed()))
    }

    /// Returns where it keeps its state.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Returns where it writes what it has to say.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join(LOG)
    }

    /// Starts its process.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(&mut self) -> Result<()> {
        let log = self.open_log()?;
        let mut command = Command::new(&self.binary);
        command.arg("dev").arg("--file").arg(&self.file).arg("--data-dir").arg(self.data_dir());
        command.arg("--port").arg(self.port.to_string()).current_dir(&self.dir);
        for name in ["CANTUS_URL", "CANTUS_TOKEN", "CANTUS_TOKEN_FILE", "CANTUS_DATA_DIR"] {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        self.child =
            Some(command.spawn().with_context(|| format!("{} cannot be started", self.binary.display()))?);
        Ok(())
    }

    fn open_log(&self) -> Result<File> {
        let log = OpenOptions::new().create(true).append(true).open(self.log());
        log.with_context(|| format!("{} cannot be written", self.log().display()))
    }

    /// Waits until it takes requests.
    ///
    /// # Errors
    /// When its process ended, or it is not ready in time.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        let client = self.client()?;
        let deadline = Instant::now() + START;
        loop {
            if client.readiness().await.is_ok_and(|health| health.ok) {
                return Ok(());
            }
            if let Some(status) = self.ended()? {
                bail!("the server ended by itself with {status}; see {}", self.log().display());
            }
            if Instant::now() > deadline {
                bail!("the server is not ready after {START:?}; see {}", self.log().display());
            }
            sleep(Duration::from_millis(25)).await;
        }
    }

    /// Waits until its process has ended by itself; `None` if it has not in time.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(crate) async fn end(&mut self, within: Duration) -> Result<Option<ExitStatus>> {
        let Some(child) = self.child.as_mut() else { return Ok(None) };
        match timeout(within, child.wait()).await {
            Ok(status) => {
                self.child = None;
                Ok(Some(status?))
            }
            Err(_) => Ok(None),
        }
    }

    /// Returns how its process ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.as_mut().map_or(Ok(None), |child| Ok(child.try_wait()?))
    }

    /// Ends its process with SIGKILL, which it cannot notice.
    ///
    /// # Errors
    /// When it had ended by itself before.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        if let Some(status) = self.ended()? {
            bail!("the server ended by itself with {status}; see {}", self.log().display());
        }
        if let Some(mut child) = self.child.take() {
            child.kill().await.context("the server cannot be killed")?;
        }
        Ok(())
    }

    /// Ends its process with SIGTERM, and waits until it has finished what it had begun.
    ///
    /// # Errors
    /// When it does not end in time, or not with 0.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let id = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        let id = id.with_context(|| format!("the server ended by itself; see {}", self.log().display()))?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let status = timeout(STOP, child.wait()).await;
        let status = status.with_context(|| format!("the server has not stopped within {STOP:?}"))??;
        if !status.success() {
            bail!("the server was asked to stop and ended with {status}; see {}", self.log().display());
        }
        Ok(())
    }
}
