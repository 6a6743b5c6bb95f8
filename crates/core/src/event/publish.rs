//! How a publish is decided: identity, hops, handlers, streams, all or none.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::agent::AgentName;
use crate::command::{Admitted, Idempotency, Publish};
use crate::coordinator::{Stop, View};
use crate::event::{Event, Kind};
use crate::fact::{EventDeferred, EventPublished, Fact, Receipt, RequestAnswered, TopicDeclared};
use crate::hash;
use crate::ids::{DeliveryId, Position};
use crate::refusal::Refusal;
use crate::row::Key;
use crate::subscription::SubscriptionId;
use crate::text::Text;
use crate::topic::dedupe::Folding;
use crate::topic::{Topic, TopicName};

/// What a publish leads to.
#[derive(Debug, Default)]
pub struct Published {
    /// The facts, in order.
    pub facts: Vec<Fact>,
    /// One per event.
    pub receipts: Vec<Receipt>,
    /// True when the answer is that of a request that came before.
    pub replayed: bool,
}

/// What goes with a publish that is not its client's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin {
    /// The delivery it answers.
    pub answers: Option<DeliveryId>,
    /// The only subscription that may receive its events.
    pub only: Option<u32>,
    /// How many facts of the same slice go before.
    pub facts_before: u64,
}

impl Origin {
    /// Tells whether a client publishes, rather than an answer or a replay.
    fn is_clients(self) -> bool {
        self.answers.is_none() && self.only.is_none()
    }
}

/// Decides a publish.
///
/// # Errors
/// When any of its events is refused, or something must be loaded first; nothing of it then happens.
pub fn decide(view: &View<'_>, publish: &Publish, origin: Origin) -> Result<Published, Stop> {
    if let Some(replayed) = answered_before(view, publish.idempotency)? {
        return Ok(replayed);
    }
    check_expected_revision(view, publish)?;
    let mut batch = Batch {
        view,
        publish,
        origin,
        published: Published::default(),
        seen: HashMap::default(),
        streams: HashMap::new(),
        made: Vec::new(),
        checked: None,
        several: publish.events.len() > 1,
        unseen: false,
    };
    batch.published.facts.reserve(publish.events.len());
    batch.published.receipts.reserve(publish.events.len());
    if batch.several {
        batch.seen.reserve(publish.events.len());
        batch.unseen = unseen(view, &publish.events);
    }
    for (index, admitted) in publish.events.iter().enumerate() {
        batch.add(index, admitted)?;
    }
    let mut published = batch.published;
    if let Some(Idempotency { key, fingerprint }) = publish.idempotency {
        published.facts.push(Fact::from(RequestAnswered {
            key_high: (key >> 64) as u64,
            key_low: key as u64,
            fingerprint,
            receipts: published.receipts.clone(),
        }));
    }
    Ok(published)
}

fn answered_before(view: &View<'_>, idempotency: Option<Idempotency>) -> Result<Option<Published>, Stop> {
    let Some(Idempotency { key, fingerprint }) = idempotency else { return Ok(None) };
    let Some(answered) = view.state.requests.get(&key) else { return Ok(None) };
    if view.now.at.since(answered.at) >= crate::topic::dedupe::AGE_DEFAULT {
        return Ok(None);
    }
    if answered.fingerprint != fingerprint {
        return Err(Stop::Refused(Refusal::IdempotencyKeyReused));
    }
    Ok(Some(Published { facts: Vec::new(), receipts: answered.receipts.clone(), replayed: true }))
}

fn check_expected_revision(view: &View<'_>, publish: &Publish) -> Result<(), Stop> {
    let Some(expected) = publish.expected_revision else { return Ok(()) };
    let stream = publish.events.first().and_then(|admitted| admitted.event.stream.clone());
    let same = publish.events.iter().all(|admitted| admitted.event.stream == stream);
    let Some(stream) = stream.filter(|_| same) else {
        let what = "expected_revision needs events of one stream";
        return Err(Stop::Refused(Refusal::PublishInvalid { what: Text::from(what), index: 0 }));
    };
    // A publish that came before is a duplicate, whatever the stream's revision is by now.
    if publish.events.iter().all(|admitted| is_known(view, admitted)) {
        return Ok(());
    }
    let actual = view.revision(&stream)?;
    if actual != expected {
        return Err(Stop::Refused(Refusal::RevisionConflict { stream, expected, actual }));
    }
    Ok(())
}

