//! Leases and their outcomes: what a worker's answer, or its silence, leads to.

use std::sync::Arc;

use super::{Action, AfterDeadLetter, Attempt, AttemptOutcome, Lease, Open, State, breaker, retry};
use crate::command::{Outcome, Publish, Settle, Settled};
use crate::coordinator::{Stop, View};
use crate::dead_letter;
use crate::event::{Event, publish};
use crate::fact::{
    AgentsPaused, BreakerClosed, BreakerOpened, BreakerProbed, DeadLetterOpened, DeadLetterResolved,
    DeliveryAcked, DeliveryAnsweredLate, DeliveryExtended, DeliveryFailed, Fact, SubscriptionPaused,
};
use crate::ids::{DeadLetterId, DeliveryId, Position, Token};
use crate::refusal::Refusal;
use crate::row::{Key, Loaded};
use crate::subscription::Until;
use crate::text::Text;
use crate::time::{Span, Timestamp};

/// Decides what a worker's answer leads to.
///
/// # Errors
/// When the delivery is unknown, the answer is refused, or something must be loaded first.
pub fn settle(view: &View<'_>, settle: &Settle) -> Result<(Vec<Fact>, Settled), Stop> {
    let id = settle.delivery;
    let unknown = || {
        let delivery = Text::from(id.display(Timestamp(0)));
        Stop::Refused(Refusal::DeliveryUnknown { delivery })
    };
    let subscription = view.state.subscriptions.get(&id.subscription).ok_or_else(unknown)?;
    let slot = (id.position, id.generation);
    let Some((open, lease)) = subscription.open.get(&slot).and_then(|open| Some((open, open.lease()?)))
    else {
        // An answer that is sent twice is answered alike.
        if subscription.settled.0.contains(&(slot, settle.token)) && matches!(settle.outcome, Outcome::Ack(_))
        {
            return Ok((Vec::new(), Settled::Acked(Vec::new())));
        }
        return late(view, subscription, settle).ok_or_else(unknown);
    };
    if lease.token != settle.token {
        return late(view, subscription, settle).ok_or_else(unknown);
    }
    match &settle.outcome {
        Outcome::Ack(answer) => acked(view, settle, open, lease, answer.as_deref().map_err(Clone::clone)),
        Outcome::Park { agents, until } => {
            let (until, until_event) = match until {
                Until::After(span) => (Some(view.now.at.after(*span)), None),
                Until::Event(filter) => (None, Some(filter.clone())),
            };
            let mut facts = vec![Fact::from(AgentsPaused {
                cause: Some(id),
                agents: agents.clone(),
                until,
                until_event,
                topics: subscription.definition().topics.clone(),
                by: subscription.id.agent.text().clone(),
                reason: None,
            })];
            facts.extend(done(view, settle, open, lease));
            Ok((facts, Settled::Acked(Vec::new())))
        }
        Outcome::Nack(failure) => {
            let outcome = AttemptOutcome::Failed;
            let by_worker = by_worker(settle, failure.clone(), outcome);
            let (mut facts, settled) = failed(view, subscription, by_worker)?;
            facts.extend(gone(subscription, failure));
            Ok((facts, settled))
        }
    }
}

/// A receiver that answers 410 wants nothing any more: its subscription waits for a person.
fn gone(subscription: &State, failure: &retry::Failure) -> Option<Fact> {
    let webhook = matches!(subscription.definition().action, Action::Webhook(_));
    if !webhook || failure.status != Some(410) || subscription.pause.is_some() {
        return None;
    }
    Some(Fact::from(SubscriptionPaused {
        number: subscription.number,
        reason: Some(Text::from("the receiver answered 410 Gone")),
        until: None,
        actor: Text::from("/cantus/webhook"),
    }))
}

