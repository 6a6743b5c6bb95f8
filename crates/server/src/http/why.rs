//! Why: what became of one event with every subscription.

use std::ops::Bound;
use std::sync::Arc;

use cantus_api::delivery::{State as Stage, WaitingFor};
use cantus_api::error::Problem;
use cantus_api::why::{Kind, Verdict, Why, WhyQuery};
use cantus_core::ids::DeliveryId;
use cantus_core::subscription::SubscriptionId;
use cantus_core::{Coordinator, subscription};
use cantus_runtime::Failed;

use super::answer;
use super::call::Call;
use super::events;
use super::route::{Answered, Route};
use crate::app::App;
use crate::attempts::Fold;
use crate::auth::Right;
use crate::convert::{time, why};
use crate::lookup::Found;
use crate::problem::{self, Place, parameter};
use crate::timeline;

/// How many subscriptions are told of.
const SUBSCRIPTIONS_MAX: usize = 10_000;
/// How many are asked about in one visit of the turn.
const VISIT: usize = 100;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/events/{id}/why", of_event)
            .right(Right::Consume)
            .summary("Tells what became of an event with every subscription.")
            .query(&["source", "subscription"])
            .gives(200, "Why")
            .while_stopping(),
    ]
}

async fn of_event(call: Call) -> Answered {
    let query: WhyQuery = call.query()?;
    let only = match &query.subscription {
        Some(id) => {
            Some(SubscriptionId::parse(id).map_err(|wrong| parameter("subscription", wrong.to_string()))?)
        }
        None => None,
    };
    let found = events::find(&call.app, call.param("id"), query.source.as_deref()).await?;
    let failed = |failed| -> Box<Problem> { problem::of(failed, Place::Alone) };
    let (fold, _) = timeline::of_event(&call.app, &found).await.map_err(failed)?;
    let subscriptions = verdicts(&call.app, &found, fold, only.as_ref()).await.map_err(failed)?;
    if let Some(only) = only.filter(|_| subscriptions.is_empty()) {
        return Err(super::subscriptions::unknown(&only.to_string()));
    }
    answer::ok(&Why {
        event_id: found.event.id.to_string(),
        source: found.event.source.to_string(),
        position: found.position.to_string(),
        topic: found.event.topic.to_string(),
        subscriptions,
    })
}

/// Asks for every subscription, or for one, in visits the turn can afford: each time a filter is compiled.
async fn verdicts(
    app: &App,
    found: &Found,
    fold: Fold,
    only: Option<&SubscriptionId>,
) -> Result<Vec<Verdict>, Failed> {
    let fold = Arc::new(fold);
    let mut verdicts: Vec<Verdict> = Vec::new();
    let mut after: Option<SubscriptionId> = None;
    loop {
        let (event, fold, only) = (found.clone(), fold.clone(), only.cloned());
        let visit = app.handle.read(move |coordinator, _| {
            let ids: Vec<&SubscriptionId> = match &only {
                Some(only) => vec![only],
                None => {
                    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                    let numbers = coordinator.state.subscription_numbers.range((from, Bound::Unbounded));
                    numbers.map(|(id, _)| id).take(VISIT).collect()
                }
            };
            let last = ids.last().filter(|_| ids.len() == VISIT).map(|id| (*id).clone());
            let whys = ids.into_iter().flat_map(|id| coordinator.why(&event.event, event.position, Some(id)));
            let told: Vec<Verdict> = whys.map(|it| verdict(coordinator, &event, &fold, &it)).collect();
            (told, last)
        });
        let (told, last) = visit.await?;
        verdicts.extend(told);
        after = last;
        if after.is_none() || verdicts.len() >= SUBSCRIPTIONS_MAX {
            break;
        }
    }
    // Those that listen to the topic come first.
    verdicts.sort_by_key(|verdict| verdict.verdict == Kind::NotInTopic);
    Ok(verdicts)
}

fn verdict(coordinator: &Coordinator, found: &Found, fold: &Fold, it: &subscription::why::Why) -> Verdict {
    let state = &coordinator.state;
    let number = state.subscription_numbers.get(&it.subscription).copied();
    // The newest delivery counts: a replay comes after what it replays.
    let last = fold.deliveries.iter().rfind(|(id, _)| Some(id.subscription) == number);
    let settled = last.and_then(|(_, told)| told.settled);
    let mut verdict = why::out(state, it, found.recorded_at, settled);
    if let Some(number) = number {
        correct(&mut verdict, number, found, last.map(|(id, told)| (*id, told.state)));
    }
    verdict
}

/// Says what only the log or the event itself knows.
fn correct(verdict: &mut Verdict, number: u32, found: &Found, last: Option<(DeliveryId, Stage)>) {
    if found.pending && verdict.verdict != Kind::NotInTopic {
        let due = found.event.deliver_at.map(time::text);
        verdict.verdict = Kind::Waiting;
        verdict.waiting_for = Some(WaitingFor::Due);
        verdict.text = format!("it is published at {}", due.as_deref().unwrap_or("its time"));
        (verdict.until, verdict.delivery) = (due, None);
        return;
    }
    if found.only.is_some_and(|only| only != number) && verdict.verdict != Kind::NotInTopic {
        verdict.verdict = Kind::NotAddressed;
        verdict.text = "the event is the repair of a dead letter of another subscription".to_owned();
        verdict.delivery = None;
        return;
    }
    // A delivery that was replayed and succeeded is delivered, whatever its dead letter says.
    if verdict.verdict == Kind::Dead
        && let Some((id, Stage::Delivered)) = last
    {
        verdict.verdict = Kind::Delivered;
        verdict.delivery = Some(id.display(found.recorded_at));
        verdict.text = "delivered by a replay of its dead letter".to_owned();
    }
}
