//! The program that `cantus sub --exec` runs for each event.

use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use cantus_api::Event;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// A program and its arguments.
pub(super) struct Program<'a> {
    pub(super) program: &'a str,
    pub(super) arguments: &'a [String],
}

impl Program<'_> {
    /// Runs it with the event on its stdin and its attributes as `CE_…` variables, and waits for its end.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or says by its exit code that it failed.
    pub(super) async fn run(&self, event: &Event, line: &str) -> Result<()> {
        let mut child = Command::new(self.program)
            .args(self.arguments)
            .envs(attributes(event))
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", self.program))?;
        let mut stdin = child.stdin.take().expect("stdin was asked to be a pipe");
        let write = async move {
            // A program that does not read its input is none of our business.
            let _ = stdin.write_all(line.as_bytes()).await;
            let _ = stdin.write_all(b"\n").await;
        };
        let ((), status) = tokio::join!(write, child.wait());
        let status = status.with_context(|| format!("{} cannot be waited for", self.program))?;
        if !status.success() {
            bail!("{} ended with {status}", self.program);
        }
        Ok(())
    }
}

/// Returns the attributes as variables: `CE_ID`, `CE_TYPE`, `CE_<EXTENSION>`.
fn attributes(event: &Event) -> Vec<(String, String)> {
    let view = event.view();
    let named = [
        ("CE_ID", view.id),
        ("CE_TYPE", Some(view.event_type)),
        ("CE_SOURCE", Some(view.source)),
        ("CE_SUBJECT", view.subject),
        ("CE_TIME", view.time),
        ("CE_TOPIC", view.topic),
        ("CE_CORRELATIONID", view.correlation_id),
        ("CE_CAUSATIONID", view.causation_id),
        ("CE_PARTITIONKEY", view.partition_key),
        ("CE_STREAM", view.stream),
        ("CE_TO", view.to),
    ];
    let mut variables: Vec<(String, String)> =
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    for extension in &event.extensions {
        // Only names that could be a variable's; such a variable can not be one the program trusts.
        if extension.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            variables.push((
                format!("CE_{}", extension.name.to_ascii_uppercase()),
                extension.canonical().into_owned(),
            ));
        }
    }
    variables.extend(event.hops.map(|hops| ("CE_HOPS".to_owned(), hops.to_string())));
    variables.retain(|(_, value)| !value.contains('\0'));
    variables
}
