//! Finding events by their ids, for whoever reads the log.

use std::sync::Arc;

use cantus_core::event::Event;
use cantus_core::fact::Fact;
use cantus_core::{Position, Timestamp, hash};
use cantus_engine::{ReadError, Reader, Term};

/// How many records of one id are looked at.
const RECORDS_MAX: usize = 1_000;

/// An event where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The event.
    pub(crate) event: Arc<Event>,
    /// Where it lies.
    pub(crate) position: Position,
    /// When it was stored.
    pub(crate) recorded_at: Timestamp,
    /// Its number in its stream.
    pub(crate) revision: Option<u64>,
    /// The number of the only subscription that may receive it.
    pub(crate) only: Option<u32>,
    /// True when it was accepted and is published later.
    pub(crate) pending: bool,
}

/// Returns every event of that id, the oldest of each source and topic first. One that is still to be published is there
/// unless it was published meanwhile.
///
/// # Errors
/// When the log can not be read.
pub(crate) fn by_id(reader: &dyn Reader, id: &str) -> Result<Vec<Found>, ReadError> {
    let mut found: Vec<Found> = Vec::new();
    for position in reader.find(Term::EventId(hash::of(id)), Position(0), RECORDS_MAX)? {
        let Some(event) = at(reader, position)?.filter(|found| *found.event.id == *id) else { continue };
        if !event.pending {
            // What waited is here now.
            found.retain(|earlier| !(earlier.pending && earlier.event.source == event.event.source));
        }
        let known = found.iter().any(|earlier| {
            earlier.event.source == event.event.source && earlier.event.topic == event.event.topic
        });
        if !known {
            found.push(event);
        }
    }
    Ok(found)
}

/// Returns the event at a position, published or still to be published.
///
/// # Errors
/// When the log can not be read.
pub(crate) fn at(reader: &dyn Reader, position: Position) -> Result<Option<Found>, ReadError> {
    let Some(recorded) = reader.get(position)? else { return Ok(None) };
    let recorded_at = recorded.at;
    Ok(match recorded.fact {
        Fact::EventPublished(it) => Some(Found {
            event: it.event,
            position,
            recorded_at,
            revision: it.revision,
            only: it.only,
            pending: false,
        }),
        Fact::EventDeferred(it) => {
            Some(Found { event: it.event, position, recorded_at, revision: None, only: None, pending: true })
        }
        _ => None,
    })
}