fn acked(
    view: &View<'_>,
    settle: &Settle,
    open: &Open,
    lease: &Lease,
    answer: Result<&crate::command::Publish, Refusal>,
) -> Result<(Vec<Fact>, Settled), Stop> {
    let id = settle.delivery;
    let origin = publish::Origin { answers: Some(id), only: None, facts_before: 0 };
    let published = answer.map_err(Stop::Refused).and_then(|publish| publish::decide(view, publish, origin));
    match published {
        Ok(published) => {
            let mut facts = published.facts;
            facts.extend(done(view, settle, open, lease));
            Ok((facts, Settled::Acked(published.receipts)))
        }
        // What the answer was checked against has changed: it is checked again.
        Err(Stop::Refused(Refusal::Stale)) => Err(Stop::Refused(Refusal::Stale)),
        Err(Stop::Refused(refusal))
            if settle.refusal_fails || matches!(refusal, Refusal::LoopDetected { .. }) =>
        {
            let failure = retry::Failure {
                class: retry::Class::Rejected,
                message: Text::from(format!("the answer was refused: {refusal}")),
                exit_code: None,
                status: None,
                output_tail: None,
                delay: None,
                refusal: Some(Text::from(refusal_code(&refusal))),
            };
            let subscription = &view.state.subscriptions[&id.subscription];
            failed(view, subscription, by_worker(settle, failure, AttemptOutcome::Failed))
        }
        Err(stop) => Err(stop),
    }
}

fn by_worker(settle: &Settle, failure: retry::Failure, outcome: AttemptOutcome) -> Failed<'_> {
    Failed {
        id: settle.delivery,
        failure,
        outcome,
        event: settle.event.clone(),
        announced: settle.on_failure.as_ref(),
        actor: Some(&settle.actor),
    }
}

/// The name under which a refusal of an answer is grouped.
fn refusal_code(refusal: &Refusal) -> String {
    let debug = format!("{refusal:?}");
    debug.split([' ', '{', '(']).next().unwrap_or_default().to_owned()
}

/// The facts of a success: the delivery is done, and so is the dead letter whose replay it was.
fn done(view: &View<'_>, settle: &Settle, open: &Open, lease: &Lease) -> Vec<Fact> {
    let delivery = settle.delivery;
    let mut facts = vec![Fact::from(DeliveryAcked {
        delivery,
        story: open.story,
        attempt: lease.attempt,
        began: lease.since,
        actor: Some(settle.actor.clone()),
    })];
    if let Some(id) = view.state.replaying.get(&delivery) {
        facts.push(Fact::from(DeadLetterResolved { id: *id, delivery: Some(delivery) }));
    }
    let number = delivery.subscription;
    if view.state.subscriptions.get(&number).is_some_and(State::is_broken) {
        facts.push(Fact::from(BreakerClosed { number, delivery: Some(delivery), actor: None }));
    }
    facts
}

/// An answer whose lease is over is stored and changes nothing. None when we never heard of the delivery.
fn late(view: &View<'_>, subscription: &State, settle: &Settle) -> Option<(Vec<Fact>, Settled)> {
    let id = settle.delivery;
    let lane_knows = (0..4).any(|lane| subscription.is_taken(lane, id.position));
    if !lane_knows || id.position <= subscription.began || settle.token.epoch > view.state.meta.epoch {
        return None;
    }
    let open = subscription.open.get(&(id.position, id.generation));
    let story = open
        .map(|open| open.story)
        .or_else(|| settle.event.as_ref().map(|it| crate::hash::of(&it.correlation_id)));
    let erased = view.state.erased.contains_key(&id.position);
    let (said, events) = match &settle.outcome {
        // What is said of an erased event is not kept.
        Outcome::Ack(_) | Outcome::Park { .. } if erased => (Text::from("ack"), None),
        Outcome::Nack(_) if erased => (Text::from("nack"), None),
        Outcome::Ack(Ok(publish)) => (Text::from("ack"), summary(publish)),
        Outcome::Ack(Err(refusal)) => (Text::from(format!("ack, refused: {refusal}")), None),
        Outcome::Park { .. } => (Text::from("ack"), None),
        Outcome::Nack(failure) => {
            (Text::from(format!("nack {}: {}", failure.class.as_str(), failure.message)), None)
        }
    };
    let fact = DeliveryAnsweredLate {
        delivery: id,
        story: story.unwrap_or_default(),
        token: settle.token,
        said,
        events,
        actor: Some(settle.actor.clone()),
    };
    Some((vec![Fact::from(fact)], Settled::Late))
}

/// Tells what a late answer would have published, in at most 64 KiB.
fn summary(publish: &crate::command::Publish) -> Option<Text> {
    let mut text = String::new();
    for admitted in &publish.events {
        let event = &admitted.event;
        let data = event.data.as_ref().map(|data| String::from_utf8_lossy(&data.bytes.0)).unwrap_or_default();
        let line = format!("{} {} {data}\n", event.event_type, event.id);
        if text.len() + line.len() > 64 * 1024 {
            text.push_str("…\n");
            break;
        }
        text.push_str(&line);
    }
    (!text.is_empty()).then(|| Text::from(text))
}

