//! What there is, counted: for metrics and for the status. State is looked at in pages, so that no turn waits for long.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::ops::Bound;

use cantus_core::agent::AgentName;
use cantus_core::dead_letter::Status;
use cantus_core::ids::DeadLetterId;
use cantus_core::subscription::{self, SubscriptionId};
use cantus_core::topic::{Pattern, TopicName};
use cantus_core::{Coordinator, Position, Timestamp};
use cantus_runtime::{Failed, Handle};

use crate::convert::subscription::read_up_to;

/// How many things are looked at per turn.
const PAGE: usize = 1_000;

/// What there is. The pages are taken one after another: the parts may be a few turns apart.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// Topics by name.
    pub(crate) topics: Vec<Topic>,
    /// Subscriptions by number, also removed ones.
    pub(crate) subscriptions: BTreeMap<u32, Subscription>,
    /// Agents, and when they were last heard of.
    pub(crate) agents: Vec<(AgentName, Option<Timestamp>)>,
    /// Dead letters by subscription and reason.
    pub(crate) dead_letters: HashMap<(u32, &'static str), DeadLetters>,
    /// When the oldest dead letter was opened that is still open.
    pub(crate) oldest_open: Option<Timestamp>,
    /// When the server started.
    pub(crate) started_at: Timestamp,
}

/// What is in a topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    pub(crate) events: u64,
    /// Events it ever had.
    pub(crate) appended: u64,
    pub(crate) bytes: u64,
    last: Position,
}

/// How far a subscription has got.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: SubscriptionId,
    pub(crate) removed: bool,
    pub(crate) acked: u64,
    pub(crate) died: u64,
    pub(crate) leased: u64,
    pub(crate) retrying: u64,
    /// Workers that wait for its deliveries.
    pub(crate) waiters: u64,
    /// When the oldest event was recorded that is not done with.
    pub(crate) oldest: Option<Timestamp>,
    /// Whether its attempts are ours to carry out.
    pub(crate) pushed: bool,
    /// Whether its breaker holds deliveries back.
    pub(crate) broken: bool,
    /// How many order keys wait for a person.
    pub(crate) held_keys: u64,
    waiting: u64,
    read: Position,
    topics: Vec<Pattern>,
}

/// Dead letters of one subscription and one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeadLetters {
    pub(crate) all: u64,
    pub(crate) open: u64,
}

/// Counts what there is.
///
/// # Errors
/// When the server has too much to do or stops.
pub(crate) async fn take(handle: &Handle) -> Result<Census, Failed> {
    let mut census = Census {
        started_at: handle.read(|coordinator, _| coordinator.state.meta.started_at).await?,
        ..Census::default()
    };
    let topics = |coordinator: &Coordinator, from: Bound<TopicName>| -> Vec<(TopicName, Topic)> {
        let topics = coordinator.state.topics.range::<TopicName, _>((from, Bound::Unbounded)).take(PAGE);
        topics.map(|(name, it)| (name.clone(), Topic::of(name, it))).collect()
    };
    pages(handle, topics, |_, topic| census.topics.push(topic)).await?;
    let subscriptions = |coordinator: &Coordinator, from: Bound<u32>| -> Vec<(u32, Subscription)> {
        let subscriptions = coordinator.state.subscriptions.range((from, Bound::Unbounded)).take(PAGE);
        subscriptions.map(|(number, it)| (*number, Subscription::of(coordinator, it))).collect()
    };
    pages(handle, subscriptions, |number, it| drop(census.subscriptions.insert(number, it))).await?;
    let agents = |coordinator: &Coordinator, from: Bound<AgentName>| -> Vec<(AgentName, Option<Timestamp>)> {
        let agents = coordinator.state.agents.range::<AgentName, _>((from, Bound::Unbounded)).take(PAGE);
        agents.map(|(name, it)| (name.clone(), it.last_seen)).collect()
    };
    pages(handle, agents, |name, seen| census.agents.push((name, seen))).await?;
    let dead_letters = |coordinator: &Coordinator, from: Bound<DeadLetterId>| -> Vec<(DeadLetterId, _)> {
        let dead_letters = coordinator.state.dead_letters.range((from, Bound::Unbounded)).take(PAGE);
        let look = |(id, it): (&DeadLetterId, &cantus_core::dead_letter::DeadLetter)| {
            let open = (it.status == Status::Open).then_some(it.opened_at);
            (*id, (it.delivery.subscription, it.reason.as_str(), open))
        };
        dead_letters.map(look).collect()
    };
    pages(handle, dead_letters, |_, (number, reason, open)| {
        let counted = census.dead_letters.entry((number, reason)).or_default();
        counted.all += 1;
        counted.open += u64::from(open.is_some());
        census.oldest_open = [census.oldest_open, open].into_iter().flatten().min();
    })
    .await?;
    Ok(census)
}

