//! Erasing events.

use cantus_api::List;
use cantus_api::erasure::{Erase, Erased, Erasure};
use cantus_api::list::Page;

use crate::error::Error;
use crate::transport::Client;

impl Client {
    /// Erases events, or says which would go. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `PARAMETER_INVALID` when nothing is said of the events, `FILTER_INVALID`, and those of every call.
    pub async fn erase_events(&self, erase: &Erase) -> Result<Erased, Error> {
        self.post_waiting(&["v1", "events", "erase"], erase, std::time::Duration::from_secs(30)).await
    }

    /// Returns the newest erasures and how far they have got. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn erasures(&self, limit: Option<u32>) -> Result<List<Erasure>, Error> {
        self.get(&["v1", "erasures"], &Page { limit, cursor: None }).await
    }
}
