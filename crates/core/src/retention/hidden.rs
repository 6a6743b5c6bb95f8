//! What nobody may see any more, although its bytes may still be there.

use std::collections::{HashMap, HashSet};

use crate::event::Event;
use crate::fact::{Fact, Recorded};
use crate::ids::{DeadLetterId, Position};
use crate::state::State;
use crate::text::Text;

/// What nobody may see: erased events with all that is told of them, and events whose retention is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    erased: HashSet<Position>,
    erased_dead_letters: HashSet<DeadLetterId>,
    /// Per topic: every event up to here has gone.
    trimmed: HashMap<Text, Position>,
    /// True when a subscription may have lost events and not gone on since.
    lost: bool,
}

impl Hidden {
    /// Takes what the state knows.
    pub fn of(state: &State) -> Self {
        let erased = state.erased.keys().copied().collect();
        let dead_letters = state.dead_letters.values().filter(|it| it.erased.is_some());
        let topics = state.topics.iter();
        Self {
            lost: state.subscriptions.values().any(|it| it.expired.is_some()),
            erased,
            erased_dead_letters: dead_letters.map(|dead_letter| dead_letter.id).collect(),
            trimmed: topics.filter_map(|(name, topic)| Some((name.text().clone(), topic.trimmed?))).collect(),
        }
    }

    /// Tells whether a fact changes what is hidden.
    pub fn is_changed_by(fact: &Fact) -> bool {
        matches!(
            fact,
            Fact::EventsErased(_) | Fact::ErasureAdvanced(_) | Fact::TopicTrimmed(_) | Fact::EventsExpired(_)
        )
    }

    /// Tells whether nothing is hidden at all.
    pub fn is_nothing(&self) -> bool {
        self.erased.is_empty() && self.erased_dead_letters.is_empty() && self.trimmed.is_empty()
    }

    /// Tells whether a fact is, holds, or tells of an event that was erased.
    pub fn is_erased(&self, recorded: &Recorded) -> bool {
        if self.erased.is_empty() && self.erased_dead_letters.is_empty() {
            return false;
        }
        if event_of(recorded).is_some_and(|position| self.erased.contains(&position)) {
            return true;
        }
        match &recorded.fact {
            Fact::DeadLetterOpened(fact) => {
                let opened = [Some(DeadLetterId(recorded.position)), fact.reopens];
                opened.into_iter().flatten().any(|id| self.erased_dead_letters.contains(&id))
            }
            Fact::DeadLetterEdited(fact) => self.erased_dead_letters.contains(&fact.id),
            _ => false,
        }
    }

    /// Tells whether a subscription may have lost events and not gone on since.
    pub fn may_have_lost(&self) -> bool {
        self.lost
    }

    /// Tells whether the event at a position was erased.
    pub fn is_erased_event(&self, position: Position) -> bool {
        self.erased.contains(&position)
    }

    /// Tells whether an event's retention is over. What is open goes on being delivered all the same.
    pub fn is_trimmed(&self, event: &Event, position: Position) -> bool {
        self.trimmed_through(event.topic.as_str()).is_some_and(|through| position <= through)
    }

    /// Returns up to where all events of a topic have gone.
    pub fn trimmed_through(&self, topic: &str) -> Option<Position> {
        self.trimmed.get(topic).copied()
    }

    /// Returns up to where events have gone, per topic.
    pub fn trimmed(&self) -> impl Iterator<Item = (&str, Position)> {
        self.trimmed.iter().map(|(topic, through)| (&**topic, *through))
    }
}

/// Returns where the event lies that a fact is, or tells of.
pub fn event_of(recorded: &Recorded) -> Option<Position> {
    Some(match &recorded.fact {
        Fact::EventPublished(_) | Fact::EventDeferred(_) => recorded.position,
        Fact::DeliveryLeased(fact) => fact.delivery.position,
        Fact::DeliveryExtended(fact) => fact.delivery.position,
        Fact::DeliveryAcked(fact) => fact.delivery.position,
        Fact::DeliveryFailed(fact) => fact.delivery.position,
        Fact::DeliveryAnsweredLate(fact) => fact.delivery.position,
        Fact::DeliveryExpired(fact) => fact.delivery.position,
        Fact::DeliveryParked(fact) => fact.delivery.position,
        Fact::DeadLetterOpened(fact) => fact.delivery.position,
        _ => return None,
    })
}
