//! The log is the truth: the facts alone rebuild the state that lives, row for row; so do the rows of a checkpoint and the
//! facts behind it. Deleting a checkpoint costs time only. And the state is the one the reference model has.

use std::collections::BTreeMap;

use cantus_core::ids::DeliveryId;
use cantus_core::row::Key;
use cantus_core::state::Timer;
use cantus_core::{State, Timestamp};
use cantus_runtime::simulation::{rebuild, rebuild_from_bases};

use super::{Invariant, Look, Verdict, hold};
use crate::checkpoint::KeptRows;
use crate::model::{Ledger, Model, Stage};

pub(super) struct FactsRebuildState;

/// Every row of a state.
fn rows(state: &State) -> BTreeMap<Key, Vec<u8>> {
    let mut keys = vec![Key::Meta];
    keys.extend(state.topics.keys().cloned().map(Key::Topic));
    keys.extend(state.agents.keys().cloned().map(Key::Agent));
    for (number, subscription) in &state.subscriptions {
        keys.push(Key::Subscription(*number));
        let open = subscription.open.keys();
        keys.extend(open.map(|(position, generation)| Key::Open(*number, *position, *generation)));
    }
    keys.extend(state.dead_letters.keys().copied().map(Key::DeadLetter));
    keys.extend(state.deferred.keys().copied().map(Key::Deferred));
    keys.extend(state.requests.keys().copied().map(Key::Request));
    keys.extend(state.pauses.keys().copied().map(Key::Pause));
    keys.extend(state.bulk_operations.keys().copied().map(Key::Bulk));
    keys.extend(state.bulk_items.keys().copied().map(Key::BulkItems));
    keys.extend(state.erasures.keys().copied().map(Key::Erasure));
    keys.extend(state.gaps.keys().copied().map(Key::Gap));
    keys.push(Key::Audit);
    for (topic, window) in &state.windows {
        keys.extend(window.chunk_numbers().map(|chunk| Key::Dedupe(topic.clone(), chunk)));
    }
    keys.into_iter().filter_map(|key| state.row(&key).map(|row| (key, row))).collect()
}

fn compare(what: &str, now: Timestamp, one: &State, other: &State) -> Verdict {
    hold(one.position == other.position, || {
        format!("{what}: one is at {}, the other at {}", one.position, other.position)
    })?;
    let (ones, others) = (rows(one), rows(other));
    for key in ones.keys().chain(others.keys()) {
        hold(ones.get(key) == others.get(key), || {
            let length = |rows: &BTreeMap<Key, Vec<u8>>| rows.get(key).map(Vec::len);
            let detail = match key {
                Key::Subscription(number) => {
                    format!(" {:?} {:?}", one.subscriptions.get(number), other.subscriptions.get(number))
                }
                Key::Open(number, position, generation) => {
                    let id =
                        DeliveryId { subscription: *number, position: *position, generation: *generation };
                    format!(" {:?} {:?}", one.open(id), other.open(id))
                }
                Key::Agent(name) => format!(" {:?} {:?}", one.agents.get(name), other.agents.get(name)),
                _ => String::new(),
            };
            format!(
                "{what}: row {key:?} differs: {:?} and {:?} bytes{detail}",
                length(&ones),
                length(&others)
            )
        })?;
    }
    // Of these only the timer is gone once their time has come: what they led to is in the lanes.
    let timers = |state: &State| -> Vec<_> {
        let all = state.timers.iter().copied();
        let due = |timer: &(Timestamp, Timer)| {
            let kind = matches!(timer.1, Timer::RetryDue(_) | Timer::ProbeDue(_) | Timer::RateFrees(_));
            kind && timer.0 <= now
        };
        all.filter(|timer| !due(timer)).collect()
    };
    hold(timers(one) == timers(other), || {
        format!("{what}: timers differ: {:?} and {:?}", timers(one), timers(other))
    })?;
    hold(one.replaying == other.replaying && one.subscription_numbers == other.subscription_numbers, || {
        format!("{what}: what is derived differs: {:?} and {:?}", one.replaying, other.replaying)
    })
}

/// Compares with what the reference model says is open.
fn model_agrees(model: &Model, state: &State) -> Verdict {
    for (number, sub) in &model.subscriptions {
        let Some(subscription) = state.subscriptions.get(number) else {
            return Err(format!("subscription {number} is missing in the state"));
        };
        let stage = |stage: &cantus_core::subscription::Stage| match stage {
            cantus_core::subscription::Stage::Leased(lease) => {
                Stage::Leased { token: lease.token, since: lease.since, deadline: lease.deadline }
            }
            cantus_core::subscription::Stage::Retrying(due) => Stage::Retrying(*due),
            cantus_core::subscription::Stage::Waiting => Stage::Waiting,
        };
        let ours: Vec<_> = sub
            .deliveries
            .iter()
            .filter(|(_, it)| !it.is_closed())
            .map(|(slot, it)| (*slot, it.stage, it.acquired, it.failed))
            .collect();
        let theirs: Vec<_> = subscription
            .open
            .iter()
            .map(|(slot, open)| (*slot, stage(&open.stage), open.acquired, open.failed))
            .collect();
        hold(ours == theirs, || format!("open for {} are {ours:?}, the state says {theirs:?}", sub.id))?;
        hold(
            subscription.removed == sub.removed && subscription.pause.is_some() == sub.pause.is_some(),
            || format!("{} is removed or paused in one of state and model", sub.id),
        )?;
    }
    for (id, dead) in &model.dead_letters {
        let status = state.dead_letters.get(id).map(|it| it.status);
        hold(status == Some(dead.status), || {
            format!("dead letter {} is {:?}, the state says {status:?}", id.0, dead.status)
        })?;
    }
    let streams = model.streams.keys().find(|stream| {
        let known = state.streams.get(&cantus_core::hash::of(stream));
        known.is_some_and(|revision| *revision != model.revision(stream))
    });
    hold(streams.is_none(), || format!("the revision of stream {streams:?} differs"))
}

/// What the log says with its bases, which hold what was removed from it.
fn log_alone(look: &Look<'_>) -> Result<State, String> {
    rebuild_from_bases(look.raw, &mut KeptRows::default(), look.log)
        .map_err(|error| format!("the log alone does not rebuild the state: {error}"))
}

impl Invariant for FactsRebuildState {
    fn promise(&self) -> &'static str {
        "the facts alone rebuild the state, and a checkpoint is only a cache"
    }

    fn restarted(&mut self, model: &Model, _: &Ledger, look: &Look<'_>) -> Verdict {
        let alone = log_alone(look)?;
        let with = rebuild(look.raw, look.checkpoint)
            .map_err(|error| format!("the checkpoint and the log do not rebuild the state: {error}"))?;
        compare("the log alone, and with the checkpoint", look.now, &alone, &with)?;
        model_agrees(model, &alone)
    }

    fn drained(&mut self, model: &Model, ledger: &Ledger, look: &Look<'_>) -> Verdict {
        self.restarted(model, ledger, look)?;
        let alone = log_alone(look)?;
        compare("the log alone, and what lives", look.now, &alone, &look.coordinator.state)
    }
}
