//! The audit: who operated and defined.

use cantus_api::List;
use cantus_api::audit::{AuditQuery, Entry, Verified, VerifyQuery};

use crate::error::Error;
use crate::transport::Client;

impl Client {
    /// Returns a page of the audit, newest first. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn audit(&self, query: &AuditQuery) -> Result<List<Entry>, Error> {
        self.get(&["v1", "audit"], query).await
    }

    /// Checks a part of the audit's chain, from the newest entry back. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn verify_audit(&self, query: &VerifyQuery) -> Result<Verified, Error> {
        self.get(&["v1", "audit", "verify"], query).await
    }
}
