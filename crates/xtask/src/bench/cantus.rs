//! Cantus over HTTP, as `cantus bench` measures it: batches of the same size, over as many connections.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::load::{BATCH, Load, Measured, PULL, Peer};

pub(super) struct Cantus {
    binary: PathBuf,
}

impl Cantus {
    pub(super) fn new(binary: PathBuf) -> Cantus {
        Cantus { binary }
    }
}

impl Peer for Cantus {
    fn ack(&self) -> &'static str {
        "synced"
    }

    fn turn(&self, load: &Load) -> Result<Measured> {
        let output = Command::new(&self.binary)
            .args(["bench", "--quiet", "--output", "jsonl"])
            .args(["--events", &load.events.to_string(), "--size", &load.size.to_string()])
            .args(["--publishers", &load.publishers.to_string()])
            .args(["--batch", &BATCH.to_string(), "--pull", &PULL.to_string()])
            .args(["batches", "consume"])
            .env_remove("CANTUS_URL")
            .stderr(Stdio::inherit())
            .output()
            .context("`cantus` can not be started")?;
        if !output.status.success() {
            bail!("`cantus bench` ended with {}", output.status);
        }
        let report: Value = serde_json::from_slice(&output.stdout).context("`cantus bench` says no JSON")?;
        let number = |phase: &str, path: &str| {
            report.pointer(&format!("/measured/{phase}/{path}")).and_then(Value::as_f64).unwrap_or_default()
        };
        Ok(Measured {
            publish_per_second: number("batches", "events_per_second"),
            publish_cpu_us: number("batches", "server/cpu_us_per_event"),
            consume_per_second: number("consume", "events_per_second"),
            consume_cpu_us: number("consume", "server/cpu_us_per_event"),
        })
    }
}

/// Builds the release binary of this workspace and returns where it is.
pub(super) fn build() -> Result<PathBuf> {
    crate::campaign::build_release()
}
