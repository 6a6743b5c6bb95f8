//! Webhook: send each event to a URL.
//!
//! Secrets never stand here, only where they are: the name of a variable of the server, or a file.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Duration, WebhookUrl};

/// A URL and how events are sent to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where to.
    pub url: WebhookUrl,
    /// The variables of the server that hold what is signed with, the newest first.
    pub secrets: Vec<Variable>,
    /// A file that holds what is signed with, one per line, the newest first; in a file of definitions, relative to it.
    pub secret_file: Option<String>,
    /// How the event is put into the request.
    pub mode: WebhookMode,
    /// Further headers.
    pub headers: BTreeMap<HeaderKey, HeaderTemplate>,
    /// How long an attempt may take, answer included.
    pub timeout: Duration,
    /// Whether it may lead to private addresses.
    pub allow_private: bool,
    /// Whether the receiver is asked for its permission before the first event.
    pub handshake: bool,
    /// A file with certificates of authorities that are trusted too; in a file of definitions, relative to it.
    pub ca_file: Option<String>,
    /// How many attempts run at the same time, 1 to 10,000.
    pub concurrency: Option<u32>,
}

impl Webhook {
    /// How long an attempt may take when nothing is said.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);
    /// How long an attempt may take at most. Who needs longer answers 202 and publishes later.
    pub const MAX_TIMEOUT: Duration = Duration::from_secs(300);
    /// How many secrets are signed with at most.
    pub const MAX_SECRETS: usize = 4;
    /// How many further headers there may be.
    pub const MAX_HEADERS: usize = 32;

    /// Returns the variables of the server that its headers name.
    pub fn header_variables(&self) -> impl Iterator<Item = &str> {
        self.headers.values().flat_map(HeaderTemplate::variables)
    }
}

/// How an event is put into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookMode {
    /// Its attributes are headers, its data is the body.
    #[default]
    Binary,
    /// All of it is the body, as CloudEvents JSON.
    Structured,
}

/// The name of a variable of the server, written `${NAME}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Variable(String);

/// A text that is not `${NAME}`. It does not hold the text, which may be a secret by mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a secret is not written here; write where it is: `secret: \"${{NAME}}\"` for a variable of the server, or `secret_file: PATH`"
)]
pub struct InvalidVariable;

impl Variable {
    /// Reads `${NAME}`.
    ///
    /// # Errors
    /// When it is anything else, a secret among them.
    pub fn parse(text: &str) -> Result<Variable, InvalidVariable> {
        let name = text.trim().strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let name = name.filter(|name| is_variable(name)).ok_or(InvalidVariable)?;
        Ok(Variable(name.to_owned()))
    }

    /// Returns its name, without the braces.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "${{{}}}", self.0)
    }
}

impl TryFrom<String> for Variable {
    type Error = InvalidVariable;
    fn try_from(text: String) -> Result<Self, InvalidVariable> {
        Self::parse(&text)
    }
}

impl From<Variable> for String {
    fn from(variable: Variable) -> String {
        variable.to_string()
    }
}

fn is_variable(name: &str) -> bool {
    (1..=256).contains(&name.len())
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The name of a further header, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeaderKey(String);

/// A name that a further header can not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHeader {
    /// It has other characters than names of headers have.
    #[error("`{0}` is no name of a header; use 1 to 64 letters, digits and -")]
    Name(String),
    /// It is set for each attempt.
    #[error("`{0}` is set by Cantus for each attempt; remove it")]
    Ours(String),
    /// Its value holds what no value may.
    #[error("the value of a header has 1 to 4096 visible ASCII characters and spaces; correct it")]
    Value,
    /// A variable that is not closed, or has another form.
    #[error("a variable in a header is written `${{NAME}}`, and a dollar sign `$$`; correct it")]
    Variable,
    /// It would put a secret where everybody sees it.
    #[error(
        "`{0}` carries a secret, and is not written here; write `${{NAME}}` and set the variable for the server"
    )]
    Secret(String),
}

