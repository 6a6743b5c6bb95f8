//! Flow: who hears whom. Events nobody hears, waits nobody can fill, loops, commands without one clear receiver.
//!
//! A filter says for sure which types it wants only where equality on `type` is necessary for it; where it does not,
//! it counts as wanting anything for what may be heard, and as nothing for what must come.

use std::collections::{BTreeMap, BTreeSet};

use cantus_api::definition::{Action, Agent, AgentName, PauseUntil, Subscription, ValueText};
use cantus_core::filter::Filter;

use crate::diagnostic::{Fault, Severity};
use crate::read::{AgentPlaces, Draft, Reader, SubscriptionPlaces};
use crate::source::Span;

pub(super) fn check(reader: &Reader<'_>, draft: &Draft) {
    let flow = Flow::of(draft);
    flow.unheard(reader);
    flow.unfilled(reader);
    flow.loops(reader);
    flow.handlers(reader, draft);
}

/// One subscription as the flow sees it.
struct Voice<'a> {
    agent: &'a AgentName,
    subscription: &'a Subscription,
    place: &'a SubscriptionPlaces,
    /// The types it wants; `None` when that is open.
    wants: Option<BTreeSet<String>>,
    /// The types that surely come of it.
    gives: BTreeSet<String>,
}

struct Flow<'a> {
    voices: Vec<Voice<'a>>,
    /// Every type somebody says to publish, with the places.
    published: BTreeMap<&'a str, Vec<Span>>,
    /// Which voices want a type, by type.
    wanting: BTreeMap<String, Vec<usize>>,
    /// Which voices may want any type.
    wanting_any: Vec<usize>,
    /// Which voices belong to an agent.
    of_agent: BTreeMap<&'a AgentName, Vec<usize>>,
    /// Whether types may come that no declaration names.
    open: bool,
}

/// The most pairs of subscriptions that are looked at for loops.
const MAX_PAIRS: usize = 1_000_000;
/// The most agents of a loop that are named.
const MAX_NAMES: usize = 8;
/// The most words that are compared for a "did you mean".
const MAX_WORDS: usize = 1_000;

impl<'a> Flow<'a> {
    fn of(draft: &'a Draft) -> Self {
        let mut flow = Self {
            voices: Vec::new(),
            published: BTreeMap::new(),
            wanting: BTreeMap::new(),
            wanting_any: Vec::new(),
            of_agent: BTreeMap::new(),
            open: false,
        };
        for places in &draft.agents {
            let Some(agent) = draft.definitions.agents.get(&places.agent) else { continue };
            for (event_type, span) in agent.publishes.iter().zip(&places.publishes) {
                flow.published.entry(event_type.as_str()).or_default().push(*span);
            }
            let sole = agent.subscriptions.iter().filter(|subscription| acts(subscription)).count() == 1;
            for (subscription, place) in agent.subscriptions.iter().zip(&places.subscriptions) {
                flow.open |= matches!(&subscription.action, Action::Publish(publish)
                    if publish.event_type.as_ref().is_some_and(|text| text.expression().is_some()));
                let own = made(subscription);
                if let (Some(event_type), Some(span)) = (own, place.produces) {
                    flow.published.entry(event_type).or_default().push(span);
                }
                for announce in super::topic::announced(subscription) {
                    flow.published.entry(announce.event_type.as_str()).or_default().push(place.whole);
                }
                let at = flow.voices.len();
                let wants = wanted_types(subscription);
                let gives = gives(agent, subscription, sole, wants.as_ref());
                match &wants {
                    None => flow.wanting_any.push(at),
                    Some(types) => types.iter().for_each(|event_type| {
                        flow.wanting.entry(event_type.clone()).or_default().push(at);
                    }),
                }
                flow.of_agent.entry(&places.agent).or_default().push(at);
                flow.voices.push(Voice { agent: &places.agent, subscription, place, wants, gives });
            }
        }
        flow
    }

    fn unheard(&self, reader: &Reader<'_>) {
        if self.voices.is_empty() {
            return;
        }
        let awaited: BTreeSet<&str> =
            self.voices.iter().filter_map(|voice| ends_pause(voice.subscription)).collect();
        for (event_type, spans) in &self.published {
            let heard = !self.wanting_any.is_empty()
                || self.wanting.contains_key(*event_type)
                || awaited.contains(event_type);
            if !heard {
                let fault = Fault::warning(spans[0], format!("nobody hears `{event_type}`"));
                reader.say(
                    fault.hint(
                        "subscribe to it, or leave it if people or programs outside of this file read it",
                    ),
                );
            }
        }
    }

