//! Correlations: whole stories.

use cantus_api::correlation::Correlation;
use cantus_api::stream::StreamQuery;

use crate::error::Error;
use crate::transport::Client;

impl Client {
    /// Returns a page of one story: its events and what became of them.
    ///
    /// # Errors
    ///
    /// `CORRELATION_UNKNOWN`.
    pub async fn correlation(&self, id: &str, query: &StreamQuery) -> Result<Correlation, Error> {
        self.get(&["v1", "correlations", id], query).await
    }
}
