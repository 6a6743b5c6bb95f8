//! An agent's address, and patterns over addresses.

use minicbor::{Decode, Encode};

use crate::text::{Text, name_type};
use crate::topic::InvalidName;

name_type! {
    /// The address of an agent, with its slash: `/backend-architect`.
    AgentName
}

impl AgentName {
    /// Checks an address: 1 to 128 of `A-Z a-z 0-9 . _ -`, with or without the leading slash.
    ///
    /// # Errors
    /// When it is empty, too long or has another character.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let bare = text.strip_prefix('/').unwrap_or(text);
        let invalid = |rule| InvalidName::new("agent address", text, rule);
        if bare.is_empty() || bare.len() > 128 {
            return Err(invalid("it must have 1 to 128 characters after the slash"));
        }
        if bare == "." || bare == ".." {
            return Err(invalid("`.` and `..` are not allowed"));
        }
        if !bare.bytes().all(crate::topic::is_name_byte) {
            return Err(invalid("only A-Z a-z 0-9 . _ - are allowed after the slash"));
        }
        Ok(Self(Text::from(format!("/{bare}"))))
    }

    /// Returns the address without its slash, as it stands in URLs and subscription ids.
    pub fn bare(&self) -> &str {
        &self.as_str()[1..]
    }
}

/// An address in which `*` matches any characters: `/*`, `/team-*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct AgentPattern(#[n(0)] Text);

impl AgentPattern {
    /// Checks a pattern over addresses.
    ///
    /// # Errors
    /// When it is empty, too long or has a character that no address has.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let bare = text.strip_prefix('/').unwrap_or(text);
        let invalid = |rule| InvalidName::new("agent pattern", text, rule);
        if bare.is_empty() || bare.len() > 128 {
            return Err(invalid("it must have 1 to 128 characters after the slash"));
        }
        if !bare.bytes().all(|byte| crate::topic::is_name_byte(byte) || byte == b'*') {
            return Err(invalid("only A-Z a-z 0-9 . _ - and * are allowed after the slash"));
        }
        Ok(Self(Text::from(format!("/{bare}"))))
    }

    /// Tells whether an agent is meant.
    pub fn matches(&self, agent: &AgentName) -> bool {
        crate::topic::glob(self.0.as_str(), agent.as_str())
    }

    /// Returns the pattern as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}
