//! What people and files do to subscriptions: declare, remove, pause, resume, seek.

use super::{Place, Stage, State, Subscription, SubscriptionId};
use crate::agent::Origin;
use crate::command::{Answer, SeekReport};
use crate::coordinator::{Stop, View};
use crate::fact::{
    BreakerClosed, Fact, SubscriptionDeclared, SubscriptionPaused, SubscriptionRemoved, SubscriptionResumed,
    SubscriptionSought,
};
use crate::ids::Position;
use crate::refusal::Refusal;
use crate::text::Text;
use crate::time::Timestamp;

type Decided = Result<(Vec<Fact>, Answer), Stop>;

pub(crate) fn find<'a>(view: &View<'a>, id: &SubscriptionId) -> Result<&'a State, Stop> {
    view.state.subscription(id).ok_or_else(|| {
        Stop::Refused(Refusal::SubscriptionUnknown { subscription: Text::from(id.to_string()) })
    })
}

/// Decides a declaration: a new one gets the next number and its place, one that is there keeps both.
///
/// # Errors
/// When the file owns it, or a topic does not let this agent in.
pub fn declare(
    view: &View<'_>,
    id: &SubscriptionId,
    definition: &Subscription,
    start: Option<Position>,
    actor: &Text,
    number_next: &mut u32,
) -> Result<Option<SubscriptionDeclared>, Stop> {
    check_subscribers(view, id, definition)?;
    let known = known(view, id, definition);
    if let Some(known) = known {
        if known.id == *id && known.definition() == definition {
            return Ok(None);
        }
        if definition.origin == Origin::Api && known.definition().origin == Origin::File {
            return Err(Stop::Refused(Refusal::DeclaredByFile { name: Text::from(id.to_string()) }));
        }
        return Ok(Some(SubscriptionDeclared {
            number: known.number,
            id: id.clone(),
            definition: definition.clone(),
            after: known.began,
            actor: actor.clone(),
        }));
    }
    let number = *number_next;
    *number_next += 1;
    let after = match definition.from {
        Place::End => view.state.position,
        Place::Start => Position(0),
        Place::After(position) => position.min(view.state.position),
        Place::Time(_) => start.unwrap_or(view.state.position).min(view.state.position),
    };
    let (id, definition, actor) = (id.clone(), definition.clone(), actor.clone());
    Ok(Some(SubscriptionDeclared { number, id, definition, after, actor }))
}

/// Returns the subscription that a declaration is about: that of its id, else the one it was renamed from.
pub(crate) fn known<'a>(
    view: &View<'a>,
    id: &SubscriptionId,
    definition: &Subscription,
) -> Option<&'a State> {
    let state = view.state;
    state.subscription(id).or_else(|| {
        let before = SubscriptionId { agent: id.agent.clone(), name: definition.renamed_from.clone()? };
        state.subscription(&before)
    })
}

fn check_subscribers(view: &View<'_>, id: &SubscriptionId, definition: &Subscription) -> Result<(), Stop> {
    for (name, topic) in &view.state.topics {
        let allowed = &topic.definition.subscribers;
        let meant = definition.topics.iter().any(|pattern| pattern.literal() == Some(name.as_str()));
        if meant && !allowed.is_empty() && !allowed.iter().any(|pattern| pattern.matches(&id.agent)) {
            let (topic, agent) = (name.text().clone(), id.agent.text().clone());
            return Err(Stop::Refused(Refusal::TopicNotAllowed { topic, agent, verb: "subscribe to" }));
        }
    }
    Ok(())
}

/// Decides to take a subscription away.
///
/// # Errors
/// When it is not there, or the file owns it.
pub fn remove(view: &View<'_>, id: &SubscriptionId, actor: &Text) -> Decided {
    let subscription = find(view, id)?;
    if subscription.definition().origin == Origin::File {
        return Err(Stop::Refused(Refusal::DeclaredByFile { name: Text::from(id.to_string()) }));
    }
    let fact = SubscriptionRemoved { number: subscription.number, actor: actor.clone() };
    Ok((vec![Fact::from(fact)], Answer::Done))
}

/// Decides to hold a subscription back. Running attempts finish.
///
/// # Errors
/// When it is not there.
pub fn pause(
    view: &View<'_>,
    id: &SubscriptionId,
    reason: Option<&Text>,
    until: Option<Timestamp>,
    actor: &Text,
) -> Decided {
    let number = find(view, id)?.number;
    let fact = SubscriptionPaused { number, reason: reason.cloned(), until, actor: actor.clone() };
    Ok((vec![Fact::from(fact)], Answer::Done))
}

/// Decides to let a subscription go on.
///
/// # Errors
/// When it is not there.
pub fn resume(view: &View<'_>, id: &SubscriptionId, actor: &Text) -> Decided {
    let subscription = find(view, id)?;
    if subscription.pause.is_none() {
        return Ok((Vec::new(), Answer::Done));
    }
    let fact = SubscriptionResumed { number: subscription.number, actor: actor.clone() };
    Ok((vec![Fact::from(fact)], Answer::Done))
}

/// Decides to close a subscription's breaker. Nothing happens when it is closed.
///
/// # Errors
/// When there is no such subscription.
pub fn reset_breaker(view: &View<'_>, id: &SubscriptionId, actor: &Text) -> Decided {
    let subscription = find(view, id)?;
    if !subscription.is_broken() {
        return Ok((Vec::new(), Answer::Done));
    }
    let fact = BreakerClosed { number: subscription.number, delivery: None, actor: Some(actor.clone()) };
    Ok((vec![Fact::from(fact)], Answer::Done))
}

/// Decides to set a subscription to another place: behind it leases are fenced, retries and parked ones dropped.
///
/// # Errors
/// When it is not there.
pub fn seek(view: &View<'_>, id: &SubscriptionId, after: Position, dry_run: bool, actor: &Text) -> Decided {
    let subscription = find(view, id)?;
    let after = after.min(view.state.position);
    let mut report = SeekReport { after, ..SeekReport::default() };
    for (_, open) in subscription.open.range((after.next(), 0)..).filter(|(_, open)| open.replay_of.is_none())
    {
        match open.stage {
            Stage::Leased(_) => report.open_leases += 1,
            Stage::Retrying(_) => report.retrying += 1,
            Stage::Waiting => report.parked += 1,
        }
    }
    let facts = if dry_run {
        Vec::new()
    } else {
        let fact = SubscriptionSought { number: subscription.number, after, actor: actor.clone() };
        vec![Fact::from(fact)]
    };
    Ok((facts, Answer::Sought(report)))
}
