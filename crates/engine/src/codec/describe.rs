//! What a record is found by: an event by its id, correlation and stream, a delivery's facts by their correlation.

use cantus_core::fact::Fact;
use cantus_core::hash;
use minicbor::Decoder;

use super::event::outline;
use crate::local::{Description, Term, Words};

/// Describes a record. What can not be read is found by nothing; reading it says why.
pub fn describe(words: &Words<'_>, number: u16, payload: &[u8]) -> Description {
    let mut described = Description::default();
    match number {
        // Most records by far: only looked at, never decoded.
        1 => {
            if let Ok(outline) = outline(words, payload) {
                let correlation = outline.correlation_id.unwrap_or(outline.id);
                named(&mut described, outline.id, correlation, outline.stream);
                described.topic = Some(hash::of(outline.topic));
                described.kind = Some(hash::of(outline.event_type));
                described.priority = Some(outline.priority.lane() as u8);
            }
            described
        }
        // A lease and an ack for every delivery: the same.
        30 | 32 => {
            let field = if number == 30 { LEASED_STORY } else { ACKED_STORY };
            if let Ok(Some(story)) = number_at(payload, field) {
                described.term(Term::CORRELATION, story);
            }
            described
        }
        number if has_story(number) => {
            Fact::decode(number, payload).map_or(described, |fact| description(&fact))
        }
        _ => described,
    }
}

/// Describes a fact: the same as its record is described.
pub(super) fn description(fact: &Fact) -> Description {
    let mut described = Description::default();
    match fact {
        Fact::EventPublished(published) => {
            let event = &published.event;
            named(&mut described, &event.id, &event.correlation_id, event.stream.as_deref());
            described.topic = Some(hash::of(event.topic.as_str()));
            described.kind = Some(hash::of(&event.event_type));
            described.priority = Some(event.priority.lane() as u8);
        }
        Fact::EventDeferred(deferred) => {
            named(&mut described, &deferred.event.id, &deferred.event.correlation_id, None);
        }
        fact if has_story(fact.number()) => {
            if let Some(story) = story(fact) {
                described.term(Term::CORRELATION, story);
            }
        }
        _ => {}
    }
    described
}

fn named(described: &mut Description, id: &str, correlation_id: &str, stream: Option<&str>) {
    let hashed = hash::of(id);
    described.term(Term::ID, hashed);
    described.term(Term::CORRELATION, if correlation_id == id { hashed } else { hash::of(correlation_id) });
    if let Some(stream) = stream {
        described.term(Term::STREAM, hash::of(stream));
    }
}

/// Of the other facts only those that belong to a story are found. These numbers are as old as the logs that were written
/// with them: a log would not agree with its indexes if one were added.
fn has_story(number: u16) -> bool {
    matches!(number, 2 | 30..=36 | 40 | 42 | 53 | 54)
}

/// The numbers of the fields `story` of `DeliveryLeased` and `DeliveryAcked`.
const LEASED_STORY: u64 = 6;
const ACKED_STORY: u64 = 1;

/// Returns the number in a field of a CBOR map, without reading the others.
fn number_at(payload: &[u8], field: u64) -> Result<Option<u64>, minicbor::decode::Error> {
    let mut d = Decoder::new(payload);
    let fields = d.map()?.unwrap_or_default();
    for _ in 0..fields {
        if d.u64()? == field {
            return d.u64().map(Some);
        }
        d.skip()?;
    }
    Ok(None)
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

#[cfg(test)]
mod tests {
    use super::*;
    use cantus_core::Timestamp;
    use cantus_core::event::Priority;
    use cantus_core::fact::{DeliveryAcked, DeliveryLeased};
    use cantus_core::ids::{DeliveryId, Position, Token};

    #[test]
    fn the_story_of_a_lease_and_of_an_ack_is_found_where_decoding_finds_it() {
        let delivery = DeliveryId { subscription: 7, position: Position(9), generation: 1 };
        let leased = |key| DeliveryLeased {
            delivery,
            token: Token { epoch: 1, secret: 2 },
            deadline: Timestamp(3),
            attempt: 4,
            priority: Priority::High,
            key,
            story: 0xABCD,
            recorded_at: Timestamp(5),
            own_key: Some(1),
            expires_at: Some(Timestamp(6)),
            probe: Some(true),
        };
        let acked = |actor: Option<&str>| DeliveryAcked {
            delivery,
            story: 0xABCD,
            attempt: 4,
            began: Timestamp(5),
            actor: actor.map(Into::into),
        };
        let facts = [
            Fact::from(leased(None)),
            Fact::from(leased(Some(u64::MAX))),
            Fact::from(acked(None)),
            Fact::from(acked(Some("token:ci"))),
        ];
        for fact in facts {
            let mut payload = Vec::new();
            fact.encode(&mut payload);
            let field = if fact.number() == 30 { LEASED_STORY } else { ACKED_STORY };
            assert_eq!(number_at(&payload, field).unwrap(), story(&fact), "{fact:?}");
        }
    }
}
