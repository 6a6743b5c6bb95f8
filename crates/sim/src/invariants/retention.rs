//! What is not kept any more goes by a fact, never before its time, and never while a subscription still wants it and is
//! not told what it loses. Of a compacted topic the last event of each key stays.

use cantus_core::Position;
use cantus_core::fact::{EventsExpired, Fact, Recorded, TopicTrimmed};

use super::{Invariant, Verdict, hold};
use crate::model::{Ledger, Model, Published, Sub};

pub(super) struct Retention;

/// Tells whether a subscription was told that it lost an event.
fn told(sub: &Sub, position: Position, published: &Published) -> bool {
    let topic = published.event.topic.text();
    sub.lost.iter().any(|(from, to, of)| (*from..=*to).contains(&position) && of == topic)
}

/// Nobody who wants one of these events has not got it, without being told.
fn nobody_misses(model: &Model, going: &[(Position, &Published)]) -> Verdict {
    for sub in model.subscriptions.values().filter(|sub| !sub.removed) {
        for (position, published) in going {
            let wanted = *position > sub.place && sub.wants(*position, published);
            let got = sub.deliveries.contains_key(&(*position, 0));
            hold(!wanted || got || told(sub, *position, published), || {
                format!("{position} goes, and {} has neither got it nor been told", sub.id)
            })?;
        }
    }
    Ok(())
}

fn trimmed(model: &Model, recorded: &Recorded, fact: &TopicTrimmed, through: Position) -> Verdict {
    let topic = fact.topic.text();
    let Some(definition) = model.topics.get(topic) else {
        return Err(format!("events of `{topic}` go, which is not there"));
    };
    let all: Vec<(Position, &Published)> = model.kept(topic, Position(u64::MAX)).collect();
    let count = all.iter().filter(|(position, _)| *position <= through).count();
    let (going, staying) = all.split_at(count);
    // What a compaction wanted to remove when the process ended may be there still, and goes with the others.
    let replaced = model.superseded.range(..=through).filter(|position| {
        let event = &model.events[position].event;
        event.topic.text() == topic && !model.is_trimmed(**position, event)
    });
    let counts = going.len() as u64..=(going.len() + replaced.count()) as u64;
    hold(counts.contains(&fact.events), || {
        format!("{counts:?} events of `{topic}` go up to {through}, and {} are told", fact.events)
    })?;
    let bytes = |events: &[(Position, &Published)]| -> u64 {
        let sizes = events.iter().map(|(_, it)| it.event.data.as_ref().map_or(0, |data| data.bytes.0.len()));
        sizes.sum::<usize>() as u64
    };
    let left = bytes(staying);
    for (index, (position, published)) in going.iter().enumerate() {
        let old = definition.retain_age.is_some_and(|age| recorded.at.since(published.at) >= age);
        let many = definition.retain_bytes.is_some_and(|most| left + bytes(&going[index..]) > most);
        hold(old || many, || format!("{position} of `{topic}` goes before its time"))?;
    }
    nobody_misses(model, going)
}

fn compacted(model: &Model, fact: &TopicTrimmed, reach: Position) -> Verdict {
    let topic = fact.topic.text();
    let compacts = model.topics.get(topic).is_some_and(|definition| definition.compact);
    hold(compacts, || format!("`{topic}` is compacted, and is not to be"))?;
    let replaced = model.replaced(topic, reach);
    let going: Vec<_> = replaced.iter().map(|position| (*position, &model.events[position])).collect();
    nobody_misses(model, &going)
}

/// Who is told a loss listens to the topic, and is active.
fn expired(model: &Model, fact: &EventsExpired) -> Verdict {
    let sub = model.subscriptions.get(&fact.number).filter(|sub| !sub.removed);
    let listens = sub.is_some_and(|sub| {
        let mut patterns = sub.versions.iter().flat_map(|(_, definition)| &definition.topics);
        patterns.any(|pattern| pattern.matches(fact.topic.as_str()))
    });
    hold(listens, || format!("subscription {} is told a loss that is none of its business", fact.number))
}

impl Invariant for Retention {
    fn promise(&self) -> &'static str {
        "nothing goes before its time, or before who wants it has got it or been told"
    }

    fn fact(&mut self, model: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        match &recorded.fact {
            Fact::TopicTrimmed(fact) => {
                if let Some(through) = fact.through {
                    trimmed(model, recorded, fact, through)?;
                }
                if let Some(reach) = fact.compacted {
                    compacted(model, fact, reach)?;
                }
                Ok(())
            }
            Fact::EventsExpired(fact) => expired(model, fact),
            _ => Ok(()),
        }
    }
}
