//! What a person does to a dead letter: edit, replay, archive, restore.

use super::{DeadLetter, Move};
use crate::command::{Answer, EditDeadLetter, ReplayDeadLetter};
use crate::coordinator::{Stop, View};
use crate::event::publish;
use crate::fact::{
    DeadLetterArchived, DeadLetterEdited, DeadLetterReplayed, DeadLetterResolved, DeadLetterRestored, Fact,
    KeyReleased,
};
use crate::hash;
use crate::ids::{DeadLetterId, DeliveryId};
use crate::refusal::Refusal;
use crate::subscription::{self, lanes};
use crate::text::Text;
use crate::time::Timestamp;

type Decided = Result<(Vec<Fact>, Answer), Stop>;

fn find<'a>(view: &View<'a>, id: DeadLetterId, what: Move) -> Result<&'a DeadLetter, Stop> {
    let dead_letter = view.state.dead_letters.get(&id).ok_or_else(|| {
        let id = Text::from(id.display(Timestamp(0)));
        Stop::Refused(Refusal::DeadLetterUnknown { id })
    })?;
    if dead_letter.erased.is_some() {
        let event = dead_letter.event_id.clone();
        return Err(Stop::Refused(Refusal::EventErased { event }));
    }
    dead_letter.status.after(what).map_err(|error| Stop::Refused(Refusal::DeadLetterState(error)))?;
    Ok(dead_letter)
}

/// Decides an edit.
///
/// # Errors
/// When there is no such dead letter, it is not open, or somebody else edited it meanwhile.
pub fn edit(view: &View<'_>, edit: &EditDeadLetter) -> Decided {
    let dead_letter = find(view, edit.id, Move::Edit)?;
    if dead_letter.edit != edit.seen_edit {
        return Err(Stop::Refused(Refusal::Stale));
    }
    let fact = DeadLetterEdited {
        id: edit.id,
        data: edit.data.clone(),
        attributes: edit.attributes.clone(),
        actor: edit.actor.clone(),
        note: edit.note.clone(),
        event: edit.event.clone(),
    };
    Ok((vec![Fact::from(fact)], Answer::Done))
}

/// Decides a replay: to a subscription as the same event and a new delivery; edited or to a topic as a new event.
///
/// # Errors
/// When it can not be replayed now, its target is not there, or its new event is refused.
pub fn replay(view: &View<'_>, replay: &ReplayDeadLetter) -> Decided {
    let dead_letter = find(view, replay.id, Move::Replay)?;
    if dead_letter.edit != replay.seen_edit {
        return Err(Stop::Refused(Refusal::Stale));
    }
    let target = if replay.to_topic { None } else { Some(target(view, dead_letter, replay)?) };
    let Some(new_event) = &replay.publish else {
        let Some(target) = target else {
            return Err(Stop::Damaged("a replay to a topic has an event to publish".to_owned()));
        };
        let position = dead_letter.delivery.position;
        let newest = view.state.generations.get(&(target.number, position)).copied();
        let used = newest.or_else(|| (target.number == dead_letter.delivery.subscription).then_some(0));
        let generation = used.unwrap_or(0).saturating_add(1);
        let delivery = DeliveryId { subscription: target.number, position, generation };
        let fact = replayed(replay, Some(delivery), None, target.definition(), &replay.event);
        return Ok((vec![Fact::from(fact)], Answer::Replayed { delivery: Some(delivery), receipt: None }));
    };
    let only = target.map(|target| target.number);
    let origin = publish::Origin { answers: None, only, facts_before: 0 };
    let published = publish::decide(view, new_event, origin)?;
    let Some(receipt) = published.receipts.into_iter().next() else {
        return Err(Stop::Damaged("a replay publishes one event".to_owned()));
    };
    let mut facts = published.facts;
    let event = &new_event.events[0].event;
    let Some(target) = target else {
        // A topic has taken it: nothing more to wait for.
        let fact = topic_replay(replay, &receipt.id);
        facts.push(Fact::from(fact));
        facts.push(Fact::from(DeadLetterResolved { id: replay.id, delivery: None }));
        return Ok((facts, Answer::Replayed { delivery: None, receipt: Some(receipt) }));
    };
    let delivery = DeliveryId { subscription: target.number, position: receipt.position, generation: 0 };
    let fact = replayed(replay, Some(delivery), Some(receipt.id.clone()), target.definition(), event);
    facts.push(Fact::from(DeadLetterReplayed { recorded_at: view.now.at, ..fact }));
    Ok((facts, Answer::Replayed { delivery: Some(delivery), receipt: Some(receipt) }))
}

