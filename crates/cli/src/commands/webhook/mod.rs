//! `cantus webhook`: making, checking, receiving and testing webhooks.

mod lines;
mod listen;
mod secret;
mod sign;
mod test;
mod verify;

use anyhow::Result;
use clap::Subcommand;

use crate::context::Context;

/// What can be done with webhooks.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Listen(listen::Listen),
    Sign(sign::Sign),
    Verify(verify::Verify),
    Test(test::Test),
    Secret(secret::Secret),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Verb::Listen(listen) => listen.run(context).await,
            Verb::Sign(sign) => sign.run(context),
            Verb::Verify(verify) => verify.run(context),
            Verb::Test(test) => test.run(context).await,
            Verb::Secret(secret) => secret.run(context),
        }
    }
}

/// How a webhook is signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scheme {
    /// Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature
    #[default]
    Standard,
    /// GitHub: X-Hub-Signature-256
    Github,
}

/// Where secrets come from: never an argument alone, since others see arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Secrets {
    /// A secret: itself, or @FILE with one per line
    #[arg(
        long = "secret",
        value_name = "SECRET|@FILE",
        env = "CANTUS_WEBHOOK_SECRET",
        hide_env_values = true
    )]
    secrets: Vec<String>,
}

impl Secrets {
    /// Returns the secrets, one per line of what was given.
    pub(crate) fn all(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for given in &self.secrets {
            let text = match given.strip_prefix('@') {
                Some(_) => String::from_utf8_lossy(&crate::input::content(given)?).into_owned(),
                None => given.clone(),
            };
            all.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
        }
        Ok(all)
    }

    /// Returns the secrets, of which there must be one.
    pub(crate) fn some(&self) -> Result<Vec<String>> {
        let all = self.all()?;
        if all.is_empty() {
            let hint = "give --secret @FILE, or set CANTUS_WEBHOOK_SECRET";
            return Err(crate::exit::Failure::usage("a secret is needed").hint(hint).into());
        }
        Ok(all)
    }
}

/// Returns the time now, in seconds since 1970.
pub(crate) fn now_seconds() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
