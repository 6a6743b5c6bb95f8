//! P7. Per topic, order key and priority, the first delivery of each event follows the order of the log; where a
//! subscription keeps the topic's order, nothing passes an event that is not done with. A key is in one delivery at a
//! time.

use cantus_core::Position;
use cantus_core::event::Event;
use cantus_core::fact::{DeliveryLeased, Fact, Recorded};
use cantus_core::subscription::Order;

use super::{Invariant, Verdict, hold};
use crate::model::{Ledger, Model, Sub};

pub(super) struct FirstDeliveriesInOrder;

fn key(sub: &Sub, event: &Event) -> Option<u64> {
    match sub.definition().order {
        Order::None => None,
        Order::Topic => Some(0),
        Order::Key => event.order_key().map(|key| cantus_core::hash::of(key).max(1)),
    }
}

fn busy(sub: &Sub, lease: &DeliveryLeased, key: u64) -> Verdict {
    let own = (lease.delivery.position, lease.delivery.generation);
    let other = sub.deliveries.iter().find(|(slot, it)| {
        **slot != own && it.is_busy() && it.key == Some(key) && it.first_leased > sub.reordered
    });
    hold(other.is_none(), || {
        let (slot, it) = other.expect("it is there");
        format!("{:?} is leased while {slot:?} of its key is {:?}", lease.delivery, it.stage)
    })
}

fn first(model: &Model, sub: &Sub, lease: &DeliveryLeased, key_of_lease: u64) -> Verdict {
    let at: Position = lease.delivery.position;
    let strict = sub.definition().order == Order::Topic;
    let before = model.owed(sub).take_while(|(position, _)| *position < at);
    for (position, published) in before {
        let event = &published.event;
        if key(sub, event) != Some(key_of_lease) || (!strict && event.priority != lease.priority) {
            continue;
        }
        let done = match sub.deliveries.get(&(position, 0)) {
            None => false,
            Some(it) => it.is_closed() || (it.is_busy() && it.first_leased <= sub.reordered),
        };
        hold(done, || {
            format!("{:?} is leased before {position}, which is of its key and not done", lease.delivery)
        })?;
    }
    Ok(())
}

impl Invariant for FirstDeliveriesInOrder {
    fn promise(&self) -> &'static str {
        "first deliveries follow the log per key and priority, and nothing passes in strict order"
    }

    fn fact(&mut self, model: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        let Fact::DeliveryLeased(lease) = &recorded.fact else { return Ok(()) };
        let id = lease.delivery;
        let Some(sub) = model.subscriptions.get(&id.subscription) else { return Ok(()) };
        let Some(published) = model.events.get(&id.position) else { return Ok(()) };
        let known = sub.deliveries.get(&(id.position, id.generation));
        let began_before = known.is_some_and(|it| it.acquired > 0 && it.first_leased <= sub.reordered);
        let parked_before = known.is_some_and(|it| it.acquired == 0 && it.replay_of.is_none());
        let expected = key(sub, &published.event);
        let replay = known.is_some_and(|it| it.replay_of.is_some());
        hold(began_before || parked_before || replay || lease.key == expected, || {
            format!("{id:?} is leased with the key {:?}, its event has {expected:?}", lease.key)
        })?;
        let Some(key) = lease.key else { return Ok(()) };
        busy(sub, lease, key)?;
        if known.is_none_or(|it| it.acquired == 0 && it.replay_of.is_none()) {
            first(model, sub, lease, key)?;
        }
        Ok(())
    }
}