fn target<'a>(
    view: &View<'a>,
    dead_letter: &DeadLetter,
    replay: &ReplayDeadLetter,
) -> Result<&'a subscription::State, Stop> {
    let found = match &replay.to {
        Some(id) => view.state.subscription(id),
        None => view.state.subscriptions.get(&dead_letter.delivery.subscription).filter(|it| !it.removed),
    };
    found.ok_or_else(|| {
        let own =
            view.state.subscriptions.get(&dead_letter.delivery.subscription).map(|it| it.id.to_string());
        let name = replay.to.as_ref().map(ToString::to_string).or(own).unwrap_or_default();
        Stop::Refused(Refusal::SubscriptionUnknown { subscription: Text::from(name) })
    })
}

fn replayed(
    replay: &ReplayDeadLetter,
    delivery: Option<DeliveryId>,
    event_id: Option<Text>,
    definition: &subscription::Subscription,
    event: &crate::event::Event,
) -> DeadLetterReplayed {
    DeadLetterReplayed {
        id: replay.id,
        delivery,
        event_id,
        priority: event.priority,
        key: lanes::key_of(definition, event),
        own_key: own_key(definition, event),
        story: hash::of(&event.correlation_id),
        recorded_at: replay.recorded_at,
        actor: replay.actor.clone(),
        note: replay.note.clone(),
    }
}

fn topic_replay(replay: &ReplayDeadLetter, event_id: &Text) -> DeadLetterReplayed {
    DeadLetterReplayed {
        id: replay.id,
        delivery: None,
        event_id: Some(event_id.clone()),
        priority: replay.event.priority,
        key: None,
        own_key: None,
        story: hash::of(&replay.event.correlation_id),
        recorded_at: replay.recorded_at,
        actor: replay.actor.clone(),
        note: replay.note.clone(),
    }
}

/// Decides to put a dead letter away.
///
/// # Errors
/// When there is no such dead letter, or it is on its way.
pub fn archive(view: &View<'_>, id: DeadLetterId, note: &Text, actor: &Text) -> Decided {
    find(view, id, Move::Archive)?;
    let fact = DeadLetterArchived { id, note: note.clone(), actor: actor.clone() };
    Ok((vec![Fact::from(fact)], Answer::Done))
}

/// Decides to take a dead letter back.
///
/// # Errors
/// When there is no such dead letter, or it is not archived.
pub fn restore(view: &View<'_>, id: DeadLetterId, note: Option<&Text>, actor: &Text) -> Decided {
    find(view, id, Move::Restore)?;
    let fact = DeadLetterRestored { id, actor: actor.clone(), note: note.cloned() };
    Ok((vec![Fact::from(fact)], Answer::Done))
}

/// Decides to let the key that a dead letter holds go on. The dead letter stays as it is.
///
/// # Errors
/// When there is no such dead letter, or it holds no key.
pub fn release_key(view: &View<'_>, id: DeadLetterId, note: Option<&Text>, actor: &Text) -> Decided {
    let text = |id: DeadLetterId| Text::from(id.display(Timestamp(0)));
    let Some(dead_letter) = view.state.dead_letters.get(&id) else {
        return Err(Stop::Refused(Refusal::DeadLetterUnknown { id: text(id) }));
    };
    let Some(key) = dead_letter.holds else {
        return Err(Stop::Refused(Refusal::KeyNotHeld { id: text(id) }));
    };
    let fact = KeyReleased { id, key, actor: actor.clone(), note: note.cloned() };
    Ok((vec![Fact::from(fact)], Answer::Done))
}

/// The event's own order key, where the order makes another of it.
fn own_key(definition: &subscription::Subscription, event: &crate::event::Event) -> Option<u64> {
    lanes::own_key(event).filter(|own| lanes::key_of(definition, event) != Some(*own))
}
