//! Which room decides what.

use super::view::{Stop, View};
use crate::agent::{Origin, SEEN_STEP};
use crate::bulk_operation;
use crate::command::{Answer, Command};
use crate::dead_letter::decide as dead_letter;
use crate::event::publish;
use crate::fact::{
    AgentDeclared, AgentRemoved, AgentSeen, AgentsPaused, AgentsResumed, ClockJumped, Fact, NodeStarted,
};
use crate::refusal::Refusal;
use crate::retention::decide as retention;
use crate::subscription::{self, Until, operate};
use crate::text::Text;

pub(super) type Decided = Result<(Vec<Fact>, Answer), Stop>;

/// Decides a command. Pulls are not here: they take from the lanes, see `dispatch`.
pub(super) fn decide(view: &View<'_>, command: &Command) -> Decided {
    match command {
        Command::Start(start) => {
            let (epoch, wall) = (view.state.meta.epoch + 1, start.wall);
            let fact = NodeStarted { epoch, version: start.version.clone(), wall };
            Ok((vec![Fact::from(fact)], Answer::Done))
        }
        Command::NoteClockJump { by_ms, wall } => {
            Ok((vec![Fact::from(ClockJumped { by_ms: *by_ms, wall: *wall })], Answer::Done))
        }
        Command::Install(install) => super::install::decide(view, install),
        Command::Apply(apply) => super::install::apply(view, apply),
        Command::Audited(audited) => {
            let (mut facts, answer) = decide(view, &audited.command)?;
            // What changes nothing leaves no entry, but for what takes everything away, and what lets other programs run.
            let is_told = matches!(audited.command, Command::TakeBackup | Command::AcceptPrograms);
            if !facts.is_empty() || is_told {
                let entry = crate::audit::entry(view, audited, &facts);
                facts.push(Fact::from(entry));
            }
            Ok((facts, answer))
        }
        Command::TakeBackup | Command::AcceptPrograms => Ok((Vec::new(), Answer::Done)),
        Command::Publish(publish) => {
            let published = publish::decide(view, publish, publish::Origin::default())?;
            let answer = Answer::Published { receipts: published.receipts, replayed: published.replayed };
            Ok((published.facts, answer))
        }
        Command::RegisterAgent { name, definition, actor } => register_agent(view, name, definition, actor),
        Command::RemoveAgent { name, actor } => remove_agent(view, name, actor),
        Command::Heartbeat { name } => heartbeat(view, name),
        Command::DeclareSubscription { id, definition, start, actor } => {
            declare_subscription(view, id, definition, *start, actor)
        }
        Command::RemoveSubscription { id, actor } => operate::remove(view, id, actor),
        Command::PauseSubscription { id, reason, until, actor } => {
            operate::pause(view, id, reason.as_ref(), *until, actor)
        }
        Command::ResumeSubscription { id, actor } => operate::resume(view, id, actor),
        Command::Seek { id, after, dry_run, actor } => operate::seek(view, id, *after, *dry_run, actor),
        Command::PauseAgents { agents, until, topics, reason, actor } => {
            let (until, until_event) = match until {
                Some(Until::After(span)) => (Some(view.now.at.after(*span)), None),
                Some(Until::Event(filter)) => (None, Some(filter.clone())),
                None => (None, None),
            };
            let fact = AgentsPaused {
                cause: None,
                agents: agents.clone(),
                until,
                until_event,
                topics: topics.clone(),
                by: actor.clone(),
                reason: reason.clone(),
            };
            Ok((vec![Fact::from(fact)], Answer::Done))
        }
        Command::ResumeAgents { agents, actor } => {
            let pauses = view.state.pauses.iter();
            let meant = pauses.filter(|(_, pause)| pause.agents.contains(agents));
            let facts =
                meant.map(|(pause, _)| Fact::from(AgentsResumed { pause: *pause, actor: actor.clone() }));
            Ok((facts.collect(), Answer::Done))
        }
        Command::EndPause { pause, actor } => {
            let known = view.state.pauses.contains_key(pause);
            let fact = known.then(|| Fact::from(AgentsResumed { pause: *pause, actor: actor.clone() }));
            Ok((fact.into_iter().collect(), Answer::Done))
        }
        Command::Settle(settle) => {
            let (facts, settled) = subscription::decide::settle(view, settle)?;
            Ok((facts, Answer::Settled(settled)))
        }
        Command::Extend { delivery, token } => {
            let (facts, deadline) = subscription::decide::extend(view, *delivery, *token)?;
            Ok((facts, Answer::Extended(deadline)))
        }
        Command::EditDeadLetter(edit) => dead_letter::edit(view, edit),
        Command::ReplayDeadLetter(replay) => dead_letter::replay(view, replay),
        Command::ArchiveDeadLetter { id, note, actor } => dead_letter::archive(view, *id, note, actor),
        Command::RestoreDeadLetter { id, note, actor } => {
            dead_letter::restore(view, *id, note.as_ref(), actor)
        }
        Command::ReleaseKey { id, note, actor } => dead_letter::release_key(view, *id, note.as_ref(), actor),
        Command::ResetBreaker { id, actor } => operate::reset_breaker(view, id, actor),
        Command::EraseEvents(erase) => retention::erase(view, erase),
        Command::AdvanceErasure { erasure, stage } => retention::advance(view, *erasure, *stage),
        Command::DeclareGap(gap) => retention::declare_gap(view, gap),
        Command::StartBulk(start) => bulk_operation::decide::start(view, start),
        Command::AbortBulk { id, reason, actor } => {
            bulk_operation::decide::abort(view, *id, reason.as_ref(), actor)
        }
        Command::Pull(_) | Command::StopWaiting { .. } | Command::Trim(_) => {
            Err(Stop::Damaged("pulls are taken from the lanes".to_owned()))
        }
    }
}