fn is_known(view: &View<'_>, admitted: &Admitted) -> bool {
    let topic = admitted.event.topic.as_str();
    let (_, age) = view.state.dedupe_limits(topic);
    let window = view.state.windows.get(topic);
    window.is_some_and(|window| window.find(admitted.identity, view.now.at, age).is_some())
}

/// Tells whether all events are of one topic whose window has none of them.
fn unseen(view: &View<'_>, events: &[Admitted]) -> bool {
    let Some(topic) = events.first().map(|admitted| &admitted.event.topic) else { return true };
    let Some(window) = view.state.windows.get(topic.text()) else { return false };
    events.iter().all(|admitted| admitted.event.topic == *topic)
        && window.approach(events.iter().map(|admitted| admitted.identity)) == 0
}

struct Batch<'a> {
    view: &'a View<'a>,
    publish: &'a Publish,
    origin: Origin,
    published: Published,
    /// What earlier events of this batch were: content, position.
    seen: HashMap<Identity, (u64, Position), Folding>,
    /// What earlier events of this batch made of their streams.
    streams: HashMap<Text, u64>,
    /// Topics that this batch made.
    made: Vec<TopicName>,
    /// The topic that was checked last: most batches have one.
    checked: Option<TopicName>,
    /// Whether an event of this batch may come twice.
    several: bool,
    /// Whether the window is known to have none of them.
    unseen: bool,
}

/// What an event is known by in a batch: its topic, and the hash of its source and id.
#[derive(PartialEq, Eq)]
struct Identity(Text, u128);

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.1);
    }
}