/// A failed attempt, as its worker or its timer tells it.
pub(crate) struct Failed<'a> {
    pub(crate) id: DeliveryId,
    pub(crate) failure: retry::Failure,
    pub(crate) outcome: AttemptOutcome,
    /// The event, when the caller has it.
    pub(crate) event: Option<Arc<Event>>,
    /// The event that announces the dead letter, should this make one.
    pub(crate) announced: Option<&'a Result<Box<Publish>, Refusal>>,
    pub(crate) actor: Option<&'a Text>,
}

/// Decides what becomes of a delivery whose attempt failed.
pub(crate) fn failed(
    view: &View<'_>,
    subscription: &State,
    failed: Failed<'_>,
) -> Result<(Vec<Fact>, Settled), Stop> {
    let id = failed.id;
    let open = subscription
        .open
        .get(&(id.position, id.generation))
        .ok_or_else(|| Stop::Damaged(format!("delivery {} is not open", id.position)))?;
    let Some(lease) = open.lease() else {
        return Err(Stop::Damaged(format!("delivery {} is not leased", id.position)));
    };
    let (now, failure) = (view.now.at, failed.failure);
    let definition = subscription.definition();
    let breaker = subscription.breaker.clone().unwrap_or_default();
    let spends = breaker.spends(id, failure.class);
    let flow = breaker.after_failure(&definition.breaker_policy(), id, &failure, now);
    let flow = breaker_fact(flow, id, &failure);
    let loop_detected = failure.refusal.as_deref() == Some("LoopDetected");
    let verdict = if loop_detected {
        retry::Verdict::DeadLetter(retry::Reason::LoopDetected)
    } else {
        // What spends no attempt waits as if it had, and is never the last.
        let counted = if spends { open.failed + 1 } else { open.failed.min(definition.retry.max_retries) };
        retry::after_failure(&definition.retry, &failure, counted, now, view.now.chance)
    };
    let mut attempt = Attempt {
        number: lease.attempt,
        at: lease.since,
        ended: now,
        outcome: failed.outcome,
        failure: Some(failure),
        next_at: None,
    };
    let (story, actor) = (open.story, failed.actor.cloned());
    let unspent = (!spends).then_some(true);
    let retried = |mut attempt: Attempt, due, flow: Option<Fact>| {
        attempt.next_at = Some(due);
        let fact = DeliveryFailed { delivery: id, story, attempt, actor: actor.clone(), unspent };
        let facts = std::iter::once(Fact::from(fact)).chain(flow).collect();
        Ok((facts, Settled::Retrying(due)))
    };
    let reason = match verdict {
        retry::Verdict::RetryAt(due) => return retried(attempt, due, flow),
        retry::Verdict::DeadLetter(reason) => reason,
    };
    let event = match failed.event {
        Some(event) => Some(event),
        None => view.event(id.position)?,
    };
    let Some(event) = event else {
        // Without its body it can be no dead letter: it stays visible as a retry until the log can be read again.
        let due = now.after(definition.retry.max_delay.max(Span::seconds(30)));
        return retried(attempt, due, flow);
    };
    let mut attempts: Vec<Attempt> = open.attempts.iter().cloned().collect();
    attempt.next_at = None;
    attempts.push(attempt.clone());
    let failure = attempts.last().and_then(|attempt| attempt.failure.as_ref());
    let fingerprint = dead_letter::fingerprint(failure, reason, &subscription.id.to_string());
    let reopens = view.state.replaying.get(&id).copied();
    let holds = match definition.after_dead_letter {
        // The dead letter whose replay this is holds it already, or was let go by a person.
        AfterDeadLetter::HoldKey => open.key.filter(|_| reopens.is_none()),
        AfterDeadLetter::Continue => None,
    };
    let opened = DeadLetterOpened { delivery: id, event, reason, attempts, fingerprint, reopens, holds };
    let position = Position(view.state.position.0 + 2);
    let dead = reopens.unwrap_or(DeadLetterId(position));
    let failed_fact = DeliveryFailed { delivery: id, story, attempt, actor, unspent };
    let mut facts = vec![Fact::from(failed_fact), Fact::from(opened)];
    facts.extend(flow);
    if let Some(Ok(publish)) = failed.announced {
        let origin = publish::Origin { answers: Some(id), only: None, facts_before: facts.len() as u64 };
        match publish::decide(view, publish, origin) {
            Ok(published) => facts.extend(published.facts),
            // A dead letter is never lost because what announces it can not be.
            Err(Stop::Refused(refusal)) if refusal != Refusal::Stale => {}
            Err(stop) => return Err(stop),
        }
    }
    Ok((facts, Settled::Dead(dead)))
}