    fn unfilled(&self, reader: &Reader<'_>) {
        if self.open {
            return;
        }
        for voice in &self.voices {
            let Some(wants) = &voice.wants else { continue };
            if voice.subscription.topics.iter().any(|topic| topic.as_str().starts_with('$')) {
                continue;
            }
            let missing: Vec<&String> = wants
                .iter()
                .filter(|event_type| {
                    !self.published.contains_key(event_type.as_str()) && !from_outside(event_type)
                })
                .collect();
            let Some(first) = missing.first() else { continue };
            if missing.len() < wants.len() || reader.is_full(Severity::Warning) {
                continue;
            }
            let hint = match crate::suggest::nearest(first, self.published.keys().copied().take(MAX_WORDS)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "it must come from outside; an agent with `publishes:` says who sends it".to_owned(),
            };
            let span = voice.place.filter.unwrap_or(voice.place.whole);
            reader.say(Fault::warning(span, format!("no agent here publishes `{first}`")).hint(hint));
        }
    }

    /// Returns, for every voice, who surely answers what surely comes of it. `None` when these are too many pairs.
    fn answers(&self) -> Option<Vec<Vec<usize>>> {
        let mut pairs = 0;
        let mut next = Vec::with_capacity(self.voices.len());
        for from in &self.voices {
            let mut after = BTreeSet::new();
            if !from.gives.is_empty() {
                let named = from.gives.iter().filter_map(|given| self.wanting.get(given)).flatten();
                for &to in named.chain(&self.wanting_any) {
                    pairs += 1;
                    if pairs > MAX_PAIRS {
                        return None;
                    }
                    if self.voices[to].surely_answers(from) {
                        after.insert(to);
                    }
                }
            }
            next.push(after.into_iter().collect());
        }
        Some(next)
    }

    /// Finds circles among subscriptions that surely answer one another.
    fn loops(&self, reader: &Reader<'_>) {
        let Some(next) = self.answers() else {
            let first = self.voices[0].place.whole;
            let fault = Fault::warning(first, "too many subscriptions answer one another to look for loops");
            reader.say(
                fault.hint("name more types in filters; `max_hops` stops a loop and makes it a dead letter"),
            );
            return;
        };
        let circling = circling(&next);
        let mut told: BTreeSet<usize> = BTreeSet::new();
        for start in circling {
            if told.contains(&start) || reader.is_full(Severity::Warning) {
                continue;
            }
            let Some(circle) = circle(&next, start) else { continue };
            told.extend(&circle);
            let mut names: Vec<String> =
                circle.iter().take(MAX_NAMES).map(|at| self.voices[*at].agent.to_string()).collect();
            if circle.len() > MAX_NAMES {
                names.push("…".to_owned());
            }
            names.push(names[0].clone());
            let message = match circle.as_slice() {
                [_] => format!("{} answers events of its own: a loop", names[0]),
                _ => format!("these agents answer one another without end: {}", names.join(" → ")),
            };
            reader.say(
                Fault::warning(self.voices[start].place.whole, message).hint(
                    "narrow one of the filters; `max_hops` stops such a loop and makes it a dead letter",
                ),
            );
        }
    }

    fn handlers(&self, reader: &Reader<'_>, draft: &Draft) {
        let mut handlers: BTreeMap<&str, (&AgentPlaces, Span)> = BTreeMap::new();
        for places in &draft.agents {
            let Some(agent) = draft.definitions.agents.get(&places.agent) else { continue };
            for (event_type, span) in agent.handles.iter().zip(&places.handles) {
                let event_type = event_type.as_str();
                if let Some((other, first)) = handlers.get(event_type) {
                    let message = if other.agent == places.agent {
                        format!("`{event_type}` stands twice in `handles` of {}", places.agent)
                    } else {
                        format!("{} and {} both handle `{event_type}`", other.agent, places.agent)
                    };
                    let hint =
                        format!("a command without `to` is refused then; the first is at {}", Fault::PLACE);
                    reader.say(Fault::warning(*span, message).hint(hint).with_place(*first));
                    continue;
                }
                handlers.insert(event_type, (places, *span));
                let own = self.of_agent.get(&places.agent).map(Vec::as_slice).unwrap_or_default();
                if !own.iter().any(|at| self.voices[*at].hears(event_type)) {
                    let message = format!(
                        "{} handles `{event_type}`, and none of its subscriptions takes it",
                        places.agent
                    );
                    reader.say(
                        Fault::warning(*span, message)
                            .hint("add a subscription whose filter lets it through"),
                    );
                }
            }
        }
    }
}

