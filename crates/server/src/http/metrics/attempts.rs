//! What attempts came to since the start.

use super::{OTHER, Series};
use crate::census::Census;
use crate::metrics::{BOUNDS, Page};
use crate::observe::{Counts, OTHER_SUBSCRIPTIONS};

/// Writes counts and durations by subscription.
pub(super) fn write(page: &mut Page, census: &Census, mut counts: Counts) {
    let removed = |number: &u32| census.subscriptions.get(number).is_some_and(|it| it.removed);
    counts.retain(|number, _| *number == OTHER_SUBSCRIPTIONS || !removed(number));
    let named: Vec<(String, bool, &_)> = counts
        .iter()
        .map(|(number, counted)| match census.subscriptions.get(number) {
            Some(it) => (it.id.to_string(), it.pushed, counted),
            None => (OTHER.to_owned(), true, counted),
        })
        .collect();
    let attempts = named.iter().flat_map(|(id, _, counted)| {
        let attempts = counted.attempts.iter();
        attempts.map(|((outcome, class), count)| ([id.as_str(), *outcome, *class], *count as f64))
    });
    Series::of(["subscription", "outcome", "class"], attempts).write(
        page,
        "cantus_attempts_total",
        "counter",
        "Attempts that have come to an end since the start, by how, and by the class of the failure.",
    );
    let expired = named.iter().map(|(id, _, counted)| ([id.as_str()], counted.expired as f64));
    Series::of(["subscription"], expired.filter(|(_, count)| *count > 0.0)).write(
        page,
        "cantus_deliveries_expired_total",
        "counter",
        "Deliveries whose event expired before an attempt, since the start.",
    );
    let name = "cantus_delivery_duration_seconds";
    page.family(name, "histogram", "From an event's recording to its acknowledgement.");
    for (id, _, counted) in named.iter().filter(|(_, _, counted)| counted.delivery.count() > 0) {
        page.histogram(name, &[("subscription", id)], &counted.delivery, &BOUNDS);
    }
    let name = "messaging_process_duration_seconds";
    page.family(name, "histogram", "How long attempts took that this server carries out.");
    for (id, pushed, counted) in &named {
        if *pushed && counted.process.count() > 0 {
            let labels = [
                ("messaging_system", "cantus"),
                ("messaging_operation_name", "process"),
                ("messaging_destination_subscription_name", id.as_str()),
            ];
            page.histogram(name, &labels, &counted.process, &BOUNDS);
        }
    }
    let consumed = named.iter().filter(|(_, pushed, _)| !pushed);
    let consumed: u64 = consumed.map(|(_, _, counted)| counted.process.count()).sum();
    let name = "messaging_client_consumed_messages_total";
    page.family(name, "counter", "Deliveries that workers pulled and that came to an end, since the start.");
    page.line(name, &[("messaging_system", "cantus")], consumed as f64);
}
