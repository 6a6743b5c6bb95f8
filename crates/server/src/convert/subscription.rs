//! Subscriptions as they stand: what is declared, how far they have got, what holds them back.

use cantus_api::definition::{AfterDeadLetter, Backoff, Duration, FailureClass, Order, RetryPolicy};
use cantus_api::subscription::{
    ActionSummary, Breaker, BreakerState, Origin, Pause, PriorityCursor, State, Subscription,
};
use cantus_core::event::Priority;
use cantus_core::subscription::why::Counts;
use cantus_core::subscription::{self, Action, Stage, retry};
use cantus_core::{Coordinator, Position, agent};

use super::{event, time};

/// Returns a subscription for the wire.
pub fn out(coordinator: &Coordinator, it: &subscription::State, dead_letters: u64) -> Subscription {
    let definition = it.definition();
    let counts = coordinator.counts(it.number);
    let cursors = Priority::ALL.into_iter().zip(counts.floors).filter(|(_, floor)| floor.0 > 0);
    let parked = it.open.values().filter(|open| matches!(open.stage, Stage::Waiting)).count();
    Subscription {
        id: it.id.to_string(),
        agent: it.id.agent.to_string(),
        name: it.id.name.to_string(),
        topics: definition.topics.iter().map(|topic| topic.as_str().to_owned()).collect(),
        filter: definition.filter.as_ref().and_then(|filter| serde_json::from_str(filter).ok()),
        action: action(&definition.action, definition.lease),
        state: if it.pause.is_some() { State::Paused } else { State::Active },
        pause: it.pause.as_ref().map(|pause| Pause {
            reason: pause.reason.as_ref().map(ToString::to_string),
            by: Some(pause.actor.to_string()),
            since: time::text(pause.since),
            until: pause.until.map(time::text),
            until_event: None,
        }),
        origin: origin(definition.origin),
        cursors: cursors
            .map(|(priority, floor)| PriorityCursor {
                priority: event::priority_out(priority),
                position: floor.to_string(),
            })
            .collect(),
        gap: it.expired.as_ref().map(gap),
        lag_events: lag_events(coordinator, it),
        in_flight: counts.leased as u64,
        retrying: counts.retrying as u64,
        waiting: counts.waiting.max(parked) as u64,
        dead_letters,
        retry: retry_out(&definition.retry),
        concurrency: definition.concurrency,
        max_in_flight: definition.max_in_flight,
        order: order(definition.order),
        after_dead_letter: match definition.after_dead_letter {
            subscription::AfterDeadLetter::Continue => AfterDeadLetter::Continue,
            subscription::AfterDeadLetter::HoldKey => AfterDeadLetter::HoldKey,
        },
        held_keys: it.held.len() as u64,
        rate: definition.rate.map(|rate| rate.to_string()),
        breaker: breaker(it),
    }
}

/// Returns what a subscription lost, for the wire.
pub fn gap(lost: &cantus_core::retention::Expired) -> cantus_api::stream::Gap {
    cantus_api::stream::Gap {
        from: lost.from.to_string(),
        to: lost.to.next().to_string(),
        reason: "expired".to_owned(),
    }
}

fn breaker(it: &subscription::State) -> Option<Breaker> {
    let failure_threshold = it.definition().breaker_policy().failure_threshold;
    let closed = Breaker {
        state: BreakerState::Closed,
        failures: it.breaker.as_ref().map_or(0, |breaker| breaker.failing.len() as u64),
        failure_threshold,
        since: None,
        probe_at: None,
        class: None,
        message: None,
    };
    let Some(opened) = it.breaker.as_ref().and_then(|breaker| breaker.opened.as_ref()) else {
        return (failure_threshold > 0).then_some(closed);
    };
    let probing = opened.probe.is_some();
    Some(Breaker {
        state: if probing { BreakerState::HalfOpen } else { BreakerState::Open },
        failures: u64::from(opened.failures),
        since: Some(time::text(opened.since)),
        probe_at: (!probing).then(|| time::text(opened.probe_at)),
        class: Some(opened.class.as_str().to_owned()),
        message: Some(opened.message.to_string()),
        ..closed
    })
}

