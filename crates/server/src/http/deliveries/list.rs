//! Lists of deliveries, newest first: those that are open come from state, those that are over from the log, read back.

use std::collections::{BTreeMap, BTreeSet};

use cantus_api::delivery::{Attempt, DeliveriesQuery, Delivery, DeliveryList, Outcome, State};
use cantus_api::error::Problem;
use cantus_core::fact::Fact;
use cantus_core::ids::{DeadLetterId, DeliveryId};
use cantus_core::subscription::SubscriptionId;
use cantus_core::{Position, Timestamp};
use cantus_engine::{Budget, Entry, ReadError, Reader, Selection};

use super::super::answer;
use super::super::call::{self, Call};
use super::super::events;
use super::super::route::Answered;
use super::gaps::{self, Lost};
use super::names;
use crate::app::App;
use crate::convert::{gap, time};
use crate::cursor;
use crate::lookup::{self, Found};
use crate::problem::{self, Place, parameter};
use crate::timeline::{self, as_open, as_waiting, bare, of_parts};

/// How many records one request reads back.
const RECORDS_MAX: usize = 200_000;
/// How many of those that wait for their turn one request looks at.
const WAITING_MAX: usize = 200_000;
/// How many stories' events one request reads through.
const STORY_EVENTS_MAX: usize = 1_000;

pub(super) async fn list(call: Call) -> Answered {
    let query: DeliveriesQuery = call.query()?;
    let limit = call::limit(query.limit)?;
    let subscription = match &query.subscription {
        Some(id) => {
            Some(SubscriptionId::parse(id).map_err(|wrong| parameter("subscription", wrong.to_string()))?)
        }
        None => None,
    };
    if query.event.is_some() || query.correlation.is_some() {
        return of_story(&call, &query, subscription.as_ref(), limit).await;
    }
    let place = match &query.cursor {
        Some(text) => read_cursor(text)?,
        None => Spot::Open(None),
    };
    let wants_open = matches!(query.state, None | Some(State::Waiting | State::Leased));
    let wants_over = matches!(query.state, None | Some(State::Delivered | State::Dead | State::Expired));
    let mut items = Vec::new();
    let (mut next, mut gaps) = (Some(place), Vec::new());
    if let Spot::Open(before) = place {
        next = Some(Spot::Over(Position(u64::MAX)));
        if wants_open {
            let (open, more) = open(&call.app, before, subscription.clone(), query.state, limit).await?;
            items = open;
            next = more.map(|last| Spot::Open(Some(last))).or(next);
        }
    }
    if let Some(Spot::Over(before)) = next {
        if !wants_over {
            next = None;
        } else if items.len() < limit {
            let rest = limit - items.len();
            let (over, lost, more) =
                over(&call.app, before, subscription.as_ref(), query.state, rest).await?;
            items.extend(over);
            gaps = gaps::all(&call.app, lost, (more, before), subscription.as_ref()).await?;
            next = more.map(Spot::Over);
        }
    }
    answer::ok(&DeliveryList { items, gaps, next_cursor: next.map(write_cursor) })
}

/// Where a list goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    /// Among the open ones, before this one.
    Open(Option<DeliveryId>),
    /// In the log, before this position.
    Over(Position),
}

fn write_cursor(spot: Spot) -> String {
    match spot {
        Spot::Open(None) => "w".to_owned(),
        Spot::Open(Some(id)) => format!("w{}", id.display(Timestamp(0))),
        Spot::Over(position) => cursor::write_back(position),
    }
}

fn read_cursor(text: &str) -> Result<Spot, Box<Problem>> {
    match text.strip_prefix('w') {
        Some(id) => match DeliveryId::parse(id) {
            Some(id) => Ok(Spot::Open(Some(id))),
            None => Err(cursor::invalid(text, "is no cursor of this list")),
        },
        None => cursor::back(text).map(Spot::Over),
    }
}

/// Newer deliveries come first.
fn rank(id: &DeliveryId) -> (Position, u32, u16) {
    (id.position, id.subscription, id.generation)
}

