//! Backups: the archive of everything that is durable, piece by piece.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{Method, Response};

use crate::error::Error;
use crate::transport::{Body, Client};

/// How long a backup may take.
const TIME_MAX: Duration = Duration::from_secs(24 * 3600);

/// An archive that is being sent. It is complete only when its own end has come: see [`cantus_api::archive`].
#[derive(Debug)]
pub struct Archive {
    answer: Response,
    client: Client,
}

impl Client {
    /// Begins a backup. Everything that was accepted before is in it. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `STORAGE_FULL`, and those of every call.
    pub async fn backup(&self) -> Result<Archive, Error> {
        let url = self.address(&["v1", "backup"], &())?;
        let answer = self.send(Method::POST, url, &Body::None, TIME_MAX).await?;
        Ok(Archive { answer, client: self.clone() })
    }
}

impl Archive {
    /// Returns the next piece; none at the end.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        self.answer.chunk().await.map_err(|error| self.client.failure(error, TIME_MAX))
    }
}