/// Looks at everything in pages, each from behind the last key of the one before.
async fn pages<K, T>(
    handle: &Handle,
    look: impl Fn(&Coordinator, Bound<K>) -> Vec<(K, T)> + Copy + Send + 'static,
    mut each: impl FnMut(K, T),
) -> Result<(), Failed>
where
    K: Clone + Send + 'static,
    T: Send + 'static,
{
    let mut from = Bound::Unbounded;
    loop {
        let page = handle.read(move |coordinator, _| look(coordinator, from)).await?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        from = Bound::Excluded(last.clone());
        let more = page.len() >= PAGE;
        page.into_iter().for_each(|(key, it)| each(key, it));
        if !more {
            return Ok(());
        }
    }
}

impl Topic {
    fn of(name: &TopicName, it: &cantus_core::state::TopicState) -> Topic {
        Topic {
            name: name.clone(),
            events: it.events,
            appended: it.events + it.gone.unwrap_or_default(),
            bytes: it.bytes,
            last: it.last.unwrap_or_default(),
        }
    }
}

impl Subscription {
    fn of(coordinator: &Coordinator, it: &subscription::State) -> Subscription {
        let counts = coordinator.counts(it.number);
        Subscription {
            id: it.id.clone(),
            removed: it.removed,
            acked: it.acked,
            died: it.died,
            leased: counts.leased as u64,
            retrying: counts.retrying as u64,
            waiters: counts.waiters as u64,
            oldest: counts.oldest,
            pushed: !matches!(it.definition().action, subscription::Action::Inbox),
            broken: it.is_broken(),
            held_keys: it.held.len() as u64,
            waiting: counts.waiting as u64,
            read: read_up_to(it.definition(), &counts),
            topics: it.definition().topics.clone(),
        }
    }
}

impl Census {
    /// Returns how many events each subscription still has to look at, as its page says it too.
    pub(crate) fn lags(&self) -> Vec<(String, &SubscriptionId, u64)> {
        let by_name: HashMap<&str, Position> =
            self.topics.iter().map(|topic| (topic.name.as_str(), topic.last)).collect();
        let mut by_pattern = HashMap::new();
        let mut last_of = |pattern: &Pattern| match pattern.literal() {
            Some(name) => by_name.get(name).copied().unwrap_or_default(),
            // Few patterns, many subscriptions: each is matched once.
            None => once(&mut by_pattern, pattern.clone(), |pattern| {
                let heard = self.topics.iter().filter(|topic| pattern.matches(topic.name.as_str()));
                heard.map(|topic| topic.last).max().unwrap_or_default()
            }),
        };
        let living = self.subscriptions.values().filter(|it| !it.removed);
        living
            .map(|it| {
                let last = it.topics.iter().map(&mut last_of).max().unwrap_or_default();
                (topics_of(&it.topics), &it.id, it.waiting + last.0.saturating_sub(it.read.0))
            })
            .collect()
    }

    /// Returns the sum of something over all subscriptions.
    pub(crate) fn sum(&self, of: impl Fn(&Subscription) -> u64) -> u64 {
        self.subscriptions.values().map(of).sum()
    }
}

fn once<K: Eq + Hash + Clone, V: Copy>(known: &mut HashMap<K, V>, key: K, make: impl FnOnce(&K) -> V) -> V {
    if let Some(value) = known.get(&key) {
        return *value;
    }
    let value = make(&key);
    known.insert(key, value);
    value
}

/// How many of a subscription's patterns a label names.
const TOPICS_NAMED: usize = 4;

/// What a subscription listens to, as one label.
fn topics_of(patterns: &[Pattern]) -> String {
    let mut named: Vec<&str> = patterns.iter().take(TOPICS_NAMED).map(Pattern::as_str).collect();
    if patterns.len() > TOPICS_NAMED {
        named.push("…");
    }
    named.join(",")
}
