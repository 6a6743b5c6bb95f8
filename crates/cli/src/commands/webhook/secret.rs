//! `cantus webhook secret`

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cantus_api::signature::SigningKey;
use clap::Args;
use serde_json::json;

use crate::context::Context;

/// Make a secret to sign webhooks with
#[derive(Debug, Args)]
pub(crate) struct Secret {
    /// A pair of keys of Ed25519 instead: the private one signs, the public one can be given to anybody
    #[arg(long)]
    asymmetric: bool,
}

impl Secret {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let mut bytes = [0u8; 32];
        rand::TryRngCore::try_fill_bytes(&mut rand::rngs::OsRng, &mut bytes)
            .context("the machine gives no random numbers")?;
        let prefix = if self.asymmetric { "whsk_" } else { "whsec_" };
        let secret = format!("{prefix}{}", STANDARD.encode(bytes));
        let public = SigningKey::parse(&secret).context("the secret just made is none")?.public();
        match public {
            None => context.screen.show(&json!({"secret": secret}), || secret.clone()),
            Some(public) => context.screen.show(&json!({"private": secret, "public": public}), || {
                format!("private  {secret}\npublic   {public}")
            }),
        }
    }
}
