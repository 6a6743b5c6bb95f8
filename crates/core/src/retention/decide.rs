//! What may go, and what an erasure is.

use std::collections::HashSet;

use super::Keeping;
use crate::command::{Answer, DeclareGap, EraseEvents, Now, Trim};
use crate::coordinator::{Coordinator, Stepped, Stop, View};
use crate::fact::{
    ErasureAdvanced, ErasureStage, EventsErased, EventsExpired, Fact, GapDeclared, TopicTrimmed,
};
use crate::ids::Position;
use crate::refusal::Refusal;
use crate::subscription::{self, Order};
use crate::topic::TopicName;

type Decided = Result<(Vec<Fact>, Answer), Stop>;

impl Coordinator {
    /// Tells how the topics are kept that do not keep everything for ever.
    pub fn keeping(&self) -> Vec<Keeping> {
        let topics = self.state.topics.iter();
        let bounded = topics.filter(|(_, topic)| {
            let definition = &topic.definition;
            definition.retain_age.is_some() || definition.retain_bytes.is_some() || definition.compact
        });
        bounded
            .map(|(name, topic)| Keeping {
                topic: name.clone(),
                age: topic.definition.retain_age,
                max_bytes: topic.definition.retain_bytes,
                compact: topic.definition.compact,
                events: topic.events,
                bytes: topic.bytes,
                trimmed: topic.trimmed.unwrap_or_default(),
                compacted: topic.compacted.unwrap_or_default(),
                compacted_bytes: topic.compacted_bytes.unwrap_or_default(),
                passed: self.passed(name),
            })
            .collect()
    }

    /// Returns up to where every active subscription that listens to a topic has passed.
    fn passed(&self, topic: &TopicName) -> Position {
        let floors = self.listeners(topic).map(|subscription| self.floor(subscription));
        floors.min().unwrap_or(Position(u64::MAX))
    }

    fn listeners<'a>(&'a self, topic: &'a TopicName) -> impl Iterator<Item = &'a subscription::State> {
        self.state.subscriptions.values().filter(|subscription| {
            let mut versions = subscription.versions.iter();
            !subscription.removed
                && versions.any(|version| {
                    version.definition.topics.iter().any(|pattern| pattern.matches(topic.as_str()))
                })
        })
    }

    /// Returns up to where a subscription has taken, parked or passed over everything.
    fn floor(&self, subscription: &subscription::State) -> Position {
        let floors = match self.lanes.get(&subscription.number) {
            Some(lanes) => lanes.floors(),
            None => subscription.cursors.each_ref().map(|cursor| cursor.floor),
        };
        let one_lane = subscription.definition().order == Order::Topic;
        let floor = if one_lane {
            let lane = crate::subscription::lanes::lane_of(
                subscription.definition(),
                crate::event::Priority::Normal,
            );
            floors[lane]
        } else {
            floors.into_iter().min().unwrap_or_default()
        };
        floor.max(subscription.began)
    }

    /// Lets events of a topic go. Whoever has not taken them yet stops it, unless it is forced: then they lose them,
    /// and a fact says so.
    pub(crate) fn trim(&mut self, trim: &Trim, now: Now, stepped: &mut Stepped) -> Result<(), Stop> {
        let Some(topic) = self.state.topics.get(&trim.topic) else {
            let topic = trim.topic.text().clone();
            return Err(Stop::Refused(Refusal::TopicUnknown { topic }));
        };
        let trimmed = topic.trimmed.unwrap_or_default();
        stepped.answer = Some(Answer::Done);
        let through = trim.through.filter(|through| *through > trimmed);
        let compacted = trim.compacted.filter(|compacted| *compacted > topic.compacted.unwrap_or_default());
        let Some(reach) = through.max(compacted) else {
            if trim.events == 0 && trim.bytes == 0 && trim.first != topic.first {
                // Only where the first event lies has changed: an erasure took the one before.
                self.record(trimmed_fact(trim, None, None), now, stepped)?;
            }
            return Ok(());
        };
        let late = self.listeners(&trim.topic).map(|it| (it.number, self.floor(it)));
        let late: Vec<(u32, Position)> = late.filter(|(_, floor)| *floor < reach).collect();
        if !late.is_empty() && !trim.forced {
            return Err(Stop::Refused(Refusal::Stale));
        }
        for (number, floor) in late {
            let (from, topic) = (floor.max(trimmed).next(), trim.topic.clone());
            let fact = EventsExpired { number, from, to: reach, topic };
            self.record(Fact::from(fact), now, stepped)?;
        }
        self.record(trimmed_fact(trim, through, compacted), now, stepped)
    }
}

fn trimmed_fact(trim: &Trim, through: Option<Position>, compacted: Option<Position>) -> Fact {
    Fact::from(TopicTrimmed {
        topic: trim.topic.clone(),
        through,
        compacted,
        events: trim.events,
        bytes: trim.bytes,
        first: trim.first,
    })
}

/// Decides an erasure. What was erased before is left out.
pub(crate) fn erase(view: &View<'_>, erase: &EraseEvents) -> Decided {
    let mut seen = HashSet::new();
    let items: Vec<_> = erase
        .items
        .iter()
        .filter(|item| !view.state.erased.contains_key(&item.position) && seen.insert(item.position))
        .cloned()
        .collect();
    if items.is_empty() {
        return Ok((Vec::new(), Answer::Erased { erasure: None, events: 0 }));
    }
    let erasure = Some(view.state.position.next());
    let events = items.len();
    let fact = EventsErased { items, reason: erase.reason.clone(), actor: erase.actor.clone() };
    Ok((vec![Fact::from(fact)], Answer::Erased { erasure, events }))
}

/// Decides that an erasure has got further. It never goes back.
pub(crate) fn advance(view: &View<'_>, erasure: Position, stage: ErasureStage) -> Decided {
    let known = view.state.erasures.get(&erasure);
    let further = known.is_some_and(|known| known.stage < stage);
    let fact = further.then(|| Fact::from(ErasureAdvanced { erasure, stage }));
    Ok((fact.into_iter().collect(), Answer::Done))
}

/// Decides that the loss of a part of the log is accepted. It is said once.
pub(crate) fn declare_gap(view: &View<'_>, gap: &DeclareGap) -> Decided {
    let known = view.state.gaps.get(&gap.from).is_some_and(|known| known.to >= gap.to);
    let fact = GapDeclared {
        from: gap.from,
        to: gap.to,
        reason: gap.reason.clone(),
        orphans: gap.orphans,
        actor: gap.actor.clone(),
    };
    let facts = if known { Vec::new() } else { vec![Fact::from(fact)] };
    Ok((facts, Answer::Done))
}
