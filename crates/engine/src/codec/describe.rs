//! What a record is found by: an event by its id, correlation and stream, a delivery's facts by their correlation.

use cantus_core::fact::Fact;
use cantus_core::hash;

use super::event::outline;
use crate::local::{Description, Term, Words};

/// Describes a record. What can not be read is found by nothing; reading it says why.
pub fn describe(words: &Words<'_>, number: u16, payload: &[u8]) -> Description {
    let mut description = Description::default();
    let fact = match number {
        // Most records by far, and on the way of every publish: only looked at, never decoded.
        1 => {
            if let Ok(outline) = outline(words, payload) {
                description.term(Term::ID, hash::of(outline.id));
                description.term(Term::CORRELATION, hash::of(outline.correlation_id.unwrap_or(outline.id)));
                if let Some(stream) = outline.stream {
                    description.term(Term::STREAM, hash::of(stream));
                }
                description.topic = Some(hash::of(outline.topic));
                description.kind = Some(hash::of(outline.event_type));
                description.priority = Some(outline.priority.lane() as u8);
            }
            return description;
        }
        // Of the others only those that belong to a story are found.
        2 | 30..=36 | 40 | 42 | 53 | 54 => Fact::decode(number, payload).ok(),
        _ => None,
    };
    match fact {
        Some(Fact::EventDeferred(deferred)) => {
            description.term(Term::ID, hash::of(&deferred.event.id));
            description.term(Term::CORRELATION, hash::of(&deferred.event.correlation_id));
        }
        Some(fact) => {
            if let Some(story) = story(&fact) {
                description.term(Term::CORRELATION, story);
            }
        }
        None => {}
    }
    description
}

/// Returns the hash of the correlation a fact belongs to, if it belongs to one.
pub(crate) fn story(fact: &Fact) -> Option<u64> {
    Some(match fact {
        Fact::DeliveryLeased(fact) => fact.story,
        Fact::DeliveryAcked(fact) => fact.story,
        Fact::DeliveryFailed(fact) => fact.story,
        Fact::DeliveryAnsweredLate(fact) => fact.story,
        Fact::DeliveryExpired(fact) => fact.story,
        Fact::DeliveryParked(fact) => fact.story,
        Fact::DeliveryHastened(fact) => fact.story,
        Fact::DeliveryGivenUp(fact) => fact.story,
        Fact::DeadLetterOpened(fact) => hash::of(&fact.event.correlation_id),
        Fact::DeadLetterReplayed(fact) => fact.story,
        _ => return None,
    })
}
