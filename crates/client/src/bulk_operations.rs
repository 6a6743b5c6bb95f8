//! Bulk operations: one thing done to many dead letters or deliveries.

use cantus_api::List;
use cantus_api::bulk_operation::{Abort, BulkOperation, BulkQuery, BulkRequest};

use crate::error::Error;
use crate::transport::Client;

impl Client {
    /// Begins a bulk operation, or with `dry_run` says what it would do. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `BULK_SELECTOR_EMPTY`, `BULK_CHANGED` when the hash is not that of what is meant by now.
    pub async fn bulk_operate(&self, request: &BulkRequest) -> Result<BulkOperation, Error> {
        self.post(&["v1", "bulk-operations"], request).await
    }

    /// Returns a page of bulk operations, newest first.
    ///
    /// # Errors
    ///
    /// Those of every call: see [`Error`].
    pub async fn bulk_operations(&self, query: &BulkQuery) -> Result<List<BulkOperation>, Error> {
        self.get(&["v1", "bulk-operations"], query).await
    }

    /// Returns how far one has come.
    ///
    /// # Errors
    ///
    /// `BULK_UNKNOWN`.
    pub async fn bulk_operation(&self, id: &str) -> Result<BulkOperation, Error> {
        self.get(&["v1", "bulk-operations", id], &()).await
    }

    /// Ends one; what was done stays done. Needs the right `operate`.
    ///
    /// # Errors
    ///
    /// `BULK_UNKNOWN`, `BULK_OVER`.
    pub async fn abort_bulk_operation(&self, id: &str, abort: &Abort) -> Result<BulkOperation, Error> {
        self.post(&["v1", "bulk-operations", id, "abort"], abort).await
    }
}
