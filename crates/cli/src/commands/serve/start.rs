//! The place where the server is started.

use anyhow::Result;

use super::options::StartOptions;
use crate::exit::Failure;

/// Runs a server until `stop` resolves and everything it had begun is done.
///
/// # Errors
///
/// When it cannot start, or its storage fails.
pub(super) async fn start_server(options: StartOptions, stop: impl Future<Output = ()>) -> Result<()> {
    let StartOptions { mode, listen, .. } = options;
    drop(stop);
    Err(Failure::failed(format!("{} at {listen}: this build has no server in it", mode.as_str())).into())
}
