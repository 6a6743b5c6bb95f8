//! A subscription's id: `agent/name`, without the agent's slash.

use minicbor::{Decode, Encode};

use crate::agent::AgentName;
use crate::text::Text;
use crate::topic::InvalidName;

/// The id of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(array)]
pub struct SubscriptionId {
    /// Whose it is.
    #[n(0)]
    pub agent: AgentName,
    /// Its name among the agent's subscriptions.
    #[n(1)]
    pub name: Text,
}

impl SubscriptionId {
    /// Checks the two parts.
    ///
    /// # Errors
    /// When either breaks its rules: the name has 1 to 200 of `A-Z a-z 0-9 . _ -`.
    pub fn new(agent: &str, name: &str) -> Result<Self, InvalidName> {
        let agent = AgentName::parse(agent)?;
        let legal = !name.is_empty() && name.len() <= 200 && name.bytes().all(crate::topic::is_name_byte);
        if !legal || name == "." || name == ".." {
            let rule = "it must have 1 to 200 of A-Z a-z 0-9 . _ -";
            return Err(InvalidName::new("subscription name", name, rule));
        }
        Ok(Self { agent, name: Text::from(name) })
    }

    /// Reads `agent/name`, with or without the agent's slash.
    ///
    /// # Errors
    /// When it has no slash in its middle, or either part breaks its rules.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let bare = text.strip_prefix('/').unwrap_or(text);
        let Some((agent, name)) = bare.split_once('/') else {
            return Err(InvalidName::new("subscription id", text, "it must be `agent/name`"));
        };
        Self::new(agent, name)
    }
}

impl std::fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.agent.bare(), self.name)
    }
}
