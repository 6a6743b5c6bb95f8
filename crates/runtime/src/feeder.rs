//! Who wants which event: matched behind the durable end, by the filter in force at that position.
//!
//! The feeder follows the durable log in order. Lanes that keep up are fed from memory; a lane that lags, is new, or
//! was set back is fed from the log, from where it stands, until it has caught up. It decides nothing: what it finds
//! are offers, which the turn may refuse.

mod inbox;
mod subjects;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cantus_core::Position;
use cantus_core::command::Command;
use cantus_core::coordinator::{Offer, Offers};
use cantus_core::fact::{Fact, Recorded};
use cantus_engine::{Budget, Entry, Reader, Selection};

use inbox::Feeding;
pub(crate) use inbox::{Inbox, Taken};
pub(crate) use subjects::Subjects;

use crate::handle::Shared;
use crate::mailbox::Item;
use crate::telemetry;

/// How many records of the log are read at once for lanes that lag.
const RECORDS_AT_ONCE: usize = 2_048;
/// After so many positions the turn is told how far quiet lanes were read.
const TELL_AFTER: u64 = 4_096;
/// The same after so long without anything to do.
const TELL_AFTER_IDLE: Duration = Duration::from_millis(500);
/// How long to wait after the log could not be read.
const READ_AGAIN_AFTER: Duration = Duration::from_millis(500);

pub(crate) struct Feeder {
    subjects: Subjects,
    inbox: Arc<Inbox>,
    reader: Arc<dyn Reader>,
    shared: Arc<Shared>,
    /// Everything up to here was followed.
    tail: Position,
    /// Up to where the turn was told that live lanes were read.
    told: Position,
    /// Feedings that wait until the log is followed up to a position.
    held: VecDeque<(Position, Feeding)>,
    /// The log could not be read: it is tried again after a pause.
    unreadable: bool,
    /// Up to where everything was followed when this began.
    started_at: Position,
    /// From where the log is still to be looked through for the ends of pauses that came before this began.
    missed_after: Option<Position>,
}

impl Feeder {
    pub(crate) fn new(
        subjects: Subjects,
        inbox: Arc<Inbox>,
        reader: Arc<dyn Reader>,
        shared: Arc<Shared>,
    ) -> Self {
        let tail = subjects.as_of();
        Self {
            missed_after: subjects.oldest_awaiting_pause(),
            subjects,
            inbox,
            reader,
            shared,
            tail,
            told: tail,
            held: VecDeque::new(),
            unreadable: false,
            started_at: tail,
        }
    }

    /// The feeder thread.
    pub(crate) fn run(mut self) {
        loop {
            let patience = if self.is_busy() { Duration::ZERO } else { TELL_AFTER_IDLE };
            let Some(taken) = self.inbox.take(patience) else { return };
            let offers = self.step(taken);
            // A closed mailbox means that the server stops: the next start reads on from the floors.
            if offers
                .is_some_and(|offers| self.shared.mailbox.outcome_patiently(Item::Offers(offers)).is_err())
            {
                return;
            }
            if std::mem::take(&mut self.unreadable) {
                std::thread::sleep(READ_AGAIN_AFTER);
            }
        }
    }

    /// Tells whether there is something to read.
    pub(crate) fn is_busy(&self) -> bool {
        self.missed_after.is_some() || self.subjects.has_behind() || self.tail < self.reader.durable()
    }

    /// Follows what came, and feeds what lags. Returns what the turn is to be told.
    pub(crate) fn step(&mut self, taken: Taken) -> Option<Offers> {
        self.look_for_missed_ends();
        let idle = taken.frames.is_empty() && taken.feedings.is_empty();
        let mut offers = Offers::default();
        // Feedings speak of definitions whose facts are durable: those come first.
        for frame in taken.frames {
            self.follow_frame(frame, &mut offers);
        }
        if self.tail < self.reader.durable() && self.inbox.is_empty() {
            self.follow_log(&mut offers);
        }
        // What was durable when a feeding came holds the definitions it speaks of; frames may have been dropped.
        let durable = self.reader.durable();
        self.held.extend(taken.feedings.into_iter().map(|feeding| (durable, feeding)));
        while self.held.front().is_some_and(|(needed, _)| *needed <= self.tail) {
            if let Some((_, feeding)) = self.held.pop_front() {
                self.subjects.feed(feeding);
            }
        }
        self.catch_up(&mut offers);
        // With very many lanes less often: there is never more to tell than there was to read.
        let tell_after = TELL_AFTER.max(self.subjects.lanes());
        if self.tail.0 - self.told.0 >= tell_after || (idle && self.tail > self.told) {
            self.told = self.tail;
            offers.fed.extend(self.subjects.live_lanes(self.tail));
        }
        (!offers.offers.is_empty() || !offers.fed.is_empty()).then_some(offers)
    }