fn register_agent(
    view: &View<'_>,
    name: &crate::agent::AgentName,
    definition: &crate::agent::Agent,
    actor: &Text,
) -> Decided {
    let seen = Fact::from(AgentSeen { name: name.clone() });
    let known = view.state.agents.get(name);
    match known {
        Some(known) if known.definition == *definition => Ok((vec![seen], Answer::Declared(false))),
        Some(known) if known.definition.origin == Origin::File => {
            Err(Stop::Refused(Refusal::DeclaredByFile { name: name.text().clone() }))
        }
        _ => {
            if known.is_none() && view.state.agents.len() >= view.limits.agents_max {
                return Err(Stop::Refused(Refusal::TooMany {
                    what: "agents",
                    limit: view.limits.agents_max,
                }));
            }
            let (name, definition, actor) = (name.clone(), definition.clone(), actor.clone());
            let fact = Fact::from(AgentDeclared { name, definition, actor });
            Ok((vec![fact, seen], Answer::Declared(known.is_none())))
        }
    }
}

fn remove_agent(view: &View<'_>, name: &crate::agent::AgentName, actor: &Text) -> Decided {
    let Some(agent) = view.state.agents.get(name) else {
        return Err(Stop::Refused(Refusal::AgentUnknown { agent: name.text().clone() }));
    };
    if agent.definition.origin == Origin::File {
        return Err(Stop::Refused(Refusal::DeclaredByFile { name: name.text().clone() }));
    }
    let mut facts = Vec::new();
    for (id, number) in &view.state.subscription_numbers {
        if id.agent == *name {
            facts
                .push(Fact::from(crate::fact::SubscriptionRemoved { number: *number, actor: actor.clone() }));
        }
    }
    facts.push(Fact::from(AgentRemoved { name: name.clone(), actor: actor.clone() }));
    Ok((facts, Answer::Done))
}

/// Being seen is written down at most once per step.
fn heartbeat(view: &View<'_>, name: &crate::agent::AgentName) -> Decided {
    let Some(agent) = view.state.agents.get(name) else {
        return Err(Stop::Refused(Refusal::AgentUnknown { agent: name.text().clone() }));
    };
    let fresh = agent.last_seen.is_some_and(|seen| {
        view.now.at.since(seen) < SEEN_STEP && agent.lease_ended_at.is_none_or(|ended| ended < seen)
    });
    let facts = if fresh { Vec::new() } else { vec![Fact::from(AgentSeen { name: name.clone() })] };
    Ok((facts, Answer::Done))
}

fn declare_subscription(
    view: &View<'_>,
    id: &subscription::SubscriptionId,
    definition: &subscription::Subscription,
    start: Option<crate::ids::Position>,
    actor: &Text,
) -> Decided {
    if !view.state.agents.contains_key(&id.agent) {
        return Err(Stop::Refused(Refusal::AgentUnknown { agent: id.agent.text().clone() }));
    }
    let new = view.state.subscription(id).is_none();
    if new && view.state.subscription_numbers.len() >= view.limits.subscriptions_max {
        let limit = view.limits.subscriptions_max;
        return Err(Stop::Refused(Refusal::TooMany { what: "subscriptions", limit }));
    }
    let mut number_next = view.state.meta.subscription_next;
    let fact = operate::declare(view, id, definition, start, actor, &mut number_next)?;
    Ok((fact.map(Fact::from).into_iter().collect(), Answer::Declared(new)))
}
