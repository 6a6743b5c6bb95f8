//! The server's side: starts guardians, waits for them, finds those of the server before.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use cantus_core::Position;
use cantus_core::ids::DeliveryId;

use super::attempt::{self, AttemptId, Attempts, Survivor};
use super::life::{self, Watch};
use super::logs::{self, Chunk, Stream};
use super::outcome::{End, Outcome, SpawnFailure};
use super::spec::{Spec, SpecFile};
use super::state;
use super::sweep::{self, Keep, Swept};

/// A third of the usual lease of 30 s.
const PROGRESS_EVERY_DEFAULT: Duration = Duration::from_secs(10);

/// Runs attempts under guardians. Cheap to clone; all clones share one folder of attempts.
#[derive(Debug, Clone)]
pub struct Exec {
    attempts: Arc<Attempts>,
    guardian: Arc<GuardianProgram>,
    progress_every: Duration,
}

/// How a guardian is started; the attempt's folder is added as the last argument.
#[derive(Debug)]
struct GuardianProgram {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Exec {
    /// Opens `<data-dir>/attempts`. Guardians will be this very binary, started as `cantus guardian <folder>`.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let running = Path::new("/proc/self/exe");
        // Survives the binary being replaced on disk: an old server goes on with guardians of its own kind.
        let path = if running.exists() { running.to_owned() } else { std::env::current_exe()? };
        Ok(Self {
            attempts: Arc::new(Attempts::open(&std::path::absolute(data_dir)?)?),
            guardian: Arc::new(GuardianProgram { path, arguments: vec!["guardian".into()] }),
            progress_every: PROGRESS_EVERY_DEFAULT,
        })
    }

    /// Starts guardians with another program and these arguments before the folder.
    pub fn with_guardian(
        mut self,
        path: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        self.guardian = Arc::new(GuardianProgram { path: path.into(), arguments });
        self
    }

    /// Reports progress at this interval instead of every ten seconds.
    pub fn with_progress_every(mut self, interval: Duration) -> Self {
        self.progress_every = interval;
        self
    }

    /// Runs one attempt to its end, calling `progress` regularly while its guardian lives.
    ///
    /// An attempt that has been started before, by this server or the one before, is adopted: the program is started
    /// once, however often this is called. Dropping the future leaves the program running under its guardian.
    pub async fn run(&self, attempt: &AttemptId, spec: Spec, progress: impl Fn()) -> Outcome {
        if let Err(refusal) = spec.check() {
            return Outcome::not_started(refusal.kind, refusal.to_string());
        }
        let (exec, id) = (self.clone(), attempt.clone());
        match blocking(move || exec.start(&id, &spec)).await {
            Ok(Started::Guardian(mut guardian)) => {
                let outcome = self.adopt(attempt, progress).await;
                // Gone already, or about to be: collects its number.
                let _ = guardian.wait().await;
                outcome
            }
            Ok(Started::Before) => self.adopt(attempt, progress).await,
            Err(error) => Outcome::not_started(
                SpawnFailure::Guardian,
                format!(
                    "the attempt could not be prepared in {}: {error}",
                    self.attempts.folder(attempt).display()
                ),
            ),
        }
    }

    /// Waits for an attempt that was started before, without starting anything.
    ///
    /// Calls `progress` regularly while its guardian lives. An attempt without a folder has ended [`End::Unknown`].
    pub async fn adopt(&self, attempt: &AttemptId, progress: impl Fn()) -> Outcome {
        let folder = self.attempts.folder(attempt);
        if let Some(watch) = Watch::begin(&folder) {
            let mut ticks = tokio::time::interval(self.progress_every);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            ticks.tick().await;
            let ended = watch.ended();
            tokio::pin!(ended);
            loop {
                tokio::select! {
                    biased;
                    () = &mut ended => break,
                    _ = ticks.tick() => progress(),
                }
            }
        }
        blocking(move || if folder.exists() { state::outcome(&folder) } else { Outcome::bare(End::Unknown) })
            .await
    }

    /// Lists the attempts that were started and not collected, and forgets folders that were never finished.
    ///
    /// For the start of a server, before anything is run. Those the log knows are to be adopted (or run, which adopts
    /// them); the others are to be cancelled or adopted, and collected.
    pub fn survivors(&self) -> io::Result<Vec<Survivor>> {
        for name in attempt::names(&self.attempts.new_list())? {
            fs::remove_dir_all(self.attempts.new_list().join(name?))?;
        }
        let mut survivors = Vec::new();
        for marker in attempt::names(&self.attempts.open_list())? {
            let marker = marker?;
            let Some(attempt) = AttemptId::from_marker(&marker) else { continue };
            let folder = self.attempts.folder(&attempt);
            if folder.exists() {
                survivors.push(Survivor { alive: life::is_alive(&folder), attempt });
            } else {
                fs::remove_file(self.attempts.open_list().join(marker))?;
            }
        }
        survivors.sort_by(|left, right| left.attempt.cmp(&right.attempt));
        Ok(survivors)
    }