    /// Follows durable facts that came from memory; what is missing before them is read from the log.
    fn follow_frame(&mut self, facts: Vec<Recorded>, offers: &mut Offers) {
        let Some(first) = facts.first().map(|recorded| recorded.position) else { return };
        if first > self.tail.next() {
            // Frames were dropped because there were too many: the log has them.
            self.follow_log_until(Position(first.0 - 1), offers);
            if self.tail.next() < first {
                return;
            }
        }
        for recorded in facts {
            if recorded.position > self.tail {
                self.follow(&recorded, offers);
                self.tail = recorded.position;
            }
        }
    }

    fn follow_log(&mut self, offers: &mut Offers) {
        let budget = Budget { entries: RECORDS_AT_ONCE, records: RECORDS_AT_ONCE, ..Budget::default() };
        match self.reader.read(self.tail, &Selection::default(), budget) {
            Ok(chunk) => {
                for entry in &chunk.entries {
                    if let Entry::Fact(recorded) = entry {
                        self.follow(recorded, offers);
                    }
                }
                self.tail = self.tail.max(chunk.reached);
            }
            Err(error) => self.unreadable(&error),
        }
    }

    fn follow_log_until(&mut self, end: Position, offers: &mut Offers) {
        while self.tail < end {
            let before = self.tail;
            self.follow_log(offers);
            if self.tail == before {
                return;
            }
        }
    }

    fn unreadable(&mut self, error: &cantus_engine::ReadError) {
        let reason = telemetry::chain(error);
        tracing::error!(reason, after = %self.tail, "the log can not be read for deliveries; trying again");
        self.unreadable = true;
    }

    /// Follows one fact: definitions change who is asked, events are offered to whoever keeps up.
    fn follow(&mut self, recorded: &Recorded, offers: &mut Offers) {
        let Fact::EventPublished(published) = &recorded.fact else {
            self.subjects.follow(recorded);
            return;
        };
        // A replay's event is in the hands of its one subscription already.
        if published.only.is_none() {
            self.subjects.match_live(recorded.position, &published.event, |subscription, round| {
                offers.offers.push(Offer {
                    subscription,
                    round,
                    position: recorded.position,
                    recorded_at: recorded.at,
                    event: published.event.clone(),
                });
            });
        }
        for pause in self.subjects.ended_pauses(recorded.position, &published.event) {
            self.end_pause(pause, published.event.source.clone());
        }
    }

    fn end_pause(&self, pause: Position, actor: cantus_core::Text) {
        let command = Command::EndPause { pause, actor };
        if self.shared.mailbox.outcome_patiently(Item::Command(Box::new(command), None)).is_err() {
            tracing::debug!("the server stops; the pause's end is found again by the next start");
        }
    }

    /// Feeds lanes that lag from the log, those furthest behind first.
    fn catch_up(&mut self, offers: &mut Offers) {
        let Some(from) = self.subjects.furthest_behind() else { return };
        if from >= self.tail {
            self.subjects.reached(self.tail, self.tail, &mut offers.fed);
            return;
        }
        let selection =
            Selection { events_only: true, topic: self.subjects.only_topic_behind(), ..Selection::default() };
        let budget = Budget { entries: RECORDS_AT_ONCE, records: RECORDS_AT_ONCE * 8, ..Budget::default() };
        let chunk = match self.reader.read(from, &selection, budget) {
            Ok(chunk) => chunk,
            Err(error) => {
                self.unreadable(&error);
                return;
            }
        };
        for entry in &chunk.entries {
            let Entry::Fact(recorded) = entry else { continue };
            let Fact::EventPublished(published) = &recorded.fact else { continue };
            if recorded.position > self.tail || published.only.is_some() {
                continue;
            }
            self.subjects.match_behind(recorded.position, &published.event, |subscription, round| {
                offers.offers.push(Offer {
                    subscription,
                    round,
                    position: recorded.position,
                    recorded_at: recorded.at,
                    event: published.event.clone(),
                });
            });
        }
        let reached = if chunk.end { self.tail } else { chunk.reached.min(self.tail) };
        self.subjects.reached(reached, self.tail, &mut offers.fed);
    }

    /// The event that ends a pause may have come just before the last stop: looks at a part of the log for it. What can not be
    /// read is looked at again later.
    fn look_for_missed_ends(&mut self) {
        let Some(after) = self.missed_after.filter(|after| *after < self.started_at) else {
            self.missed_after = None;
            return;
        };
        let selection = Selection { events_only: true, ..Selection::default() };
        let chunk = match self.reader.read(after, &selection, Budget::default()) {
            Ok(chunk) => chunk,
            Err(error) => return self.unreadable(&error),
        };
        for entry in &chunk.entries {
            let Entry::Fact(recorded) = entry else { continue };
            let Fact::EventPublished(published) = &recorded.fact else { continue };
            if recorded.position <= self.started_at {
                for pause in self.subjects.ended_pauses(recorded.position, &published.event) {
                    self.end_pause(pause, published.event.source.clone());
                }
            }
        }
        self.missed_after = (!chunk.end).then_some(chunk.reached);
    }
}
