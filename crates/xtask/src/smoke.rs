//! `cargo xtask smoke`: the first command of the README and the first one of its second terminal, with a build for development.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::campaign::{Server, build};
use crate::workspace::root;

const FILE: &str = "examples/feature-delivery/cantus.yaml";
const STORY: &str = "examples/feature-delivery/story.json";
const TOPIC: &str = "project.tasks";

/// Starts the server with the example, publishes its story, and stops it.
///
/// # Errors
/// When anything of it fails.
pub(crate) fn run() -> Result<()> {
    let binary = build()?;
    let dir =
        tempfile::Builder::new().prefix("cantus-smoke-").tempdir().context("a folder cannot be made")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let smoked = runtime.block_on(smoke(binary, dir.path()));
    if smoked.is_err() {
        eprintln!("the server's state and its log are kept in {}", dir.keep().display());
    }
    smoked
}

async fn smoke(binary: PathBuf, dir: &Path) -> Result<()> {
    let mut server = Server::new(binary.clone(), dir, &root().join(FILE), &mut rand::rng())?;
    server.start()?;
    server.ready().await?;
    let client = server.client()?;
    let mut publish = Command::new(binary);
    publish.args(["pub", TOPIC, "--type", "UserStoryApproved", "--output", "json", "--server", client.url()]);
    publish.arg("--data").arg(format!("@{}", root().join(STORY).display()));
    let published = publish.output().context("`cantus pub` cannot be started")?;
    if !published.status.success() {
        bail!(
            "`cantus pub` ended with {}: {}",
            published.status,
            String::from_utf8_lossy(&published.stderr).trim()
        );
    }
    let receipt = String::from_utf8_lossy(&published.stdout);
    let topic = client.topic_events(TOPIC, &Default::default()).await.context("the topic cannot be read")?;
    let is_there = topic.items.iter().any(|recorded| recorded.event.event_type == "UserStoryApproved");
    if !is_there {
        bail!("the story was published and is not in {TOPIC}: {receipt}");
    }
    server.stop().await?;
    eprintln!("the server starts, takes a story and stops: {}", receipt.trim());
    Ok(())
}
