//! What somebody who watches is told.

use std::sync::Arc;

use cantus_core::Text;
use cantus_core::event::Event;
use cantus_core::fact::Recorded;
use cantus_core::ids::DeliveryId;
use cantus_core::subscription::SubscriptionId;

/// Somebody who watches what becomes durable.
pub trait Observer: Send + Sync {
    /// These facts are durable now, in order. Called by whoever syncs: must not wait.
    fn durable(&self, facts: &[Recorded]);

    /// Returns the trace context (a W3C `traceparent`) that an attempt hands on to whoever carries it out. Without a trace
    /// of our own it is the one the event was created in.
    fn trace_parent(&self, attempt: &AttemptOf<'_>) -> Option<Text> {
        attempt.event.trace_parent.clone()
    }
}

/// Which attempt.
#[derive(Clone, Copy, Debug)]
pub struct AttemptOf<'a> {
    /// The event that is delivered.
    pub event: &'a Event,
    /// For which subscription.
    pub subscription: &'a SubscriptionId,
    /// The delivery.
    pub delivery: DeliveryId,
    /// Which attempt at it, counting from one.
    pub attempt: u32,
}

/// Nobody watches.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn durable(&self, _: &[Recorded]) {}
}

impl Unobserved {
    /// Returns it as what a runtime is set up with.
    pub fn shared() -> Arc<dyn Observer> {
        Arc::new(Unobserved)
    }
}
