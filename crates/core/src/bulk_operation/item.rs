//! What becomes of the next item of an operation.

use super::{Action, Item, Operation, Outcome, Status};
use crate::command::ReplayDeadLetter;
use crate::coordinator::{Stop, View};
use crate::dead_letter::{self, Move};
use crate::event::{Event, renew};
use crate::fact::{BulkEnded, BulkProgressed, DeadLetterOpened, DeliveryGivenUp, DeliveryHastened, Fact};
use crate::ids::{BulkId, DeadLetterId, DeliveryId};
use crate::refusal::Refusal;
use crate::subscription::retry::Reason;
use crate::subscription::{Stage, lanes};
use crate::text::Text;
use crate::{hash, subscription};

/// Why nothing was done to an item.
enum Left {
    /// It had moved, or something must be loaded, or the log is damaged.
    Stop(Stop),
    /// It had moved: in words.
    Skip(&'static str),
    /// It can not be done: in words.
    Fail(&'static str),
}

impl From<Stop> for Left {
    fn from(stop: Stop) -> Self {
        Left::Stop(stop)
    }
}

/// Decides the turn of an operation's next item.
///
/// # Errors
/// When something must be loaded first, or the log is damaged.
pub(crate) fn next(view: &View<'_>, id: BulkId) -> Result<Vec<Fact>, Stop> {
    let Some(operation) = view.state.bulk_operations.get(&id).filter(|it| it.status == Status::Running)
    else {
        return Ok(Vec::new());
    };
    let items = view.state.bulk_items.get(&id);
    let Some(item) = items.and_then(|items| items.get(operation.next as usize)) else {
        return Ok(vec![Fact::from(BulkEnded { id, by: None, reason: None })]);
    };
    let (mut facts, outcome, why) = match done(view, operation, item) {
        Ok(facts) => (facts, Outcome::Done, None),
        Err(Left::Skip(why)) => (Vec::new(), Outcome::Skipped, Some(Text::from(why))),
        Err(Left::Fail(why)) => (Vec::new(), Outcome::Failed, Some(Text::from(why))),
        Err(Left::Stop(Stop::Refused(refusal))) => {
            let moved = matches!(refusal, Refusal::DeadLetterState(_) | Refusal::DeadLetterUnknown { .. });
            let outcome = if moved { Outcome::Skipped } else { Outcome::Failed };
            (Vec::new(), outcome, Some(Text::from(refusal.to_string())))
        }
        Err(Left::Stop(Stop::Damaged(reason))) => (Vec::new(), Outcome::Failed, Some(Text::from(reason))),
        Err(Left::Stop(stop @ (Stop::Need(_) | Stop::Broken(_)))) => return Err(stop),
    };
    let now = view.now.at;
    let rests = operation.burst + 1 >= operation.pace.batch;
    facts.push(Fact::from(BulkProgressed {
        id,
        item: operation.next,
        outcome,
        why,
        next_at: if rests { now.after(operation.pace.rest) } else { now },
    }));
    if operation.next + 1 >= operation.total {
        facts.push(Fact::from(BulkEnded { id, by: None, reason: None }));
    }
    Ok(facts)
}

fn done(view: &View<'_>, operation: &Operation, item: Item) -> Result<Vec<Fact>, Left> {
    let (reason, actor) = (&operation.reason, &operation.actor);
    match (operation.action, item) {
        (Action::Replay, Item::DeadLetter(id)) => replay(view, operation, id),
        (Action::Archive, Item::DeadLetter(id)) => {
            Ok(dead_letter::decide::archive(view, id, reason, actor)?.0)
        }
        (Action::Restore, Item::DeadLetter(id)) => {
            // A reason is kept; none leaves the note of the archive.
            let note = Some(reason).filter(|reason| !reason.is_empty());
            Ok(dead_letter::decide::restore(view, id, note, actor)?.0)
        }
        (Action::Retry, Item::Delivery(id)) => retry(view, operation, id),
        (Action::GiveUp, Item::Delivery(id)) => give_up(view, operation, id),
        _ => Err(Left::Fail("the action is not one for this kind of item")),
    }
}

/// The same event once more to its own subscription; an edited one as a new event.
fn replay(view: &View<'_>, operation: &Operation, id: DeadLetterId) -> Result<Vec<Fact>, Left> {
    let Some(letter) = view.state.dead_letters.get(&id) else {
        return Err(Left::Skip("it is not there any more"));
    };
    // Before its event is loaded for nothing.
    letter
        .status
        .after(Move::Replay)
        .map_err(|error| Left::Stop(Stop::Refused(Refusal::DeadLetterState(error))))?;
    let death = letter.deaths.first().copied().unwrap_or(id.0);
    let original = view.event(death)?.ok_or(Left::Fail("its event can not be read any more"))?;
    let edited = match letter.edit {
        Some(edit) => Some(view.event(edit)?.ok_or(Left::Fail("its edited event can not be read any more"))?),
        None => None,
    };
    let current = edited.as_ref().unwrap_or(&original);
    if current.expires_at.is_some_and(|at| at <= view.now.at) {
        return Err(Left::Skip("its event has expired"));
    }
    let taker = view.state.subscriptions.get(&letter.delivery.subscription).map(|it| it.id.clone());
    let publish = edited.as_ref().map(|edited| {
        let parts = [&view.now.chance.to_le_bytes()[..], &view.state.position.0.to_le_bytes()];
        let event = renew::renewed(edited, &original, view.now.at, hash::parts(&parts));
        Box::new(renew::publish(view, event, taker.into_iter().collect(), &operation.actor))
    });
    let replay = ReplayDeadLetter {
        id,
        seen_edit: letter.edit,
        to: None,
        publish,
        to_topic: false,
        event: original,
        recorded_at: letter.recorded_at.unwrap_or(letter.opened_at),
        actor: operation.actor.clone(),
        note: Some(operation.reason.clone()).filter(|reason| !reason.is_empty()),
    };
    Ok(dead_letter::decide::replay(view, &replay)?.0)
}

/// A delivery that waits for a retry is tried as soon as there is room.
fn retry(view: &View<'_>, operation: &Operation, id: DeliveryId) -> Result<Vec<Fact>, Left> {
    let Some(open) = view.state.open(id) else {
        return Err(Left::Skip("it does not wait for a retry any more"));
    };
    match open.stage {
        Stage::Retrying(due) if due > view.now.at => {
            let (story, actor) = (open.story, operation.actor.clone());
            Ok(vec![Fact::from(DeliveryHastened { delivery: id, story, actor })])
        }
        Stage::Retrying(_) => Err(Left::Skip("its retry is due already")),
        Stage::Leased(_) => Err(Left::Skip("an attempt at it runs")),
        Stage::Waiting => Err(Left::Skip("it waits for its turn, not for a retry")),
    }
}

/// A delivery that waits becomes a dead letter.
fn give_up(view: &View<'_>, operation: &Operation, id: DeliveryId) -> Result<Vec<Fact>, Left> {
    let gone = || Left::Skip("it does not wait any more");
    let subscription = view.state.subscriptions.get(&id.subscription).filter(|it| !it.removed);
    let subscription = subscription.ok_or_else(gone)?;
    let open = subscription.open.get(&(id.position, id.generation));
    if open.is_some_and(|open| open.lease().is_some()) {
        return Err(Left::Skip("an attempt at it runs"));
    }
    let event = match body(view, id)? {
        Some(event) => event,
        None => return Err(Left::Fail("its event can not be read any more")),
    };
    if open.is_none() {
        let over = subscription.is_taken(event.priority.lane(), id.position);
        if over || id.generation > 0 || id.position <= subscription.began {
            return Err(gone());
        }
    }
    let attempts: Vec<_> = open.map(|open| open.attempts.iter().cloned().collect()).unwrap_or_default();
    let failure = attempts.last().and_then(|attempt: &subscription::Attempt| attempt.failure.as_ref());
    let fingerprint = dead_letter::fingerprint(failure, Reason::GivenUp, &subscription.id.to_string());
    let given_up = DeliveryGivenUp {
        delivery: id,
        priority: event.priority,
        key: open.map_or_else(|| lanes::key_of(subscription.definition(), &event), |open| open.key),
        story: hash::of(&event.correlation_id),
        recorded_at: open.map(|open| open.recorded_at),
        actor: operation.actor.clone(),
        note: operation.reason.clone(),
    };
    let opened = DeadLetterOpened {
        delivery: id,
        event,
        reason: Reason::GivenUp,
        attempts,
        fingerprint,
        reopens: view.state.replaying.get(&id).copied(),
        // Whoever gave it up has decided: its key goes on.
        holds: None,
    };
    Ok(vec![Fact::from(given_up), Fact::from(opened)])
}

/// The event of a delivery: at its place in the log, or what its dead letter keeps.
fn body(view: &View<'_>, id: DeliveryId) -> Result<Option<std::sync::Arc<Event>>, Stop> {
    match view.lanes_event(id) {
        Some(event) => Ok(Some(event)),
        None => view.event(id.position),
    }
}