impl Batch<'_> {
    fn add(&mut self, index: usize, admitted: &Admitted) -> Result<(), Stop> {
        let event = &admitted.event;
        if admitted.definitions != self.view.state.meta.definitions {
            return Err(Stop::Refused(Refusal::Stale));
        }
        if event.hops > self.view.limits.hops_max {
            let (hops, max) = (event.hops, self.view.limits.hops_max);
            return Err(Stop::Refused(Refusal::LoopDetected { hops, max, index }));
        }
        if self.checked.as_ref() != Some(&event.topic) {
            self.check_topic(&event.topic)?;
            self.checked = Some(event.topic.clone());
        }
        if let Some((content, position)) = self.first_of(admitted) {
            if content != admitted.content {
                let (id, source_name) = (event.id.clone(), event.source.clone());
                return Err(Stop::Refused(Refusal::EventIdReused { id, source_name, position, index }));
            }
            self.receipt(admitted, position, true, None);
            return Ok(());
        }
        // What was stored before it was over has been answered as that above.
        if self.origin.is_clients() && event.expired(self.view.now.at) {
            return Err(Stop::Refused(Refusal::EventExpired { index }));
        }
        let event = self.routed(admitted, index)?;
        let position = self.next_position();
        // A replay goes to its one subscription at once: whoever edits an event wants it delivered.
        let deferred =
            self.origin.only.is_none() && event.deliver_at.is_some_and(|due| due > self.view.now.at);
        let revision = match &event.stream {
            Some(stream) if !deferred => Some(self.next_revision(stream)?),
            _ => None,
        };
        let (actor, content) = (self.publish.actor.clone(), admitted.content);
        let Origin { answers, only, .. } = self.origin;
        self.published.facts.push(if deferred {
            Fact::from(EventDeferred { event, actor, content, answers })
        } else {
            Fact::from(EventPublished { event, actor, content, revision, only, answers, deferred_at: None })
        });
        if self.several {
            let identity = Identity(admitted.event.topic.text().clone(), admitted.identity);
            self.seen.insert(identity, (content, position));
        }
        self.receipt(admitted, position, false, revision);
        Ok(())
    }

    fn next_position(&self) -> Position {
        let before = self.origin.facts_before + self.published.facts.len() as u64;
        Position(self.view.state.position.0 + before + 1)
    }

    fn receipt(&mut self, admitted: &Admitted, position: Position, duplicate: bool, revision: Option<u64>) {
        let event = &admitted.event;
        self.published.receipts.push(Receipt {
            id: event.id.clone(),
            source: event.source.clone(),
            topic: event.topic.text().clone(),
            position,
            correlation_id: event.correlation_id.clone(),
            duplicate,
            revision,
            warnings: admitted.warnings.clone(),
        });
    }

    /// Checks that the topic exists and lets this publisher in; makes it where that is allowed.
    fn check_topic(&mut self, name: &TopicName) -> Result<(), Stop> {
        let topic = self.view.state.topics.get(name).filter(|topic| !topic.removed);
        let Some(topic) = topic else {
            if !self.made.contains(name) {
                if !self.publish.auto_create {
                    return Err(Stop::Refused(Refusal::TopicUnknown { topic: name.text().clone() }));
                }
                self.made.push(name.clone());
                let (definition, actor) = (Topic::default(), self.publish.actor.clone());
                self.published.facts.push(Fact::from(TopicDeclared {
                    name: name.clone(),
                    definition,
                    actor,
                }));
            }
            return Ok(());
        };
        let publishers = &topic.definition.publishers;
        let agent = self.publish.agent.as_ref();
        let allowed = agent.is_some_and(|agent| publishers.iter().any(|pattern| pattern.matches(agent)));
        if publishers.is_empty() || allowed {
            return Ok(());
        }
        let agent = Text::from(agent.map_or("anybody", AgentName::as_str));
        let topic = name.text().clone();
        Err(Stop::Refused(Refusal::TopicNotAllowed { topic, agent, verb: "publish to" }))
    }

    /// Finds the first event of the same identity, in this batch or in the window.
    fn first_of(&self, admitted: &Admitted) -> Option<(u64, Position)> {
        let topic = admitted.event.topic.text();
        if !self.seen.is_empty()
            && let Some(seen) = self.seen.get(&Identity(topic.clone(), admitted.identity))
        {
            return Some(*seen);
        }
        if self.unseen {
            return None;
        }
        let (_, age) = self.view.state.dedupe_limits(topic);
        let seen = self.view.state.windows.get(topic)?.find(admitted.identity, self.view.now.at, age)?;
        Some((seen.content, seen.position))
    }

    /// Returns the event with its addressee, for a command the one agent that takes it.
    fn routed(&self, admitted: &Admitted, index: usize) -> Result<Arc<Event>, Stop> {
        let event = &admitted.event;
        if event.kind != Kind::Command {
            return Ok(event.clone());
        }
        let event_type = || event.event_type.clone();
        let handler = match &event.to {
            Some(agent) => agent.clone(),
            None => {
                let agents = self.view.state.agents.iter();
                let handlers: Vec<&AgentName> = agents
                    .filter(|(_, agent)| agent.definition.handles.contains(&event.event_type))
                    .map(|(name, _)| name)
                    .collect();
                match handlers.as_slice() {
                    [] => {
                        return Err(Stop::Refused(Refusal::HandlerUnknown {
                            event_type: event_type(),
                            index,
                        }));
                    }
                    [only] => (*only).clone(),
                    several => {
                        let names = names(several.iter().map(ToString::to_string));
                        let event_type = event_type();
                        return Err(Stop::Refused(Refusal::HandlerAmbiguous { event_type, names, index }));
                    }
                }
            }
        };
        let takers: Vec<&SubscriptionId> =
            admitted.takers.iter().filter(|taker| taker.agent == handler).collect();
        match takers.as_slice() {
            [] => Err(Stop::Refused(Refusal::HandlerUnknown { event_type: event_type(), index })),
            [_] => {
                let mut routed = Event::clone(event);
                routed.to = Some(handler);
                Ok(Arc::new(routed))
            }
            several => {
                let names = names(several.iter().map(ToString::to_string));
                Err(Stop::Refused(Refusal::HandlerAmbiguous { event_type: event_type(), names, index }))
            }
        }
    }

    fn next_revision(&mut self, stream: &Text) -> Result<u64, Stop> {
        let before = match self.streams.get(stream) {
            Some(revision) => *revision,
            None => self.view.revision(stream)?,
        };
        self.streams.insert(stream.clone(), before + 1);
        Ok(before + 1)
    }
}

fn names(names: impl Iterator<Item = String>) -> Text {
    // A refusal names enough of them to act on, never all of ten thousand.
    Text::from(names.take(10).collect::<Vec<_>>().join(", "))
}

impl View<'_> {
    /// Returns a stream's revision, 0 when it has no event.
    pub(crate) fn revision(&self, stream: &Text) -> Result<u64, Stop> {
        let hash = hash::of(stream);
        if let Some(revision) = self.state.streams.get(&hash) {
            return Ok(*revision);
        }
        if self.state.streams_complete {
            return Ok(0);
        }
        let key = Key::Stream(hash);
        match self.loaded.get(&key) {
            Some(crate::row::Loaded::Row(Some(bytes))) => minicbor::decode(bytes).map_err(|_| {
                Stop::Damaged(format!("the checkpoint's revision of stream `{stream}` is unreadable"))
            }),
            Some(_) => Ok(0),
            None => Err(Stop::Need(vec![key])),
        }
    }
}
