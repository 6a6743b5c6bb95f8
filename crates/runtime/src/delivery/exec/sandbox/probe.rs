//! Whether programs can be confined here: one is, in the very way all will be.

use std::path::Path;

use super::{Confinement, Limits, Network};
use crate::delivery::exec::outcome::{End, SpawnFailure};
use crate::delivery::exec::spec::{Sandbox, Spec};
use crate::delivery::exec::{AttemptId, Exec};

/// What this machine gives to a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// The version of Landlock; 0 if the kernel has none. Extra: without it the other walls stand.
    pub landlock: i64,
}

/// Why programs can not be confined here, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(String);

/// Runs one confined program (this one, asked for its version) under a guardian, with its files in `folder`.
pub async fn probe(folder: &Path, adjust: impl FnOnce(Exec) -> Exec) -> Result<Layers, Unavailable> {
    let unavailable = |message: String| Unavailable(message);
    let this = std::env::current_exe()
        .map_err(|error| unavailable(format!("this program is not to be found: {error}")))?;
    let program = this.to_str().ok_or_else(|| unavailable(format!("{} is not UTF-8", this.display())))?;
    let exec = Exec::open(folder).map_err(|error| unavailable(format!("{}: {error}", folder.display())))?;
    let mut spec = Spec::new([program, "--version"], "/");
    spec.sandbox = Sandbox::Strict(Box::new(Confinement {
        network: Network::None,
        limits: Limits::default(),
        ..Confinement::default()
    }));
    let attempt = AttemptId::parse("probe", 1).expect("a constant that can be a name");
    let outcome = adjust(exec).run(&attempt, spec, || {}).await;
    match outcome.end {
        End::Exited(0) => Ok(Layers { landlock: landlock() }),
        End::SpawnFailed { kind: SpawnFailure::Sandbox, message } => Err(unavailable(message)),
        End::SpawnFailed { message, .. } => {
            Err(unavailable(format!("a confined program could not be started: {message}")))
        }
        other => {
            let said = String::from_utf8_lossy(outcome.stderr.end(400)).trim().to_owned();
            let how = crate::delivery::exec::classify::describe(&other);
            Err(unavailable(format!("a confined program did not come to its end ({how}) {said}")))
        }
    }
}

#[cfg(target_os = "linux")]
fn landlock() -> i64 {
    super::landlock::version()
}

#[cfg(not(target_os = "linux"))]
fn landlock() -> i64 {
    0
}