impl Voice<'_> {
    /// Tells whether an event of this type may reach it.
    fn hears(&self, event_type: &str) -> bool {
        self.wants.as_ref().is_none_or(|wants| wants.contains(event_type))
    }

    /// Tells whether what surely comes of the other reaches this one, as far as type and topic say.
    fn surely_answers(&self, other: &Voice<'_>) -> bool {
        let Some(wants) = &self.wants else {
            return self.subscription.filter.is_none() && !other.gives.is_empty() && self.shares_topic(other);
        };
        other.gives.iter().any(|given| wants.contains(given)) && self.shares_topic(other)
    }

    fn shares_topic(&self, other: &Voice<'_>) -> bool {
        let explicit = match &other.subscription.action {
            Action::Exec(exec) => {
                exec.on_success.as_ref().and_then(|event| event.topic.as_ref()).map(|topic| topic.as_str())
            }
            Action::Publish(publish) => publish.topic.as_ref().and_then(ValueText::name),
            _ => None,
        };
        let mine = &self.subscription.topics;
        match explicit {
            Some(topic) => mine.iter().any(|pattern| pattern.matches(topic)),
            // An answer stays on the topic of what it answers.
            None => other.subscription.topics.iter().any(|theirs| {
                mine.iter()
                    .any(|pattern| pattern.matches(theirs.as_str()) || theirs.matches(pattern.as_str()))
            }),
        }
    }
}

/// Returns the types a filter requires; `None` when it does not require any.
fn wanted_types(subscription: &Subscription) -> Option<BTreeSet<String>> {
    let filter = Filter::compile(subscription.filter.as_ref()?).ok()?;
    let on_type = filter.equalities().iter().find(|equality| equality.path() == "type")?;
    Some(on_type.values().map(str::to_owned).collect())
}

/// Returns the type of the one event that its action makes, when it is written there.
fn made(subscription: &Subscription) -> Option<&str> {
    match &subscription.action {
        Action::Exec(exec) => exec.on_success.as_ref().map(|event| event.event_type.as_str()),
        Action::Publish(publish) => publish.event_type.as_ref().and_then(ValueText::name),
        _ => None,
    }
}

/// Tells whether somebody outside of Cantus answers.
fn acts(subscription: &Subscription) -> bool {
    matches!(subscription.action, Action::Exec(_) | Action::Webhook(_) | Action::Inbox(_))
}

/// Returns the types that surely come of a subscription: what its action makes and, when it is the `sole` one of its
/// agent that acts, what that agent says to publish. Of several, nobody says which answers with what.
fn gives(
    agent: &Agent,
    subscription: &Subscription,
    sole: bool,
    wants: Option<&BTreeSet<String>>,
) -> BTreeSet<String> {
    let mut types: BTreeSet<String> = made(subscription).map(str::to_owned).into_iter().collect();
    if sole && acts(subscription) {
        types.extend(agent.publishes.iter().map(ToString::to_string));
    }
    if let Action::Publish(publish) = &subscription.action
        && publish.event_type.is_none()
    {
        types.extend(wants.into_iter().flatten().cloned());
    }
    types
}

fn ends_pause(subscription: &Subscription) -> Option<&str> {
    match &subscription.action {
        Action::Pause(pause) => match &pause.until {
            PauseUntil::Event { event_type } => Some(event_type.as_str()),
            PauseUntil::After(_) => None,
        },
        _ => None,
    }
}

/// Types that hooks and Cantus itself bring.
fn from_outside(event_type: &str) -> bool {
    event_type.starts_with("com.github.") || event_type.starts_with("cantus.")
}

/// Returns the places that may lie on a circle: those that are left when all without a way in, and all without a
/// way out, are taken away again and again.
fn circling(next: &[Vec<usize>]) -> Vec<usize> {
    let mut previous: Vec<Vec<usize>> = vec![Vec::new(); next.len()];
    for (from, targets) in next.iter().enumerate() {
        targets.iter().for_each(|to| previous[*to].push(from));
    }
    let mut gone = vec![false; next.len()];
    for (forth, back) in [(next, previous.as_slice()), (previous.as_slice(), next)] {
        let left = |at: &usize| !gone[*at];
        let mut ways_in: Vec<usize> =
            back.iter().map(|ways| ways.iter().filter(|from| left(from)).count()).collect();
        let mut free: Vec<usize> = (0..next.len()).filter(|at| left(at) && ways_in[*at] == 0).collect();
        while let Some(at) = free.pop() {
            gone[at] = true;
            for &to in &forth[at] {
                if gone[to] {
                    continue;
                }
                ways_in[to] -= 1;
                if ways_in[to] == 0 {
                    free.push(to);
                }
            }
        }
    }
    (0..next.len()).filter(|at| !gone[*at]).collect()
}

/// Returns the shortest way from a place back to itself.
fn circle(next: &[Vec<usize>], start: usize) -> Option<Vec<usize>> {
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for &to in &next[at] {
            if to == start {
                let mut way = vec![at];
                let mut back = at;
                while back != start {
                    back = came_from[&back];
                    way.push(back);
                }
                way.reverse();
                return Some(way);
            }
            if let std::collections::btree_map::Entry::Vacant(entry) = came_from.entry(to) {
                entry.insert(at);
                queue.push_back(to);
            }
        }
    }
    None
}
