//! Timelines: everything that happened in one story, read from the log and laid over what is true now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cantus_api::delivery::{Delivery, State};
use cantus_core::event::Event;
use cantus_core::fact::Fact;
use cantus_core::ids::DeliveryId;
use cantus_core::retention::Hidden;
use cantus_core::subscription::{self, Stage, why};
use cantus_core::{Coordinator, Position, Timestamp, hash};
use cantus_engine::{GapCause, ReadError, Reader, Term};
use cantus_runtime::Failed;

use crate::app::App;
use crate::attempts::{Fold, Told};
use crate::convert::subscription::read_up_to;
use crate::convert::why::cause_out;
use crate::convert::{attempt, time};
use crate::lookup::Found;
use crate::reading::PAGE_BYTES_MAX;

/// How many facts of a story are read for one page, and for how long.
const FACTS_MAX: usize = 200_000;
const TIME_MAX: Duration = Duration::from_secs(3);
/// How many places that have gone are told.
const GAPS_MAX: usize = 1_000;
/// How many positions are asked of the index at once.
const FIND: usize = 5_000;
/// How often it is asked what an event and a subscription wait for: each time a filter is compiled.
const ASKED_MAX: usize = 1_000;

/// A page of a story.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// Its events, oldest first.
    pub(crate) events: Vec<Found>,
    /// Their deliveries, in the order of events and subscriptions.
    pub(crate) deliveries: Vec<Delivery>,
    /// Behind which position the next page begins.
    pub(crate) next: Option<Position>,
    /// Places of it that have gone, and why.
    pub(crate) gaps: Vec<(Position, GapCause)>,
}

/// Reads a page of the story with this correlation id, from behind `after`.
///
/// # Errors
/// When the log can not be read or the server stops.
pub(crate) async fn story(
    app: &App,
    correlation: &str,
    after: Position,
    limit: usize,
) -> Result<Story, Failed> {
    let id = correlation.to_owned();
    let hidden = app.handle.hidden();
    let (events, fold, next, mut gaps) =
        app.read_log(move |reader| read(reader, &id, after, limit, &hidden)).await?;
    let deliveries = deliveries(app, events.clone(), fold).await?;
    let (story, last) = (hash::of(correlation), next.unwrap_or(Position(u64::MAX)));
    let erased = app.handle.read(move |coordinator, _| {
        let items = coordinator.state.erasures.values().flat_map(|erasure| &erasure.items);
        let meant = items.filter(|item| item.story == story && !item.deferred);
        let places = meant.map(|item| item.position).filter(|place| after < *place && *place <= last);
        places.map(|place| (place, GapCause::Erased)).take(GAPS_MAX).collect::<Vec<_>>()
    });
    gaps.extend(erased.await?);
    gaps.sort_unstable();
    Ok(Story { events, deliveries, next, gaps })
}

/// Reads what became of one event.
///
/// # Errors
/// As [`story`].
pub(crate) async fn of_event(app: &App, found: &Found) -> Result<(Fold, Vec<Delivery>), Failed> {
    let story = hash::of(&found.event.correlation_id);
    let position = found.position;
    // What is told of an event stands behind it.
    let before = Position(position.0.saturating_sub(1));
    let fold = app
        .read_log(move |reader| {
            let mut fold = Fold::default();
            facts(reader, story, before, &mut |recorded| {
                fold.take(recorded);
                true
            })?;
            fold.deliveries.retain(|id, _| id.position == position);
            Ok(fold)
        })
        .await?;
    let deliveries = deliveries(app, vec![found.clone()], fold.clone()).await?;
    Ok((fold, deliveries))
}

type Read = (Vec<Found>, Fold, Option<Position>, Vec<(Position, GapCause)>);