/// Returns what is written down of what a failure does to the breaker.
fn breaker_fact(verdict: breaker::Verdict, id: DeliveryId, failure: &retry::Failure) -> Option<Fact> {
    let (number, delivery, class) = (id.subscription, id, failure.class);
    let message: String = failure.message.chars().take(200).collect();
    let message = Text::from(message);
    match verdict {
        breaker::Verdict::Unmoved => None,
        breaker::Verdict::Opens { failures, pause, probe_at } => {
            Some(Fact::from(BreakerOpened { number, delivery, failures, class, message, pause, probe_at }))
        }
        breaker::Verdict::StaysOpen { pause, probe_at } => {
            Some(Fact::from(BreakerProbed { number, delivery, class, message, pause, probe_at }))
        }
    }
}

/// Decides what the end of a pulled delivery's lease leads to. Nothing when it was settled or extended meanwhile.
pub(crate) fn lease_ends(view: &View<'_>, id: DeliveryId) -> Result<Vec<Fact>, Stop> {
    let Some(subscription) = view.state.subscriptions.get(&id.subscription) else { return Ok(Vec::new()) };
    let lease = subscription.open.get(&(id.position, id.generation)).and_then(|open| open.lease());
    let Some(lease) = lease.filter(|lease| lease.deadline <= view.now.at) else { return Ok(Vec::new()) };
    let failure = retry::Failure {
        class: retry::Class::Timeout,
        message: Text::from(format!(
            "the lease ended after {} s without an answer",
            lease.deadline.since(lease.since).0 / 1_000
        )),
        exit_code: None,
        status: None,
        output_tail: None,
        delay: None,
        refusal: None,
    };
    let (outcome, event) = (AttemptOutcome::LeaseEnded, view.lanes_event(id));
    let ended = Failed { id, failure, outcome, event, announced: None, actor: None };
    failed(view, subscription, ended).map(|(facts, _)| facts)
}

/// Decides a worker's asking for more time.
///
/// # Errors
/// When it holds no lease.
pub fn extend(view: &View<'_>, id: DeliveryId, token: Token) -> Result<(Vec<Fact>, Timestamp), Stop> {
    let unknown = || {
        let delivery = Text::from(id.display(Timestamp(0)));
        Stop::Refused(Refusal::DeliveryUnknown { delivery })
    };
    let subscription = view.state.subscriptions.get(&id.subscription).ok_or_else(unknown)?;
    let open = subscription.open.get(&(id.position, id.generation));
    let lease = open.and_then(|open| open.lease()).filter(|lease| lease.token == token);
    let Some(lease) = lease else {
        return Err(Stop::Refused(Refusal::LeaseLost));
    };
    let definition = subscription.definition();
    let last = lease.since.after(definition.lease_max());
    let deadline = view.now.at.after(definition.lease).min(last);
    if deadline <= lease.deadline {
        // It has reached its end: nothing to write down, and the caller sees when.
        return Ok((Vec::new(), lease.deadline));
    }
    Ok((vec![Fact::from(DeliveryExtended { delivery: id, deadline })], deadline))
}

impl View<'_> {
    /// Returns the event at a position, loaded before.
    pub(crate) fn event(&self, position: Position) -> Result<Option<Arc<Event>>, Stop> {
        match self.loaded.get(&Key::Event(position)) {
            Some(Loaded::Event(event)) => Ok(event.clone()),
            Some(Loaded::Row(_)) | None => Err(Stop::Need(vec![Key::Event(position)])),
        }
    }
}

/// Tells whether an action is carried out by us rather than pulled.
pub fn is_pushed(action: &Action) -> bool {
    !matches!(action, Action::Inbox)
}