async fn open(
    app: &App,
    before: Option<DeliveryId>,
    subscription: Option<SubscriptionId>,
    wanted: Option<State>,
    limit: usize,
) -> Result<(Vec<Delivery>, Option<DeliveryId>), Box<Problem>> {
    let failed = |failed| problem::of(failed, Place::Alone);
    let ids = app.handle.read(move |coordinator, _| {
        let state = &coordinator.state;
        // Only the newest few are kept, whatever there is.
        let mut newest: BTreeSet<(Position, u32, u16)> = BTreeSet::new();
        let mut looked = 0;
        for (number, it) in &state.subscriptions {
            if subscription.as_ref().is_some_and(|wanted| it.id != *wanted || it.removed) {
                continue;
            }
            let own = it.open.iter().rev().filter_map(|((position, generation), open)| {
                let id = DeliveryId { subscription: *number, position: *position, generation: *generation };
                let leased = open.lease().is_some();
                let fits = wanted.is_none_or(|wanted| leased == (wanted == State::Leased));
                (fits && before.is_none_or(|before| rank(&id) < rank(&before))).then_some(id)
            });
            let waits = wanted != Some(State::Leased) && looked < WAITING_MAX;
            let in_line = coordinator.waiting(*number).take(if waits { WAITING_MAX } else { 0 });
            let in_line = in_line.inspect(|_| looked += 1).map(|(id, _)| id);
            let in_line = in_line.filter(|id| before.is_none_or(|before| rank(id) < rank(&before)));
            for id in own.take(limit + 1).chain(in_line) {
                newest.insert(rank(&id));
                if newest.len() > limit + 1 {
                    newest.pop_first();
                }
            }
        }
        let newest = newest.into_iter().rev();
        newest
            .map(|(position, subscription, generation)| DeliveryId { subscription, position, generation })
            .collect::<Vec<_>>()
    });
    let mut ids = ids.await.map_err(failed)?;
    let more = ids.len() > limit;
    ids.truncate(limit);
    let last = ids.last().copied().filter(|_| more);
    let positions: Vec<Position> = ids.iter().map(|id| id.position).collect();
    let events = app.read_log(move |reader| events_at(reader, positions)).await.map_err(failed)?;
    let read = app.handle.read(move |coordinator, _| {
        let mut items = Vec::with_capacity(ids.len());
        for id in ids {
            let Some(found) = events.get(&id.position) else { continue };
            let Some(it) = coordinator.state.subscriptions.get(&id.subscription) else { continue };
            let mut delivery = bare(id, &it.id, found);
            match it.open.get(&(id.position, id.generation)) {
                Some(open) => {
                    delivery.attempts = open.attempts.iter().map(crate::convert::attempt::out).collect();
                    as_open(coordinator, it, &found.event, id, open, &mut delivery);
                }
                // What came to its end since is listed with what is over.
                None if it.is_taken(found.event.priority.lane(), id.position) => continue,
                None => as_waiting(coordinator, it, &found.event, id, &mut delivery),
            }
            items.push(delivery);
        }
        items
    });
    Ok((read.await.map_err(failed)?, last))
}

fn events_at(
    reader: &dyn Reader,
    mut positions: Vec<Position>,
) -> Result<BTreeMap<Position, Found>, ReadError> {
    positions.sort_unstable();
    positions.dedup();
    let mut events = BTreeMap::new();
    for position in positions {
        if let Some(found) = lookup::at(reader, position)? {
            events.insert(position, found);
        }
    }
    Ok(events)
}

/// An end of a delivery, as the log tells it.
struct End {
    id: DeliveryId,
    state: State,
    at: Timestamp,
    attempt: Option<Attempt>,
    acquired: u32,
    failed: u32,
    dead_letter: Option<DeadLetterId>,
}

async fn over(
    app: &App,
    before: Position,
    subscription: Option<&SubscriptionId>,
    wanted: Option<State>,
    limit: usize,
) -> Result<(Vec<Delivery>, Lost, Option<Position>), Box<Problem>> {
    let failed = |failed| problem::of(failed, Place::Alone);
    let number = match subscription {
        None => None,
        Some(id) => {
            let wanted = id.clone();
            let number = app
                .handle
                .read(move |coordinator, _| coordinator.state.subscription_numbers.get(&wanted).copied());
            match number.await.map_err(failed)? {
                Some(number) => Some(number),
                None => return Err(super::super::subscriptions::unknown(&id.to_string())),
            }
        }
    };
    let read = app.read_log(move |reader| ends(reader, before, number, wanted, limit)).await;
    let (ends, events, lost, reached) = read.map_err(failed)?;
    let names = names(app, ends.iter().map(|end| end.id.subscription).collect()).await?;
    let dead: Vec<DeadLetterId> = ends.iter().filter_map(|end| end.dead_letter).collect();
    let opened = app.handle.read(move |coordinator, _| {
        let letters = &coordinator.state.dead_letters;
        let opened = dead.into_iter().filter_map(|id| Some((id, letters.get(&id)?.opened_at)));
        opened.collect::<BTreeMap<_, _>>()
    });
    let opened = opened.await.map_err(failed)?;
    let mut items = Vec::with_capacity(ends.len());
    for end in ends {
        let Some((found, name)) = events.get(&end.id.position).zip(names.get(&end.id.subscription)) else {
            continue;
        };
        let mut delivery = of_parts(end.id, name, &found.event, found.recorded_at);
        delivery.state = end.state;
        (delivery.acquired, delivery.failed) = (end.acquired, end.failed);
        delivery.attempts = end.attempt.into_iter().collect();
        let at = end.at;
        delivery.dead_letter =
            end.dead_letter.map(|dead| dead.display(opened.get(&dead).copied().unwrap_or(at)));
        items.push(delivery);
    }
    Ok((items, lost, reached))
}

type Ends = (Vec<End>, BTreeMap<Position, Found>, Lost, Option<Position>);