fn read(
    reader: &dyn Reader,
    correlation: &str,
    after: Position,
    limit: usize,
    hidden: &Hidden,
) -> Result<Read, ReadError> {
    let mut gaps = Vec::new();
    let (mut events, mut fold, mut next, mut bytes) = (Vec::<Found>::new(), Fold::default(), None, 0);
    let mut last = after;
    facts(reader, hash::of(correlation), after, &mut |recorded| {
        fold.take(recorded);
        let (event, deferred_at, pending, revision, only) = match &recorded.fact {
            Fact::EventPublished(it) => (&it.event, it.deferred_at, false, it.revision, it.only),
            Fact::EventDeferred(it) => (&it.event, None, true, None, None),
            _ => return true,
        };
        if *event.correlation_id != *correlation || next.is_some() {
            return true;
        }
        if hidden.is_trimmed(event, recorded.position) {
            if gaps.len() < GAPS_MAX {
                gaps.push((recorded.position, GapCause::Expired));
            }
            return true;
        }
        // What was announced is here now.
        events.retain(|earlier| Some(earlier.position) != deferred_at);
        bytes += event.weight();
        if events.len() >= limit || (!events.is_empty() && bytes > PAGE_BYTES_MAX) {
            next = Some(last);
            return true;
        }
        let (event, position, recorded_at) = (event.clone(), recorded.position, recorded.at);
        events.push(Found { event, position, recorded_at, revision, only, pending });
        last = position;
        true
    })?;
    let here: HashMap<Position, ()> = events.iter().map(|event| (event.position, ())).collect();
    fold.deliveries.retain(|id, _| here.contains_key(&id.position));
    Ok((events, fold, next, gaps))
}

/// Hands on the facts of a story, in the order of the log, until the receiver has enough.
fn facts(
    reader: &dyn Reader,
    story: u64,
    after: Position,
    take: &mut dyn FnMut(&cantus_core::fact::Recorded) -> bool,
) -> Result<(), ReadError> {
    let (mut after, mut seen, until) = (after, 0, Instant::now() + TIME_MAX);
    loop {
        let positions = reader.find(Term::Correlation(story), after, FIND)?;
        for position in &positions {
            after = *position;
            if let Some(recorded) = reader.get(*position)?
                && !take(&recorded)
            {
                return Ok(());
            }
        }
        seen += positions.len();
        if positions.len() < FIND || seen >= FACTS_MAX || Instant::now() >= until {
            return Ok(());
        }
    }
}

/// Lays what the log tells over what is true now: what is open is as state says, and what only waits is there too.
async fn deliveries(app: &App, events: Vec<Found>, fold: Fold) -> Result<Vec<Delivery>, Failed> {
    app.handle.read(move |coordinator, _| lay_over(coordinator, &events, &fold)).await
}

fn lay_over(coordinator: &Coordinator, events: &[Found], fold: &Fold) -> Vec<Delivery> {
    let by_position: HashMap<Position, &Found> = events.iter().map(|event| (event.position, event)).collect();
    let mut all: Vec<Delivery> = Vec::new();
    let mut order: Vec<(Position, u32, u16)> = Vec::new();
    for (id, told) in &fold.deliveries {
        let Some(event) = by_position.get(&id.position) else { continue };
        if let Some(delivery) = one(coordinator, *id, event, told, fold) {
            order.push((id.position, id.subscription, id.generation));
            all.push(delivery);
        }
    }
    for (id, delivery) in waiting(coordinator, events, fold) {
        order.push((id.position, id.subscription, id.generation));
        all.push(delivery);
    }
    let mut sorted: Vec<usize> = (0..all.len()).collect();
    sorted.sort_by_key(|index| order[*index]);
    let mut all: Vec<Option<Delivery>> = all.into_iter().map(Some).collect();
    sorted.into_iter().filter_map(|index| all[index].take()).collect()
}

/// Returns one delivery as the log tells it and state has it.
pub(crate) fn one(
    coordinator: &Coordinator,
    id: DeliveryId,
    found: &Found,
    told: &Told,
    fold: &Fold,
) -> Option<Delivery> {
    let state = &coordinator.state;
    let subscription = state.subscriptions.get(&id.subscription)?;
    let dead_letter = told.dead_letter.map(|(dead, at)| {
        let opened_at = state.dead_letters.get(&dead).map_or(at, |dead| dead.opened_at);
        dead.display(opened_at)
    });
    let replay_of = told.replay_of.and_then(|dead| {
        let before = fold.deaths.get(&dead).copied();
        let before = before.or_else(|| state.dead_letters.get(&dead).map(|dead| dead.delivery))?;
        // Only the id matters: the time within it is for the eye.
        Some(before.display(found.recorded_at))
    });
    let mut delivery = bare(id, &subscription.id, found);
    delivery.state = told.state;
    delivery.next_at = told.next_at.map(time::text);
    delivery.acquired = told.acquired;
    delivery.failed = told.failed;
    delivery.deadline = told.deadline.map(time::text);
    delivery.attempts = told.attempts.clone();
    delivery.dead_letter = dead_letter;
    delivery.replay_of = replay_of;
    delivery.published = told.published.iter().map(ToString::to_string).collect();
    match subscription.open.get(&(id.position, id.generation)) {
        Some(open) => as_open(coordinator, subscription, &found.event, id, open, &mut delivery),
        None if matches!(told.state, State::Waiting | State::Leased) => {
            // It was let go: the subscription was taken away, or was moved past it.
            delivery.state = State::Expired;
            (delivery.next_at, delivery.deadline) = (None, None);
        }
        None => {}
    }
    Some(delivery)
}

