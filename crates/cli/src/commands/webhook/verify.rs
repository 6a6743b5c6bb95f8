//! `cantus webhook verify`

use anyhow::Result;
use cantus_api::error::ExitCode;
use clap::Args;
use serde_json::json;

use super::lines::{self, Headers};
use super::{Scheme, Secrets, now_seconds};
use crate::context::Context;
use crate::exit::Failure;
use crate::input;
use crate::output::Tone;

/// Say whether a webhook is signed as it should be, and if not, why
///
/// With --stdin, each line {"scheme": "standard"|"github", "secret": …, "headers": {…}, "body": "…", "now": …} is answered by a
/// line {"valid": …, "reason": …}.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cantus webhook verify --secret @secret -H 'webhook-id: msg_1' -H 'webhook-timestamp: 1700000000' \\\n    \
      -H 'webhook-signature: v1,…' --body @body.json\n  \
    cantus webhook verify --stdin <lines.jsonl")]
pub(crate) struct Verify {
    /// How it is signed
    #[arg(long, value_enum, value_name = "SCHEME", default_value = "standard")]
    scheme: Scheme,
    #[command(flatten)]
    secrets: Secrets,
    /// A header, as NAME: VALUE
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// The body: itself, @FILE, or - for stdin
    #[arg(long, value_name = "BODY", default_value = "-", conflicts_with = "stdin")]
    body: String,
    /// The time to judge by, in seconds since 1970; now unless given
    #[arg(long, value_name = "SECONDS")]
    now: Option<i64>,
    /// Read lines from stdin
    #[arg(long)]
    stdin: bool,
}

impl Verify {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        let now = self.now.unwrap_or_else(now_seconds);
        if self.stdin {
            return lines::answer(std::io::stdin().lock(), now, &mut |line| context.screen.print(line));
        }
        let secrets = self.secrets.some()?;
        let headers = Named(self.headers.iter().map(|text| named(text)).collect::<Result<_>>()?);
        let body = input::content(&self.body)?;
        let judged = lines::check(self.scheme, &secrets, &headers, &body, now).map_err(Failure::usage)?;
        let reason = judged.as_ref().err().map(ToString::to_string);
        context.screen.show(&json!({"valid": judged.is_ok(), "reason": reason}), || match &reason {
            None => context.screen.paint(Tone::Good, "valid"),
            Some(reason) => format!("{}: {reason}", context.screen.paint(Tone::Bad, "not valid")),
        })?;
        if judged.is_err() { Err(Failure::said(ExitCode::Failed).into()) } else { Ok(()) }
    }
}

struct Named(Vec<(String, String)>);

impl Headers for Named {
    fn all(&self, name: &str) -> Vec<&str> {
        let of_name = self.0.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| value.as_str()).collect()
    }
}

fn named(text: &str) -> Result<(String, String)> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(Failure::usage(format!("`{text}` is no header: write NAME: VALUE")).into()),
    }
}
