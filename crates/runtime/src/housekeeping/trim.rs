//! Retention: which events of a topic may go, by age and by size, and how long they are held for who did not take them.

use cantus_core::command::{Command, Trim};
use cantus_core::fact::Fact;
use cantus_core::retention::Keeping;
use cantus_core::{Position, Timestamp};
use cantus_engine::{Budget, Entry, Selection};

use super::keeper::{Keeper, Trouble};

/// How many events of a topic go with one fact.
const EVENTS_AT_ONCE: u64 = 100_000;

/// How far a topic may be trimmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Events up to here are older than they are kept.
    pub(super) too_old: Position,
    /// So many bytes are too many.
    pub(super) too_many: u64,
    /// Every active subscription has passed what lies up to here.
    pub(super) passed: Position,
    /// Too old events up to here were held as long as they may be.
    pub(super) held_too_old: Position,
    /// Events up to here were held as long as they may be if they are too many.
    pub(super) held_too_many: Position,
    /// So many bytes are held at most.
    pub(super) hold_bytes: u64,
}

/// What is found to go, event by event in the order of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Going {
    pub(super) through: Option<Position>,
    pub(super) events: u64,
    pub(super) bytes: u64,
    pub(super) forced: bool,
    /// The first that stays.
    pub(super) first: Option<Position>,
}

impl Going {
    /// Takes the next event. Returns false at the first that stays.
    pub(super) fn take(&mut self, bounds: &Bounds, position: Position, bytes: u64) -> bool {
        let too_old = position <= bounds.too_old;
        let too_many = self.bytes < bounds.too_many;
        let held = position > bounds.passed;
        let released = (too_old && position <= bounds.held_too_old)
            || (too_many && position <= bounds.held_too_many)
            || bounds.too_many.saturating_sub(self.bytes) > bounds.hold_bytes;
        let goes = (too_old || too_many) && (!held || released) && self.events < EVENTS_AT_ONCE;
        if !goes {
            self.first = Some(position);
            return false;
        }
        self.forced |= held;
        self.through = Some(position);
        self.events += 1;
        self.bytes += bytes;
        true
    }
}

