//! The new event of an edited dead letter's replay, where nobody but the core is there to make it.

use std::sync::Arc;

use super::Event;
use crate::command::{Admitted, Publish};
use crate::coordinator::View;
use crate::hash;
use crate::ids::base32;
use crate::subscription::SubscriptionId;
use crate::text::Text;
use crate::time::Timestamp;

/// Makes the new event of a replay: an id of its own, the original as its cause, one hop more, now.
pub(crate) fn renewed(current: &Event, original: &Event, now: Timestamp, chance: u128) -> Event {
    let value = (u128::from(now.0.max(0) as u64 & 0xFFFF_FFFF_FFFF) << 80) | (chance >> 48);
    Event {
        id: Text::from(format!("evt_{}", base32(value))),
        causation_id: Some(original.id.clone()),
        correlation_id: original.correlation_id.clone(),
        hops: original.hops.saturating_add(1),
        time: Text::from(now.rfc3339()),
        deliver_at: None,
        ..current.clone()
    }
}

/// Returns the publish of a renewed event. Its schema was checked when it was edited, and when the operation began.
pub(crate) fn publish(view: &View<'_>, event: Event, takers: Vec<SubscriptionId>, actor: &Text) -> Publish {
    let admitted = Admitted {
        // Nobody can send this id again: what is compared matters little.
        content: hash::of(&event.id),
        identity: hash::identity(&event.source, &event.id),
        warnings: Vec::new(),
        takers,
        definitions: view.state.meta.definitions,
        event: Arc::new(event),
    };
    let source = admitted.event.source.as_str();
    let agent = view.state.agents.keys().find(|name| name.as_str() == source).cloned();
    Publish {
        events: vec![admitted],
        expected_revision: None,
        auto_create: false,
        actor: actor.clone(),
        agent,
        idempotency: None,
    }
}
