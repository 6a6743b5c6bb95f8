//! `cantus webhook sign`

use anyhow::Result;
use cantus_api::signature::{SigningKey, github, standard};
use clap::Args;
use serde_json::{Map, Value};

use super::{Scheme, Secrets, now_seconds};
use crate::context::Context;
use crate::exit::Failure;
use crate::input;

/// Sign a body as a webhook, and print the headers it needs
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus webhook sign --secret @secret --id msg_1 --body @body.json\n  \
    cantus webhook sign --scheme github --secret @secret <body.json")]
pub(crate) struct Sign {
    /// How it is signed
    #[arg(long, value_enum, value_name = "SCHEME", default_value = "standard")]
    scheme: Scheme,
    #[command(flatten)]
    secrets: Secrets,
    /// The id of the webhook; made up unless given
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The time of the webhook, in seconds since 1970; now unless given
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<i64>,
    /// The body: itself, @FILE, or - for stdin
    #[arg(long, value_name = "BODY", default_value = "-")]
    body: String,
}

impl Sign {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let secrets = self.secrets.some()?;
        let body = input::content(&self.body)?;
        let mut headers: Vec<(&str, String)> = Vec::new();
        match self.scheme {
            Scheme::Standard => {
                let keys =
                    secrets.iter().map(|secret| SigningKey::parse(secret)).collect::<Result<Vec<_>, _>>();
                let keys = keys.map_err(|error| {
                    Failure::usage(error.to_string()).hint("make one with `cantus webhook secret`")
                })?;
                let timestamp = self.timestamp.unwrap_or_else(now_seconds);
                let id = self.id.unwrap_or_else(|| format!("msg_{}", ulid::Ulid::generate()));
                let id = standard::check_id(&id).map_err(|error| Failure::usage(error.to_string()))?;
                headers.push((standard::ID, id.to_owned()));
                headers.push((standard::TIMESTAMP, timestamp.to_string()));
                headers.push((standard::SIGNATURE, standard::sign(&keys, id, timestamp, &body)));
            }
            Scheme::Github => {
                let [secret] = secrets.as_slice() else {
                    return Err(Failure::usage("GitHub signs with one secret").into());
                };
                headers.push((github::SIGNATURE, github::sign(secret, &body)));
            }
        }
        let shown: Map<String, Value> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
        context.screen.show(&shown, || {
            headers.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
        })
    }
}
