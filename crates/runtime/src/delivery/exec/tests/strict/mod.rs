//! Hostile programs under `sandbox: strict`. Where this machine does not let programs be confined, each test asserts that
//! its program was refused instead.

mod excess;
mod files;
mod hostile;
mod network;
mod program;
mod tree;

use std::path::Path;

use super::*;
use crate::delivery::exec::sandbox::{Confinement, Network, Place};

impl Stage {
    /// Runs a script under `confinement`, from an empty folder; `None` where nothing can be confined.
    async fn confined(&self, script: &str, confinement: Confinement) -> Option<Outcome> {
        self.run_confined(self.script(script), confinement).await
    }

    async fn run_confined(&self, spec: Spec, confinement: Confinement) -> Option<Outcome> {
        self.run_as(1, spec, confinement).await
    }

    async fn run_as(&self, number: u32, mut spec: Spec, mut confinement: Confinement) -> Option<Outcome> {
        confinement.hidden.push(self.path("attempts"));
        spec.sandbox = Sandbox::Strict(Box::new(confinement));
        let outcome = self.exec.run(&attempt(number), spec, || {}).await;
        match &outcome.end {
            End::SpawnFailed { message, .. } if message.contains("does not let programs be confined") => {
                // Shown by `--nocapture`: this machine has tried the refusal only.
                eprintln!("not confined here: {message}");
                assert!(
                    message.contains("user.max_user_namespaces") && message.contains("sandbox: none"),
                    "{message}"
                );
                None
            }
            _ => Some(outcome),
        }
    }

    /// Plays one of the hostile programs; see `hostile`.
    async fn hostile(&self, part: &str, confinement: Confinement) -> Option<String> {
        let outcome = self.run_confined(hostile::spec(part, self.data.path()), confinement).await?;
        let said = text(&outcome.stdout);
        assert_eq!(outcome.end, End::Exited(0), "{said}{}", text(&outcome.stderr));
        Some(said)
    }
}

fn writable(path: impl AsRef<Path>) -> Confinement {
    Confinement { writable: vec![Place::new(path.as_ref())], ..Confinement::default() }
}

fn readable(path: impl AsRef<Path>) -> Confinement {
    Confinement { readable: vec![Place::new(path.as_ref())], ..Confinement::default() }
}

fn refusal(outcome: &Outcome) -> (SpawnFailure, &str) {
    match &outcome.end {
        End::SpawnFailed { kind, message } => (*kind, message),
        end => panic!("started, and ended with {end:?}: {}", text(&outcome.stderr)),
    }
}

/// Lines of a finished script, which must have ended well.
fn lines(outcome: &Outcome) -> Vec<String> {
    assert_eq!(outcome.end, End::Exited(0), "{}{}", text(&outcome.stdout), text(&outcome.stderr));
    text(&outcome.stdout).lines().map(str::to_owned).collect()
}
