//! What a record is found by: an event by its id, correlation and stream, a delivery's facts by their correlation.

use cantus_core::fact::Fact;
use cantus_core::hash;

use super::decode_published;
use crate::local::{Description, Record, Term, Words};

/// Describes a record. What can not be read is found by nothing; reading it says why.
pub fn describe(words: &Words<'_>, number: u16, payload: &[u8]) -> Description {
    let mut description = Description::default();
    let fact = match number {
        1 => {
            let record = Record { position: 0, number, slice_end: false, payload };
            decode_published(words, &record).ok()
        }
        // Of the others only those that belong to a story are found.
        2 | 30..=36 | 40 | 42 => Fact::decode(number, payload).ok(),
        _ => None,
    };
    match fact {
        Some(Fact::EventPublished(published)) => {
            let event = &published.event;
            description.term(Term::ID, hash::of(&event.id));
            description.term(Term::CORRELATION, hash::of(&event.correlation_id));
            if let Some(stream) = &event.stream {
                description.term(Term::STREAM, hash::of(stream));
            }
            description.topic = Some(hash::of(event.topic.as_str()));
            description.kind = Some(hash::of(&event.event_type));
            description.priority = Some(event.priority.lane() as u8);
        }
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
        Fact::DeadLetterOpened(fact) => hash::of(&fact.event.correlation_id),
        Fact::DeadLetterReplayed(fact) => fact.story,
        _ => return None,
    })
}
