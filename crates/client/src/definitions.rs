//! Definitions as they are installed.

use cantus_api::definition;
use cantus_api::installed::{Applied, ApplyQuery, Definitions, Export};

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

    /// Returns the definitions in force in the words of the file, with their hash.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn export(&self) -> Result<Export, Error> {
        self.get(&["v1", "definitions", "export"], &()).await
    }

    /// Puts a set of definitions in force, or with `dry_run` says what that would change. Needs the right `define`.
    ///
    /// # Errors
    ///
    /// `DEFINITIONS_CHANGED`, `DEFINITIONS_INVALID`, `EXEC_NOT_ALLOWED`, and those of what is declared.
    pub async fn apply(
        &self,
        definitions: &definition::Definitions,
        query: &ApplyQuery,
    ) -> Result<Applied, Error> {
        self.post_with(&["v1", "definitions"], query, definitions).await
    }
}