/// Returns how many events a subscription still has to look at: those that wait, and at most as many as there are places
/// between what it has read and the last event of its topics.
pub fn lag_events(coordinator: &Coordinator, it: &subscription::State) -> u64 {
    let counts = coordinator.counts(it.number);
    let definition = it.definition();
    let topics = coordinator.state.topics.iter();
    let heard = topics.filter(|(name, _)| definition.topics.iter().any(|one| one.matches(name.as_str())));
    let last = heard.filter_map(|(_, topic)| topic.last).max().unwrap_or_default();
    counts.waiting as u64 + last.0.saturating_sub(read_up_to(definition, &counts).0)
}

/// Returns up to where a subscription has read the log.
pub fn read_up_to(definition: &subscription::Subscription, counts: &Counts) -> Position {
    let lanes = match definition.order {
        subscription::Order::Topic => &counts.heads[Priority::Normal.lane()..=Priority::Normal.lane()],
        subscription::Order::Key | subscription::Order::None => &counts.heads[..],
    };
    lanes.iter().min().copied().unwrap_or_default()
}

/// Returns where a definition comes from, for the wire.
pub fn origin(origin: agent::Origin) -> Origin {
    match origin {
        agent::Origin::File => Origin::File,
        agent::Origin::Api => Origin::Api,
        agent::Origin::Applied => Origin::Applied,
    }
}

/// Returns an order for the wire.
pub fn order(order: subscription::Order) -> Order {
    match order {
        subscription::Order::Key => Order::Key,
        subscription::Order::None => Order::None,
        subscription::Order::Topic => Order::Topic,
    }
}

fn action(action: &Action, lease: cantus_core::Span) -> ActionSummary {
    let (summary, timeout) = match action {
        // Arguments may hold what is nobody's business; the program alone says enough.
        Action::Exec(exec) => {
            let program = exec.argv.first().map(ToString::to_string).unwrap_or_default();
            let more = if exec.argv.len() > 1 { " …" } else { "" };
            (format!("{program}{more}"), Some(exec.timeout))
        }
        Action::Webhook(webhook) => (super::webhook::place(webhook), Some(webhook.timeout)),
        Action::Inbox => (String::new(), Some(lease)),
        Action::Publish(publish) => {
            (publish.topic.as_deref().unwrap_or("the topic of the event").to_owned(), None)
        }
        Action::Pause(pause) => {
            (pause.agents.iter().map(|agent| agent.as_str()).collect::<Vec<_>>().join(", "), None)
        }
    };
    ActionSummary { kind: action.as_str().to_owned(), summary, timeout: timeout.map(time::span_text) }
}

/// Returns a retry policy for the wire.
pub fn retry_out(policy: &retry::Policy) -> RetryPolicy {
    let classes = |list: &[cantus_core::Text]| {
        list.iter().filter_map(|entry| FailureClass::parse(entry).ok()).collect::<Vec<_>>()
    };
    RetryPolicy {
        max_retries: policy.max_retries,
        backoff_type: match policy.backoff {
            retry::Backoff::Exponential => Backoff::Exponential,
            retry::Backoff::Linear => Backoff::Linear,
            retry::Backoff::Fixed => Backoff::Fixed,
        },
        initial_delay: Duration::from_millis(policy.initial_delay.0),
        max_delay: Duration::from_millis(policy.max_delay.0),
        retry_on: classes(&policy.retry_on),
        no_retry_on: classes(&policy.no_retry_on),
        multiplier: f64::from(policy.multiplier_thousandths) / 1000.0,
        jitter: f64::from(policy.jitter_thousandths) / 1000.0,
    }
}
