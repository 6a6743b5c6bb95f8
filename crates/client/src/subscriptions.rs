//! Subscriptions, and pulling from them.

use std::time::Duration;

use cantus_api::List;
use cantus_api::pull::{Leased, PullRequest, Pulled};
use cantus_api::subscription::{
    Create, PauseRequest, Seek, SeekResult, Subscription, SubscriptionsQuery, WebhookTest,
};
use cantus_api::time::Span;
use reqwest::Method;

use crate::error::Error;
use crate::pages::Pages;
use crate::transport::{Body, Client};

impl Client {
    /// Returns a page of subscriptions.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn subscriptions(&self, query: &SubscriptionsQuery) -> Result<List<Subscription>, Error> {
        self.get(&["v1", "subscriptions"], query).await
    }

    /// Goes through all subscriptions.
    pub fn all_subscriptions(&self, query: &SubscriptionsQuery) -> Pages<Subscription> {
        Pages::new(self, &["v1", "subscriptions"], query)
    }

    /// Returns one subscription by its id, `agent/name`.
    ///
    /// # Errors
    ///
    /// `SUBSCRIPTION_UNKNOWN`.
    pub async fn subscription(&self, id: &str) -> Result<Subscription, Error> {
        let (agent, name) = parts(id)?;
        self.get(&["v1", "subscriptions", agent, name], &()).await
    }

    /// Creates a subscription. Needs the right `define`.
    ///
    /// # Errors
    ///
    /// `SUBSCRIPTION_INVALID`, `SUBSCRIPTION_FILTER_INVALID`, `SUBSCRIPTION_EXISTS`, `EXEC_NOT_ALLOWED`.
    pub async fn create_subscription(&self, create: &Create) -> Result<Subscription, Error> {
        self.post(&["v1", "subscriptions"], create).await
    }

    /// Deletes a subscription. Needs the right `define`.
    ///
    /// # Errors
    ///
    /// `SUBSCRIPTION_UNKNOWN`, `SUBSCRIPTION_DECLARED`.
    pub async fn delete_subscription(&self, id: &str) -> Result<(), Error> {
        let (agent, name) = parts(id)?;
        self.command(Method::DELETE, &["v1", "subscriptions", agent, name], &Body::None).await
    }

    /// Pauses a subscription. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `SUBSCRIPTION_UNKNOWN`, `PARAMETER_INVALID`.
    pub async fn pause_subscription(&self, id: &str, pause: &PauseRequest) -> Result<Subscription, Error> {
        let (agent, name) = parts(id)?;
        self.post(&["v1", "subscriptions", agent, name, "pause"], pause).await
    }

    /// Resumes a subscription. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `SUBSCRIPTION_UNKNOWN`.
    pub async fn resume_subscription(&self, id: &str) -> Result<Subscription, Error> {
        let (agent, name) = parts(id)?;
        self.post(&["v1", "subscriptions", agent, name, "resume"], &empty()).await
    }

    /// Closes the circuit breaker of a subscription. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `SUBSCRIPTION_UNKNOWN`.
    pub async fn reset_breaker(&self, id: &str) -> Result<Subscription, Error> {
        let (agent, name) = parts(id)?;
        self.post(&["v1", "subscriptions", agent, name, "breaker", "reset"], &empty()).await
    }

    /// Moves a subscription to another place, or says what that would do. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `SUBSCRIPTION_UNKNOWN`, `PARAMETER_INVALID`.
    pub async fn seek_subscription(&self, id: &str, seek: &Seek) -> Result<SeekResult, Error> {
        let (agent, name) = parts(id)?;
        self.post(&["v1", "subscriptions", agent, name, "seek"], seek).await
    }

    /// Sends a test event to the receiver of a webhook subscription, and returns what came of it. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `SUBSCRIPTION_UNKNOWN`, `SUBSCRIPTION_INVALID` when it is no webhook.
    pub async fn test_webhook(&self, id: &str) -> Result<WebhookTest, Error> {
        let (agent, name) = parts(id)?;
        // A receiver may take as long as its subscription allows.
        let wait = Duration::from_secs(600);
        self.post_waiting(&["v1", "subscriptions", agent, name, "test"], &empty(), wait).await
    }

    /// Takes deliveries from an inbox, `max` at most, and waits for the first one that long (30 s at most). Each is leased to the
    /// caller until its deadline.
    ///
    /// # Errors
    ///
    /// `SUBSCRIPTION_UNKNOWN`, `SUBSCRIPTION_NOT_INBOX`.
    pub async fn pull(&self, id: &str, max: u32, wait: Duration) -> Result<Vec<Leased>, Error> {
        let (agent, name) = parts(id)?;
        let request = PullRequest { max: Some(max), wait: Some(Span::from(wait)) };
        let pulled: Pulled =
            self.post_waiting(&["v1", "subscriptions", agent, name, "pull"], &request, wait).await?;
        Ok(pulled.deliveries)
    }
}

pub(crate) fn empty() -> serde_json::Value {
    serde_json::json!({})
}

fn parts(id: &str) -> Result<(&str, &str), Error> {
    id.strip_prefix('/').unwrap_or(id).split_once('/').ok_or_else(|| {
        Error::Invalid(format!("`{id}` is no id of a subscription: write agent/name, such as coder/tasks"))
    })
}
