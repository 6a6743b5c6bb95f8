//! Secrets: definitions say where they are, and only an attempt looks there. Nothing of them is ever stored.

use std::io;
use std::path::Path;
use std::sync::Arc;

use cantus_core::Text;
use cantus_core::subscription::WebhookAction;
use tokio::io::AsyncReadExt as _;

/// Where variables of the server are read.
pub type Variables = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The largest file with secrets.
const FILE_BYTES_MAX: u64 = 16 * 1024;
/// How many secrets are signed with.
const SECRETS_MAX: usize = 4;

/// Why a secret is not at hand. None of the texts holds one.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    #[error("the variable `{0}` is not set for the server")]
    Unset(String),
    #[error("the secret file `{path}` can not be read: {error}")]
    File { path: String, error: io::Error },
    #[error("the secret file `{0}` holds no text, or more than 4 secrets, or is larger than 16 KiB")]
    Content(String),
    #[error("the header `{0}` is no header once its variables are replaced")]
    Header(String),
}

/// What an attempt needs that is nobody's business.
pub(super) struct Secrets {
    /// What is signed with, the newest first.
    pub(super) signing: Vec<String>,
    /// The further headers, their variables replaced.
    pub(super) headers: Vec<(Text, String)>,
    /// Every text that must not be seen anywhere.
    hidden: Vec<String>,
}

/// Shorter texts are not hidden: they would be found everywhere.
const HIDDEN_BYTES_MIN: usize = 4;

impl Secrets {
    /// Nothing is signed, nothing is hidden.
    #[cfg(feature = "simulation")]
    pub(super) fn none() -> Secrets {
        Secrets { signing: Vec::new(), headers: Vec::new(), hidden: Vec::new() }
    }

    /// Looks at where a webhook's secrets are.
    pub(super) async fn of(action: &WebhookAction, variables: &Variables) -> Result<Secrets, SecretError> {
        let mut signing: Vec<String> = Vec::new();
        for reference in &action.secrets {
            match reference.split_once(':') {
                Some(("file", path)) => signing.extend(lines(path).await?),
                Some(("env", name)) => signing.push(variable(name, variables)?),
                _ => return Err(SecretError::Unset(reference.to_string())),
            }
        }
        signing.truncate(SECRETS_MAX);
        let (mut headers, mut hidden) = (Vec::new(), signing.clone());
        for (name, template) in &action.headers {
            let mut value = String::new();
            let mut rest = template.as_str();
            while let Some((before, behind)) = rest.split_once('$') {
                value.push_str(before);
                let inner = behind.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                rest = match inner {
                    Some((variable_name, rest)) => {
                        let text = variable(variable_name, variables)?;
                        value.push_str(&text);
                        hidden.push(text);
                        rest
                    }
                    None => {
                        value.push('$');
                        behind.strip_prefix('$').unwrap_or(behind)
                    }
                };
            }
            value.push_str(rest);
            headers.push((name.clone(), value));
        }
        hidden.retain(|text| text.len() >= HIDDEN_BYTES_MIN);
        Ok(Secrets { signing, headers, hidden })
    }

    /// Takes every secret out of a text that came from outside: a receiver may send back what it got.
    pub(super) fn hide(&self, text: String) -> String {
        self.hidden.iter().fold(text, |text, hidden| {
            if text.contains(hidden.as_str()) { text.replace(hidden.as_str(), "***") } else { text }
        })
    }
}

fn variable(name: &str, variables: &Variables) -> Result<String, SecretError> {
    let value = variables(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    value.ok_or_else(|| SecretError::Unset(name.to_owned()))
}

/// Reads a file of secrets, one per line. It is read for every attempt, so that a new secret counts at once.
async fn lines(path: &str) -> Result<Vec<String>, SecretError> {
    let failed = |error| SecretError::File { path: path.to_owned(), error };
    let file = tokio::fs::File::open(Path::new(path)).await.map_err(failed)?;
    let mut text = String::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).await.map_err(failed)?;
    let lines: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    if lines.is_empty() || lines.len() > SECRETS_MAX || read as u64 > FILE_BYTES_MAX {
        return Err(SecretError::Content(path.to_owned()));
    }
    Ok(lines)
}
