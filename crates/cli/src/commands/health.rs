//! `cantus health`

use std::time::Duration;

use anyhow::Result;
use cantus_api::error::ExitCode;
use clap::Args;

use crate::context::Context;
use crate::exit::Failure;

/// Say whether the server takes requests: exit code 0 or 1, for container health checks
#[derive(Debug, Args)]
pub(crate) struct Health {
    /// How long to wait for the answer
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = crate::input::span)]
    timeout: cantus_api::time::Span,
}

impl Health {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let timeout = self.timeout.duration().max(Duration::from_millis(1));
        let client = context.client_builder()?.timeout(timeout).connect_timeout(timeout).build()?;
        // Health checks of containers know two exit codes, so a server that is away is just not healthy.
        let health = match client.readiness().await {
            Ok(health) => health,
            Err(error) => return Err(Failure::failed(error.to_string()).into()),
        };
        context.screen.show(&health, || health.text.trim_end().to_owned())?;
        match health.ok {
            true => Ok(()),
            false => Err(Failure::said(ExitCode::Failed).into()),
        }
    }
}