    /// Notes that the attempt's outcome is safe in the log: it is no survivor any more, and its folder may be swept.
    pub fn collected(&self, attempt: &AttemptId) -> io::Result<()> {
        sweep::collected(&self.attempts, attempt)
    }

    /// Asks the guardian to end the attempt now: SIGTERM, and SIGKILL after the grace of its spec.
    ///
    /// Returns at once; the attempt's outcome will be [`End::Cancelled`], unless it ends by itself first. Returns false
    /// if there is no such attempt.
    pub fn cancel(&self, attempt: &AttemptId) -> io::Result<bool> {
        match life::cancel(&self.attempts.folder(attempt)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Takes away what an earlier life of a delivery left under the same attempt's name, as after a seek back: what still
    /// runs of it is ended first, for an attempt is never run twice at once.
    pub async fn clear(&self, attempt: &AttemptId) -> io::Result<()> {
        let folder = self.attempts.folder(attempt);
        if !folder.exists() {
            return Ok(());
        }
        self.cancel(attempt)?;
        if let Some(watch) = Watch::begin(&folder) {
            watch.ended().await;
        }
        let (exec, id) = (self.clone(), attempt.clone());
        blocking(move || sweep::forget(&exec.attempts, &id)).await
    }

    /// Reads up to `limit` bytes of an output from `offset` on, also while the program runs.
    ///
    /// Fails with [`io::ErrorKind::NotFound`] if the attempt has no folder (never started, or swept).
    pub fn log(&self, attempt: &AttemptId, stream: Stream, offset: u64, limit: usize) -> io::Result<Chunk> {
        logs::read(&self.attempts.folder(attempt), stream, offset, limit)
    }

    /// Removes everything that is kept of the deliveries of some events, told by their positions. Also of attempts that
    /// still run: their programs are ended by their leases, which are gone.
    pub(crate) fn erase(&self, is_erased: &dyn Fn(Position) -> bool) -> io::Result<usize> {
        sweep::erase(&self.attempts, &|delivery| {
            DeliveryId::parse(delivery).is_some_and(|id| is_erased(id.position))
        })
    }

    /// Removes the oldest collected attempts that are not to be kept; a bounded number per call.
    pub fn sweep(&self, keep: Keep) -> io::Result<Swept> {
        sweep::sweep(&self.attempts, keep)
    }

    fn start(&self, attempt: &AttemptId, spec: &Spec) -> io::Result<Started> {
        if self.attempts.folder(attempt).exists() {
            return Ok(Started::Before);
        }
        let built = self.attempts.build(attempt)?;
        let filled = SpecFile::write(spec, &built).and_then(|()| life::make(&built));
        let life = match filled {
            Ok(life) => life,
            Err(error) => {
                let _ = fs::remove_dir_all(&built);
                return Err(error);
            }
        };
        if !self.attempts.install(&built, attempt)? {
            return Ok(Started::Before);
        }
        let folder = self.attempts.folder(attempt);
        let guardian = self.spawn(&folder, life);
        if guardian.is_err() {
            // Nothing was started, and the folder must not say later that something may have been.
            let _ = fs::remove_dir_all(&folder);
            let _ = fs::remove_file(self.attempts.open_marker(attempt));
        }
        guardian.map(Started::Guardian)
    }

    /// Starts the guardian. Nothing of our environment, terminal or open files reaches it but the end of `alive`.
    fn spawn(&self, folder: &Path, life: fs::File) -> io::Result<tokio::process::Child> {
        let log = super::spec::private_file(&folder.join("guardian.log"))?;
        let mut command = tokio::process::Command::new(&self.guardian.path);
        command
            .arg0("cantus")
            .args(&self.guardian.arguments)
            .arg(folder)
            .env_clear()
            .current_dir("/")
            .stdin(life)
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(false)
            .spawn()
            .map_err(|error| {
                io::Error::new(error.kind(), format!("the guardian could not be started: {error}"))
            })
    }
}

enum Started {
    Guardian(tokio::process::Child),
    /// The attempt has a folder already.
    Before,
}

/// Runs `work` where it may block. Never returns if the runtime is shutting down, as then there is no right answer.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => std::future::pending().await,
    }
}
