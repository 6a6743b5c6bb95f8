//! The server's own state.

use std::time::Duration;

use cantus_api::status::{Health, Status};
use reqwest::Method;

use crate::error::Error;
use crate::transport::{Body, Client};

impl Client {
    /// Returns the server's version, mode and counts.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn status(&self) -> Result<Status, Error> {
        self.get(&["v1", "status"], &()).await
    }

    /// Returns whether the server takes requests, and each check in words. A server that is not ready is an answer, not an error.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`] and [`Error::Timeout`].
    pub async fn readiness(&self) -> Result<Health, Error> {
        self.health("readyz").await
    }

    /// Returns whether the server is alive.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`] and [`Error::Timeout`].
    pub async fn liveness(&self) -> Result<Health, Error> {
        self.health("livez").await
    }

    async fn health(&self, path: &str) -> Result<Health, Error> {
        let url = self.address(&[path], &serde_json::json!({"verbose": "true"}))?;
        let answer = self.send_once(Method::GET, url, &Body::None, Duration::ZERO).await?;
        let ok = answer.status().is_success();
        let text = String::from_utf8_lossy(&self.read(answer).await?).into_owned();
        Ok(Health { ok, text })
    }

    /// Returns the metrics as Prometheus reads them.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn metrics(&self) -> Result<String, Error> {
        let url = self.address(&["metrics"], &())?;
        let answer = self.send(Method::GET, url, &Body::None, Duration::ZERO).await?;
        Ok(String::from_utf8_lossy(&self.read(answer).await?).into_owned())
    }
}