/// Says of a delivery what state knows of it, which is newer than what was read.
pub(crate) fn as_open(
    coordinator: &Coordinator,
    subscription: &subscription::State,
    event: &Event,
    id: DeliveryId,
    open: &subscription::Open,
    delivery: &mut Delivery,
) {
    delivery.acquired = open.acquired;
    delivery.failed = open.failed;
    (delivery.next_at, delivery.deadline) = (None, None);
    match &open.stage {
        Stage::Leased(lease) => {
            delivery.state = State::Leased;
            delivery.deadline = Some(time::text(lease.deadline));
            if !delivery.attempts.iter().any(|one| one.n == lease.attempt) {
                delivery.attempts.push(attempt::running(lease));
            }
        }
        Stage::Retrying(_) | Stage::Waiting => {
            delivery.state = State::Waiting;
            if let Stage::Retrying(due) = open.stage {
                delivery.next_at = Some(time::text(due));
            }
            as_waiting(coordinator, subscription, event, id, delivery);
        }
    }
}

/// Says of a delivery what it waits for.
pub(crate) fn as_waiting(
    coordinator: &Coordinator,
    subscription: &subscription::State,
    event: &Event,
    id: DeliveryId,
    delivery: &mut Delivery,
) {
    let whys = coordinator.why(event, id.position, Some(&subscription.id));
    if let Some(why::Verdict::Waiting(causes)) = whys.first().map(|why| &why.verdict) {
        delivery.waiting_for = causes.first().and_then(|cause| cause_out(cause).0);
    }
}

/// Returns the deliveries that state does not hold yet: events that match and wait in their lanes.
fn waiting(coordinator: &Coordinator, events: &[Found], fold: &Fold) -> Vec<(DeliveryId, Delivery)> {
    let state = &coordinator.state;
    let mut out = Vec::new();
    let mut asked = 0;
    let Some(last) = events.iter().map(|found| found.position).max() else { return out };
    for (name, number) in &state.subscription_numbers {
        let Some(subscription) = state.subscriptions.get(number) else { continue };
        let definition = subscription.definition();
        let counts = coordinator.counts(*number);
        if counts.waiting == 0 && read_up_to(definition, &counts) >= last {
            // It has looked at all of them, and nothing waits there.
            continue;
        }
        for found in events.iter().filter(|found| !found.pending && found.position > subscription.began) {
            let id = DeliveryId { subscription: *number, position: found.position, generation: 0 };
            let others = found.only.is_some_and(|only| only != *number);
            let heard = definition.topics.iter().any(|topic| topic.matches(found.event.topic.as_str()));
            if others
                || !heard
                || subscription.is_taken(found.event.priority.lane(), found.position)
                || fold.deliveries.contains_key(&id)
            {
                continue;
            }
            if asked >= ASKED_MAX {
                return out;
            }
            asked += 1;
            let whys = coordinator.why(&found.event, found.position, Some(name));
            let Some(why::Verdict::Waiting(causes)) = whys.first().map(|why| &why.verdict) else { continue };
            let mut delivery = bare(id, name, found);
            delivery.waiting_for = causes.first().and_then(|cause| cause_out(cause).0);
            out.push((id, delivery));
        }
    }
    out
}

/// Returns a delivery of which nothing is known but who and what.
pub(crate) fn bare(id: DeliveryId, subscription: &subscription::SubscriptionId, found: &Found) -> Delivery {
    of_parts(id, &subscription.to_string(), &found.event, found.recorded_at)
}

/// Returns a delivery of which nothing is known but who and what.
pub(crate) fn of_parts(
    id: DeliveryId,
    subscription: &str,
    event: &Arc<Event>,
    recorded_at: Timestamp,
) -> Delivery {
    Delivery {
        id: id.display(recorded_at),
        subscription: subscription.to_owned(),
        event_id: event.id.to_string(),
        event_source: event.source.to_string(),
        event_type: event.event_type.to_string(),
        topic: event.topic.to_string(),
        position: id.position.to_string(),
        correlation_id: event.correlation_id.to_string(),
        state: State::Waiting,
        waiting_for: None,
        next_at: None,
        acquired: 0,
        failed: 0,
        deadline: None,
        attempts: Vec::new(),
        dead_letter: None,
        replay_of: None,
        published: Vec::new(),
    }
}
