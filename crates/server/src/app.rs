//! What all requests share.

use std::sync::Arc;
use std::time::Duration;

use cantus_core::Timestamp;
use cantus_runtime::{AuditedCall, Failed, Handle};
use tokio::sync::{Semaphore, watch};

use crate::auth::Gate;
use crate::body::Bodies;
use crate::convert::definition::Defaults;
use crate::idempotency::Answers;
use crate::metrics::Metrics;
use crate::options::ServerOptions;

/// How many reads of the log run at once; further ones wait.
const READS_MAX: usize = 32;

/// What all requests share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    /// What is asked of the runtime; for a call that operates or defines, on its behalf.
    pub(crate) handle: Handle,
    inner: Arc<Inner>,
}

/// The parts.
pub(crate) struct Inner {
    /// How the server is set up.
    pub(crate) options: ServerOptions,
    /// Who may what.
    pub(crate) gate: Gate,
    /// Reads bodies.
    pub(crate) bodies: Bodies,
    /// Answers of requests that may come again.
    pub(crate) answers: Answers,
    /// What was counted.
    pub(crate) metrics: Metrics,
    /// What the server adds to definitions.
    pub(crate) defaults: Defaults,
    /// True once the server was asked to stop.
    pub(crate) draining: watch::Sender<bool>,
    reads: Semaphore,
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl App {
    /// Creates what all requests of a server share.
    pub(crate) fn new(handle: Handle, options: ServerOptions) -> App {
        let (draining, _) = watch::channel(false);
        let inner = Arc::new(Inner {
            gate: Gate::new(&options),
            bodies: Bodies::new(options.body_bytes_in_flight, options.body_timeout),
            answers: Answers::default(),
            metrics: Metrics::default(),
            defaults: Defaults {
                sandbox: options.sandbox,
                webhooks: options.webhooks.clone(),
                dedupe: options.dedupe,
            },
            draining,
            reads: Semaphore::new(READS_MAX),
            options,
        });
        App { handle, inner }
    }

    /// Returns the same for one call, whose commands leave entries in the audit.
    pub(crate) fn for_call(&self, call: AuditedCall) -> App {
        App { handle: self.handle.for_call(call), inner: self.inner.clone() }
    }

    /// Returns the log time.
    pub(crate) fn now(&self) -> Timestamp {
        self.handle.now()
    }

    /// Reads the log, a bounded number of reads at once.
    ///
    /// # Errors
    /// When the log can not be read.
    pub(crate) async fn read_log<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn cantus_engine::Reader) -> Result<T, cantus_engine::ReadError> + Send + 'static,
    ) -> Result<T, Failed> {
        let _turn = self.reads.acquire().await.map_err(|_| Failed::Stopping)?;
        self.handle.read_log(read).await
    }

    /// Waits until the log has grown past `position`, the time is over, or the server stops. Returns whether it has grown.
    pub(crate) async fn grown(&self, position: cantus_core::Position, time: Duration) -> bool {
        let mut durable = self.handle.durable();
        let (mut draining, mut stopping) = (self.draining.subscribe(), self.handle.stopping());
        tokio::select! {
            grown = durable.wait_for(|durable| *durable > position) => grown.is_ok(),
            () = tokio::time::sleep(time) => false,
            _ = draining.wait_for(|draining| *draining) => false,
            _ = stopping.wait_for(|stopping| *stopping) => false,
        }
    }

    /// Tells whether the server was asked to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.draining.borrow() || *self.handle.stopping().borrow()
    }
}
