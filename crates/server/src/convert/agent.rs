//! Agents as they stand: declared or registered, alive or not, and what they work on.

use cantus_api::agent::{Agent, State};
use cantus_api::subscription::Pause;
use cantus_core::agent::{AgentName, Liveness};
use cantus_core::command::Now;
use cantus_core::ids::DeliveryId;
use cantus_core::state;
use cantus_core::subscription::{self, Action, Stage};
use cantus_core::{Coordinator, agent};

use super::subscription::origin;
use super::time;

/// How many deliveries of an agent are named.
const PROCESSING_MAX: usize = 100;

/// Returns an agent for the wire. Lists leave the prompt out.
pub fn out(
    coordinator: &Coordinator,
    name: &AgentName,
    agent: &agent::State,
    now: Now,
    with_prompt: bool,
) -> Agent {
    let subscriptions: Vec<&subscription::State> = of_agent(&coordinator.state, name).collect();
    let mut processing = Vec::new();
    for it in &subscriptions {
        for ((position, generation), open) in &it.open {
            if processing.len() < PROCESSING_MAX && matches!(open.stage, Stage::Leased(_)) {
                let id = DeliveryId { subscription: it.number, position: *position, generation: *generation };
                processing.push(id.display(open.recorded_at));
            }
        }
    }
    let definition = &agent.definition;
    let texts = |list: &[cantus_core::Text]| list.iter().map(ToString::to_string).collect();
    Agent {
        address: name.to_string(),
        description: definition.description.as_ref().map(ToString::to_string),
        publishes: texts(&definition.publishes),
        handles: texts(&definition.handles),
        transport: transport(&subscriptions),
        state: liveness(agent, &subscriptions, now),
        pause: coordinator.state.parked_by(name).map(|(_, pause)| pause_out(pause)),
        origin: origin(definition.origin),
        last_seen: agent.last_seen.map(time::text),
        published: agent.published,
        consumed: agent.consumed,
        processing,
        subscriptions: subscriptions.iter().map(|it| it.id.to_string()).collect(),
        prompt: definition.prompt.as_ref().filter(|_| with_prompt).map(ToString::to_string),
    }
}

/// Returns the subscriptions of an agent, by name.
pub fn of_agent<'a>(
    state: &'a cantus_core::State,
    name: &'a AgentName,
) -> impl Iterator<Item = &'a subscription::State> {
    let first = subscription::SubscriptionId { agent: name.clone(), name: cantus_core::Text::default() };
    let numbers = state.subscription_numbers.range(first..).take_while(move |(id, _)| id.agent == *name);
    numbers.filter_map(|(_, number)| state.subscriptions.get(number))
}

fn transport(subscriptions: &[&subscription::State]) -> String {
    let has = |wanted: fn(&Action) -> bool| subscriptions.iter().any(|it| wanted(&it.definition().action));
    let kinds = [
        ("exec", has(|action| matches!(action, Action::Exec(_)))),
        ("webhook", has(|action| matches!(action, Action::Webhook(_)))),
        ("inbox", has(|action| matches!(action, Action::Inbox))),
    ];
    kinds.into_iter().filter(|(_, has)| *has).map(|(kind, _)| kind).collect::<Vec<_>>().join(",")
}

/// Judges an agent. What the server itself runs is always within reach; an agent that pulls must show itself.
pub fn liveness(agent: &agent::State, subscriptions: &[&subscription::State], now: Now) -> State {
    let pulls = |it: &&&subscription::State| matches!(it.definition().action, Action::Inbox);
    let inboxes: Vec<_> = subscriptions.iter().filter(pulls).collect();
    if inboxes.is_empty() && !subscriptions.is_empty() {
        return State::Online;
    }
    let half_spent = inboxes.iter().any(|it| {
        let lease_ms = it.definition().lease.0;
        let leases = it.open.values().filter_map(|open| open.lease());
        // A progress moves the deadline: what is left of it counts, not when the lease began.
        leases.into_iter().any(|lease| lease.deadline.since(now.at).0 < lease_ms / 2)
    });
    match agent.liveness(now.at, half_spent) {
        Liveness::NeverSeen => State::NeverSeen,
        Liveness::Online => State::Online,
        Liveness::Slow => State::Slow,
        Liveness::Silent => State::Silent,
        Liveness::Dead => State::Dead,
    }
}

/// Returns a pause of agents for the wire.
pub fn pause_out(pause: &state::AgentsPause) -> Pause {
    Pause {
        reason: pause.reason.as_ref().map(ToString::to_string),
        by: Some(pause.by.to_string()),
        since: time::text(pause.since),
        until: pause.until.map(time::text),
        until_event: pause.until_event.as_ref().and_then(|filter| serde_json::from_str(filter).ok()),
    }
}