impl HeaderKey {
    /// Reads the name of a header.
    ///
    /// # Errors
    /// When it is none, or one that Cantus sets itself.
    pub fn parse(text: &str) -> Result<HeaderKey, InvalidHeader> {
        const OURS: [&str; 16] = [
            "host",
            "connection",
            "content-length",
            "content-type",
            "content-encoding",
            "transfer-encoding",
            "te",
            "trailer",
            "upgrade",
            "expect",
            "keep-alive",
            "accept-encoding",
            "traceparent",
            "tracestate",
            "user-agent",
            "proxy-connection",
        ];
        let name = text.to_ascii_lowercase();
        let legal = (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !legal {
            return Err(InvalidHeader::Name(name.chars().take(80).collect()));
        }
        let prefixed = ["ce-", "webhook-", "cantus-"].iter().any(|prefix| name.starts_with(prefix));
        if prefixed || OURS.contains(&&*name) {
            return Err(InvalidHeader::Ours(name));
        }
        Ok(HeaderKey(name))
    }

    /// Returns the name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn carries_a_secret(&self) -> bool {
        ["authorization", "cookie", "token", "secret", "api-key", "apikey", "password"]
            .iter()
            .any(|word| self.0.contains(word))
    }

    /// Checks that a value holds no secret as it stands.
    ///
    /// # Errors
    /// When the name says that it carries one, and the value names no variable.
    pub fn check(&self, value: &HeaderTemplate) -> Result<(), InvalidHeader> {
        if self.carries_a_secret() && value.variables().next().is_none() {
            return Err(InvalidHeader::Secret(self.0.clone()));
        }
        Ok(())
    }
}

impl TryFrom<String> for HeaderKey {
    type Error = InvalidHeader;
    fn try_from(text: String) -> Result<Self, InvalidHeader> {
        Self::parse(&text)
    }
}

impl From<HeaderKey> for String {
    fn from(key: HeaderKey) -> String {
        key.0
    }
}

/// The value of a further header: text in which `${NAME}` is a variable of the server and `$$` a dollar sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeaderTemplate(String);

impl HeaderTemplate {
    /// Reads a value.
    ///
    /// # Errors
    /// When it holds characters that no header may, or a variable in another form.
    pub fn parse(text: &str) -> Result<HeaderTemplate, InvalidHeader> {
        let legal = (1..=4_096).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !legal {
            return Err(InvalidHeader::Value);
        }
        let mut rest = text;
        while let Some((_, behind)) = rest.split_once('$') {
            rest = match behind.strip_prefix('$') {
                Some(rest) => rest,
                None => {
                    let inner = behind.strip_prefix('{').and_then(|rest| rest.split_once('}'));
                    let (name, rest) = inner.ok_or(InvalidHeader::Variable)?;
                    if !is_variable(name) {
                        return Err(InvalidHeader::Variable);
                    }
                    rest
                }
            };
        }
        Ok(HeaderTemplate(text.to_owned()))
    }

    /// Returns the text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the variables it names.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
    }
}

impl TryFrom<String> for HeaderTemplate {
    type Error = InvalidHeader;
    fn try_from(text: String) -> Result<Self, InvalidHeader> {
        Self::parse(&text)
    }
}

impl From<HeaderTemplate> for String {
    fn from(value: HeaderTemplate) -> String {
        value.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_named_and_never_written() {
        assert_eq!(
            Variable::parse("${FRONTEND_SECRET}").map(|it| it.name().to_owned()).as_deref(),
            Ok("FRONTEND_SECRET")
        );
        for wrong in ["whsec_canary", "$FRONTEND", "${A:-canary}", "x${A}", "${1A}", "${}", ""] {
            let error = Variable::parse(wrong).unwrap_err().to_string();
            assert!(!error.contains("canary") && error.contains("secret_file"), "{error}");
        }
    }

    #[test]
    fn headers_of_ours_and_headers_that_end_a_line_are_refused() {
        for wrong in
            ["Host", "content-length", "ce-type", "Webhook-Id", "cantus-attempt", "a b", "", "x\r\ny"]
        {
            assert!(HeaderKey::parse(wrong).is_err(), "{wrong:?}");
        }
        for wrong in ["", "a\r\nb: c", "é", "$HOME", "${A", "${A:-b}"] {
            assert!(HeaderTemplate::parse(wrong).is_err(), "{wrong:?}");
        }
        let template = HeaderTemplate::parse("Bearer ${TOKEN} $$5").unwrap();
        assert_eq!(template.variables().collect::<Vec<_>>(), ["TOKEN"]);
        let key = HeaderKey::parse("X-Api-Key").unwrap();
        assert!(key.check(&HeaderTemplate::parse("${KEY}").unwrap()).is_ok());
        assert!(key.check(&HeaderTemplate::parse("canary").unwrap()).is_err());
    }
}
