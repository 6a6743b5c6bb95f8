//! Which deliveries a selector means: those that wait for a retry or for their turn.

use std::collections::BTreeSet;

use cantus_api::bulk_operation::{Action, BulkRequest, Waiting};
use cantus_api::error::Problem;
use cantus_core::Timestamp;
use cantus_core::event::EventSubject;
use cantus_core::filter::Filter;
use cantus_core::ids::DeliveryId;
use cantus_core::subscription::{Stage, SubscriptionId};
use cantus_core::topic::Pattern;
use cantus_engine::{ReadError, Reader};

use super::{MEANT_MAX, Selected, too_many, wrong};
use crate::app::App;
use crate::lookup;
use crate::problem::{self, Place};

/// Finds the deliveries that a request means. Those that are still in the log only, behind what waits in memory, are not
/// among them: there a seek is what skips them.
pub(super) async fn select(
    app: &App,
    request: &BulkRequest,
    event: Option<Filter>,
    as_of: Timestamp,
) -> Result<Selected, Box<Problem>> {
    let filter = &request.filter;
    let mut selected = Selected::default();
    let mut ids: BTreeSet<DeliveryId> = BTreeSet::new();
    for text in &filter.ids {
        match DeliveryId::parse(text) {
            Some(id) => {
                ids.insert(id);
            }
            None => {
                return Err(wrong("filter.ids", &format!("names `{text}`, which is no id of a delivery")));
            }
        }
    }
    let subscription = filter.subscription.as_deref().map(SubscriptionId::parse).transpose();
    let subscription = subscription.map_err(|invalid| wrong("filter.subscription", &invalid.to_string()))?;
    let topic = filter.topic.as_deref().map(Pattern::parse).transpose();
    let topic = topic.map_err(|invalid| wrong("filter.topic", &invalid.to_string()))?;
    let retrying = filter.waiting != Some(Waiting::Turn);
    let waiting = filter.waiting != Some(Waiting::Retry) && request.action == Action::GiveUp;
    let read = app.handle.read(move |coordinator, _| {
        let mut found: Vec<(DeliveryId, Timestamp)> = Vec::new();
        for (number, it) in &coordinator.state.subscriptions {
            if it.removed || subscription.as_ref().is_some_and(|wanted| it.id != *wanted) {
                continue;
            }
            let open = it.open.iter().filter(|(_, open)| match open.stage {
                Stage::Retrying(_) => retrying,
                Stage::Waiting => waiting,
                Stage::Leased(_) => false,
            });
            found.extend(open.map(|((position, generation), open)| {
                let (position, generation) = (*position, *generation);
                (DeliveryId { subscription: *number, position, generation }, open.recorded_at)
            }));
            if waiting {
                found.extend(coordinator.waiting(*number));
            }
            if found.len() > MEANT_MAX {
                break;
            }
        }
        found.retain(|(_, recorded_at)| *recorded_at <= as_of);
        found
    });
    let mut found: Vec<(DeliveryId, Timestamp)> =
        read.await.map_err(|failed| problem::of(failed, Place::Alone))?;
    if found.len() > MEANT_MAX {
        return Err(too_many());
    }
    found.sort_unstable();
    found.dedup_by_key(|(id, _)| *id);
    if !ids.is_empty() {
        found.retain(|(id, _)| ids.contains(id));
        for id in &ids {
            if found.binary_search_by_key(id, |(id, _)| *id).is_err() {
                let why = match request.action {
                    Action::GiveUp => "it does not wait",
                    _ => "it does not wait for a retry",
                };
                selected.leave_out(id.display(Timestamp(0)), why);
            }
        }
    }
    if event.is_some() || topic.is_some() {
        let read = app.read_log(move |reader| matching(reader, found, topic.as_ref(), event.as_ref())).await;
        found = read.map_err(|failed| problem::of(failed, Place::Alone))?;
    }
    selected.deliveries = found;
    Ok(selected)
}

fn matching(
    reader: &dyn Reader,
    found: Vec<(DeliveryId, Timestamp)>,
    topic: Option<&Pattern>,
    filter: Option<&Filter>,
) -> Result<Vec<(DeliveryId, Timestamp)>, ReadError> {
    let mut kept = Vec::with_capacity(found.len());
    for (id, at) in found {
        let Some(event) = lookup::at(reader, id.position)?.map(|found| found.event) else { continue };
        let fits = topic.is_none_or(|topic| topic.matches(event.topic.as_str()))
            && filter.is_none_or(|filter| filter.matches(&EventSubject::new(&event)));
        if fits {
            kept.push((id, at));
        }
    }
    Ok(kept)
}
