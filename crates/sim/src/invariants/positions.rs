//! P8. Positions rise without a hole, each has one value for ever, and what was read once is there after every restart,
//! whether anybody was told of it or not. What is not kept any more is shown as a gap with its cause; facts that nobody
//! misses, because bases hold what they led to, may go silently.

use std::collections::BTreeMap;
use std::sync::Arc;

use cantus_core::event::Event;
use cantus_core::fact::{Fact, Recorded};
use cantus_core::retention::event_of;
use cantus_core::{Position, Timestamp, hash};
use cantus_engine::{Budget, Entry, GapCause, Selection};

use super::{Invariant, Look, Verdict, hold};
use crate::model::{Ledger, Model};

#[derive(Default)]
pub(super) struct Positions {
    values: BTreeMap<Position, Known>,
    at: Timestamp,
}

struct Known {
    value: u128,
    kind: Kind,
}

/// What a fact is when it is missed.
enum Kind {
    Event,
    /// An event that is published later.
    Deferred(Arc<Event>),
    /// It tells of the event at a place.
    Of(Position),
    /// A later fact, or a base, says the same.
    Passing,
    /// It must be there.
    Kept,
    /// It may go when it is old.
    Other,
}

fn kind(recorded: &Recorded) -> Kind {
    match &recorded.fact {
        Fact::EventPublished(_) => Kind::Event,
        Fact::EventDeferred(fact) => Kind::Deferred(fact.event.clone()),
        Fact::CallAudited(_) => Kind::Kept,
        Fact::CursorMoved(_) | Fact::AgentSeen(_) | Fact::RequestAnswered(_) => Kind::Passing,
        _ => event_of(recorded).map_or(Kind::Other, Kind::Of),
    }
}

fn value(recorded: &Recorded) -> u128 {
    let mut bytes = recorded.fact.number().to_le_bytes().to_vec();
    recorded.fact.encode(&mut bytes);
    hash::parts(&[&bytes, &recorded.at.0.to_le_bytes()])
}

/// How a place may be missing.
#[derive(Debug, PartialEq, Eq)]
enum Missing {
    Never,
    Silently,
    WithAGap,
    /// A later event of its key had replaced it before its retention was over.
    Either,
}

/// All of the log as it is read back.
struct Reading<'a> {
    model: &'a Model,
    values: &'a BTreeMap<Position, Known>,
    /// Only facts up to here may be removed.
    droppable: Position,
}

impl Reading<'_> {
    fn is_gone(&self, position: Position) -> bool {
        let event = self.model.events.get(&position).map(|it| &it.event);
        event.is_some_and(|event| self.model.is_gone(position, event))
    }

    fn is_hidden(&self, position: Position) -> bool {
        let event = self.model.events.get(&position).map(|it| &it.event);
        event.is_some_and(|event| self.model.is_trimmed(position, event))
    }

    fn may_be_missing(&self, position: Position) -> Missing {
        let Some(known) = self.values.get(&position) else { return Missing::Never };
        if self.is_hidden(position) {
            if self.model.superseded.contains(&position) {
                return Missing::Either;
            }
            // Nobody sees it from the moment when that was written down, wherever its bytes are.
            return Missing::WithAGap;
        }
        if position > self.droppable || self.model.is_pinned(position) {
            return Missing::Never;
        }
        let silently = match &known.kind {
            Kind::Event => self.is_gone(position),
            Kind::Deferred(event) => self.model.is_trimmed(position, event),
            Kind::Of(event) => self.is_gone(*event),
            Kind::Passing | Kind::Other => true,
            Kind::Kept => false,
        };
        if silently { Missing::Silently } else { Missing::Never }
    }

    /// What lies between two places that were read is not there, and nobody is told.
    fn skipped(&self, after: Position, before: Position) -> Verdict {
        for position in (after.0 + 1..before.0).map(Position) {
            let how = self.may_be_missing(position);
            hold(matches!(how, Missing::Silently | Missing::Either), || {
                format!("position {position} is missing between {after} and {before}; it may be: {how:?}")
            })?;
        }
        Ok(())
    }

    fn gap(&self, from: Position, to: Position, cause: GapCause) -> Verdict {
        hold(cause == GapCause::Expired, || format!("nothing is {cause}, and a gap of that is shown"))?;
        for position in (from.0..=to.0).map(Position) {
            hold(self.may_be_missing(position) != Missing::Never, || {
                format!("position {position} is in the gap {from} to {to}, and must be there")
            })?;
        }
        Ok(())
    }

    fn fact(&self, after: Position, recorded: &Recorded) -> Verdict {
        let position = recorded.position;
        let known = self.values.get(&position).map(|it| it.value);
        hold(known == Some(value(recorded)), || {
            format!("position {position} held something else before; now it is {}", recorded.fact.name())
        })?;
        hold(!self.is_hidden(position), || format!("the event at {position} has gone, and is shown"))?;
        self.skipped(after, position)
    }
}

impl Invariant for Positions {
    fn promise(&self) -> &'static str {
        "a position has one value for ever, and whatever was read survives"
    }

    fn fact(&mut self, model: &Model, _: &Ledger, recorded: &Recorded) -> Verdict {
        hold(recorded.position == model.end.next(), || {
            format!("behind {} comes {}", model.end, recorded.position)
        })?;
        hold(recorded.at >= self.at, || {
            format!("log time goes back from {} to {} at {}", self.at.0, recorded.at.0, recorded.position)
        })?;
        self.at = recorded.at;
        self.values.insert(recorded.position, Known { value: value(recorded), kind: kind(recorded) });
        Ok(())
    }

    fn restarted(&mut self, model: &Model, _: &Ledger, look: &Look<'_>) -> Verdict {
        let reading = Reading { model, values: &self.values, droppable: look.log.droppable() };
        let (mut after, mut asked) = (Position(0), Position(0));
        loop {
            let read = look.reader.read(asked, &Selection::default(), Budget::default());
            let chunk = read.map_err(|error| format!("the log can not be read behind {asked}: {error}"))?;
            for entry in &chunk.entries {
                match entry {
                    Entry::Fact(recorded) if recorded.position <= model.end => {
                        reading.fact(after, recorded)?;
                        after = recorded.position;
                    }
                    Entry::Fact(_) => {}
                    Entry::Gap { from, to, cause, .. } => {
                        reading.skipped(after, *from)?;
                        reading.gap(*from, *to, *cause)?;
                        after = after.max(*to);
                    }
                }
            }
            asked = chunk.reached;
            if chunk.end {
                break;
            }
        }
        reading.skipped(after, model.end.next())
    }
}