impl Keeper {
    /// Lets events go whose retention is over.
    pub(super) fn trim(&mut self) -> Result<(), Trouble> {
        let keeping = self.look(|coordinator| coordinator.keeping())?;
        for topic in keeping.iter().filter(|it| it.age.is_some() || it.max_bytes.is_some()) {
            // A topic with much to go is trimmed in several steps, with rests between.
            let mut topic = topic.clone();
            while let Some(through) = self.trim_topic(&topic)? {
                let name = topic.topic.clone();
                let again = self.look(move |coordinator| {
                    coordinator.keeping().into_iter().find(|keeping| keeping.topic == name)
                })?;
                match again.filter(|again| again.trimmed >= through && again.trimmed > topic.trimmed) {
                    Some(again) => topic = again,
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Trims a topic by one step. Returns up to where.
    fn trim_topic(&self, topic: &Keeping) -> Result<Option<Position>, Trouble> {
        if topic.events == 0 {
            return Ok(None);
        }
        let bounds = self.bounds(topic)?;
        if bounds.too_old <= topic.trimmed && bounds.too_many == 0 {
            return Ok(None);
        }
        let going = self.paced(|| self.going(topic, &bounds))?;
        let Some(through) = going.through else { return Ok(None) };
        let trim = Trim {
            topic: topic.topic.clone(),
            through: Some(through),
            compacted: None,
            events: going.events,
            bytes: going.bytes,
            first: going.first,
            forced: going.forced,
        };
        if self.command(Command::Trim(trim))?.is_none() {
            // Somebody went back meanwhile: the next pass looks again.
            return Ok(None);
        }
        if going.forced {
            tracing::warn!(topic = %topic.topic, %through, "events went that a subscription has not taken: they were held as long as they may be");
        }
        self.status().note(|report| report.events_trimmed += going.events);
        Ok(Some(through))
    }

    fn bounds(&self, topic: &Keeping) -> Result<Bounds, Trouble> {
        let now = self.shared.clock.now();
        let before = |ago: cantus_core::Span| {
            let time = Timestamp(now.0.saturating_sub(i64::try_from(ago.0).unwrap_or(i64::MAX)));
            self.raw.before_time(time)
        };
        let hold = self.settings.hold_age;
        let (too_old, held_too_old) = match topic.age {
            Some(age) => {
                let too_old = before(age)?;
                let held = before(cantus_core::Span(age.0.saturating_add(hold.0)))?;
                (too_old, held.max(self.beyond_hold(topic.passed, too_old)))
            }
            None => (Position(0), Position(0)),
        };
        Ok(Bounds {
            too_old,
            too_many: topic.max_bytes.map_or(0, |most| topic.bytes.saturating_sub(most)),
            passed: topic.passed,
            held_too_old,
            held_too_many: before(hold)?,
            hold_bytes: self.settings.hold_bytes,
        })
    }

    /// Returns up to where too old events are beyond the bytes that may be held for who did not pass them.
    fn beyond_hold(&self, passed: Position, too_old: Position) -> Position {
        let mut bytes = 0u64;
        for segment in self.log.segments().iter().rev() {
            if segment.first > too_old {
                continue;
            }
            if segment.last <= passed {
                break;
            }
            bytes = bytes.saturating_add(segment.bytes);
            if bytes > self.settings.hold_bytes {
                return segment.last.min(too_old);
            }
        }
        Position(0)
    }

    fn going(&self, topic: &Keeping, bounds: &Bounds) -> Result<Going, Trouble> {
        let selection =
            Selection { events_only: true, topic: Some(topic.topic.to_string()), ..Selection::default() };
        let mut going = Going::default();
        let mut after = topic.trimmed;
        loop {
            // Through the mask: what was erased was counted then.
            let chunk = self.shared.reader.read(after, &selection, Budget::default())?;
            for entry in &chunk.entries {
                let Entry::Fact(recorded) = entry else { continue };
                let Fact::EventPublished(fact) = &recorded.fact else { continue };
                let bytes = fact.event.data.as_ref().map_or(0, |data| data.bytes.0.len() as u64);
                if !going.take(bounds, recorded.position, bytes) {
                    return Ok(going);
                }
            }
            if chunk.end || self.bell().is_stopped() {
                return Ok(going);
            }
            after = chunk.reached;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Bounds = Bounds {
        too_old: Position(0),
        too_many: 0,
        passed: Position(u64::MAX),
        held_too_old: Position(0),
        held_too_many: Position(0),
        hold_bytes: u64::MAX,
    };

    /// Ten events of ten bytes each, at positions 10, 20, 30, …
    fn going(bounds: Bounds) -> (u64, Option<u64>, bool) {
        let mut going = Going::default();
        let all = (1..=10).all(|n| going.take(&bounds, Position(n * 10), 10));
        assert_eq!(all, going.first.is_none());
        (going.events, going.through.map(|through| through.0), going.forced)
    }

    #[test]
    fn nothing_goes_that_is_neither_too_old_nor_too_many() {
        assert_eq!(going(NOTHING), (0, None, false));
    }

    #[test]
    fn what_is_too_old_goes_and_so_do_the_oldest_of_too_many() {
        assert_eq!(going(Bounds { too_old: Position(35), ..NOTHING }), (3, Some(30), false));
        assert_eq!(going(Bounds { too_many: 41, ..NOTHING }), (5, Some(50), false));
        assert_eq!(going(Bounds { too_old: Position(u64::MAX), ..NOTHING }), (10, Some(100), false));
    }

    #[test]
    fn what_somebody_has_not_taken_stays() {
        let bounds = Bounds { too_old: Position(90), passed: Position(25), ..NOTHING };
        assert_eq!(going(bounds), (2, Some(20), false));
    }

    #[test]
    fn what_was_held_long_enough_goes_all_the_same() {
        let bounds = Bounds { too_old: Position(90), passed: Position(25), ..NOTHING };
        assert_eq!(going(Bounds { held_too_old: Position(45), ..bounds }), (4, Some(40), true));
        let many = Bounds { too_many: 60, passed: Position(25), ..NOTHING };
        assert_eq!(going(many), (2, Some(20), false));
        assert_eq!(going(Bounds { held_too_many: Position(35), ..many }), (3, Some(30), true));
    }

    #[test]
    fn no_more_bytes_are_held_than_may_be() {
        let bounds = Bounds { too_many: 80, passed: Position(25), hold_bytes: 30, ..NOTHING };
        assert_eq!(going(bounds), (5, Some(50), true));
    }
}
