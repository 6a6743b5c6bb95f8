//! Agents.

use cantus_api::List;
use cantus_api::agent::{Agent, Register};
use cantus_api::list::Page;
use cantus_api::subscription::PauseRequest;
use reqwest::Method;

use crate::error::Error;
use crate::pages::Pages;
use crate::subscriptions::empty;
use crate::transport::{Body, Client};

impl Client {
    /// Returns a page of agents.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn agents(&self, page: &Page) -> Result<List<Agent>, Error> {
        self.get(&["v1", "agents"], page).await
    }

    /// Goes through all agents.
    pub fn all_agents(&self) -> Pages<Agent> {
        Pages::new(self, &["v1", "agents"], &Page::default())
    }

    /// Returns one agent by its address, with or without the slash.
    ///
    /// # Errors
    ///
    /// `AGENT_UNKNOWN`.
    pub async fn agent(&self, address: &str) -> Result<Agent, Error> {
        self.get(&["v1", "agents", bare(address)], &()).await
    }

    /// Registers an agent, or renews what is known about it.
    ///
    /// # Errors
    ///
    /// `AGENT_INVALID`, `AGENT_DECLARED`.
    pub async fn register_agent(&self, agent: &Register) -> Result<Agent, Error> {
        self.post(&["v1", "agents"], agent).await
    }

    /// Says that an agent is there.
    ///
    /// # Errors
    ///
    /// `AGENT_UNKNOWN`.
    pub async fn heartbeat(&self, address: &str) -> Result<(), Error> {
        self.command(Method::POST, &["v1", "agents", bare(address), "heartbeat"], &Body::None).await
    }

    /// Removes a registered agent. Needs the right `define`.
    ///
    /// # Errors
    ///
    /// `AGENT_UNKNOWN`, `AGENT_DECLARED`.
    pub async fn delete_agent(&self, address: &str) -> Result<(), Error> {
        self.command(Method::DELETE, &["v1", "agents", bare(address)], &Body::None).await
    }

    /// Pauses all subscriptions of an agent. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `AGENT_UNKNOWN`, `PARAMETER_INVALID`.
    pub async fn pause_agent(&self, address: &str, pause: &PauseRequest) -> Result<Agent, Error> {
        self.post(&["v1", "agents", bare(address), "pause"], pause).await
    }

    /// Resumes an agent. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `AGENT_UNKNOWN`.
    pub async fn resume_agent(&self, address: &str) -> Result<Agent, Error> {
        self.post(&["v1", "agents", bare(address), "resume"], &empty()).await
    }
}

fn bare(address: &str) -> &str {
    address.strip_prefix('/').unwrap_or(address)
}