fn ends(
    reader: &dyn Reader,
    before: Position,
    number: Option<u32>,
    wanted: Option<State>,
    limit: usize,
) -> Result<Ends, ReadError> {
    let (mut ends, mut lost, mut before, mut left) = (Vec::new(), Lost::new(), before, RECORDS_MAX);
    let mut next = None;
    'reading: loop {
        let budget = Budget { entries: 1_000, records: left.min(20_000), bytes: 8 << 20 };
        let chunk = reader.read_back(before, &Selection::default(), budget)?;
        for entry in &chunk.entries {
            let recorded = match entry {
                Entry::Fact(recorded) => recorded,
                Entry::Gap { from, to, cause, .. } => {
                    lost.push((*from, *to, *cause));
                    continue;
                }
            };
            let Some(end) = end_of(&recorded.fact, recorded.position, recorded.at) else { continue };
            let meant = number.is_none_or(|number| end.id.subscription == number)
                && wanted.is_none_or(|wanted| end.state == wanted);
            if meant {
                ends.push(end);
                if ends.len() == limit {
                    next = Some(recorded.position);
                    break 'reading;
                }
            }
        }
        if chunk.end || chunk.reached == before {
            break;
        }
        before = chunk.reached;
        left = left.saturating_sub(chunk.entries.len().max(1));
        if left == 0 {
            next = Some(before);
            break;
        }
    }
    let events = events_at(reader, ends.iter().map(|end| end.id.position).collect())?;
    Ok((ends, events, lost, next))
}

fn end_of(fact: &Fact, position: Position, at: Timestamp) -> Option<End> {
    match fact {
        Fact::DeliveryAcked(it) => Some(End {
            id: it.delivery,
            state: State::Delivered,
            at,
            attempt: Some(Attempt {
                n: it.attempt,
                at: time::text(it.began),
                duration_ms: Some(at.since(it.began).0),
                outcome: Some(Outcome::Acked),
                class: None,
                status: None,
                exit_code: None,
                message: None,
                stderr_tail: None,
                next_at: None,
            }),
            acquired: it.attempt,
            failed: it.attempt.saturating_sub(1),
            dead_letter: None,
        }),
        Fact::DeliveryExpired(it) => Some(End {
            id: it.delivery,
            state: State::Expired,
            at,
            attempt: None,
            acquired: 0,
            failed: 0,
            dead_letter: None,
        }),
        Fact::DeadLetterOpened(it) => {
            let tries = it.attempts.last().map_or(0, |last| last.number);
            Some(End {
                id: it.delivery,
                state: State::Dead,
                at,
                attempt: it.attempts.last().map(crate::convert::attempt::out),
                acquired: tries,
                failed: tries,
                dead_letter: Some(it.reopens.unwrap_or(DeadLetterId(position))),
            })
        }
        _ => None,
    }
}

/// Lists the deliveries of one event, or of one story, newest first.
async fn of_story(
    call: &Call,
    query: &DeliveriesQuery,
    subscription: Option<&SubscriptionId>,
    limit: usize,
) -> Answered {
    let failed = |failed| problem::of(failed, Place::Alone);
    let skipped = match &query.cursor {
        Some(text) => cursor::offset(text)?,
        None => 0,
    };
    let mut gaps = Vec::new();
    let mut all = match (&query.event, &query.correlation) {
        (Some(id), _) => {
            let wanted = id.clone();
            let found =
                call.app.read_log(move |reader| lookup::by_id(reader, &wanted)).await.map_err(failed)?;
            if found.is_empty() {
                events::find(&call.app, id, None).await?;
            }
            let mut all = Vec::new();
            for found in found.iter().filter(|found| !found.pending) {
                all.extend(timeline::of_event(&call.app, found).await.map_err(failed)?.1);
            }
            all
        }
        (None, Some(correlation)) => {
            let story = timeline::story(&call.app, correlation, Position(0), STORY_EVENTS_MAX).await;
            let story = story.map_err(failed)?;
            gaps.extend(story.gaps.iter().map(|(place, cause)| gap(*place, *place, *cause)));
            story.deliveries
        }
        (None, None) => Vec::new(),
    };
    let wanted = subscription.map(ToString::to_string);
    all.retain(|delivery| {
        wanted.as_ref().is_none_or(|wanted| delivery.subscription == *wanted)
            && query.state.is_none_or(|state| delivery.state == state)
            && query.correlation.as_ref().is_none_or(|correlation| delivery.correlation_id == *correlation)
    });
    all.reverse();
    let more = all.len() > skipped.saturating_add(limit);
    let items: Vec<Delivery> = all.into_iter().skip(skipped).take(limit).collect();
    let next_cursor = more.then(|| cursor::write_offset(skipped + items.len()));
    answer::ok(&DeliveryList { items, gaps, next_cursor })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let id = DeliveryId { subscription: 3, position: Position(77), generation: 1 };
        for spot in [Spot::Open(Some(id)), Spot::Over(Position(9))] {
            assert_eq!(read_cursor(&write_cursor(spot)).unwrap(), spot);
        }
        assert!(read_cursor("wrong").is_err() && read_cursor("0:7").is_err());
    }
}
