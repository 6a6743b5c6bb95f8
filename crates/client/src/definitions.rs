//! Definitions as they are installed.

use cantus_api::installed::Definitions;

use crate::error::Error;
use crate::transport::Client;

impl Client {
    /// Returns everything that is installed, with hash and source.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn definitions(&self) -> Result<Definitions, Error> {
        self.get(&["v1", "definitions"], &()).await
    }
}
