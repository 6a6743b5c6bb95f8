//! The dedupe window of a topic: which identities it has seen, bounded in number and age.
//!
//! Ids are kept as 128-bit hashes in the order of their arrival, in chunks. A chunk is one row of state, so a
//! checkpoint writes an id about twice, not once per event.

use std::collections::{BTreeMap, HashMap};

use minicbor::{Decode, Encode};

use crate::ids::Position;
use crate::time::{Span, Timestamp};

/// How many ids share one row of state.
pub const CHUNK: u64 = 1024;
/// How many ids a window holds when nothing else is declared.
pub const IDS_DEFAULT: u64 = 1_000_000;
/// How long an id is remembered when nothing else is declared.
pub const AGE_DEFAULT: Span = Span::hours(24);

/// One remembered id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Seen {
    /// Upper half of the identity's hash.
    #[n(0)]
    pub identity_high: u64,
    /// Lower half of the identity's hash.
    #[n(1)]
    pub identity_low: u64,
    /// Hash of what the client sent.
    #[n(2)]
    pub content: u64,
    /// Where the first one lies.
    #[n(3)]
    pub position: Position,
    /// When it was recorded.
    #[n(4)]
    pub at: Timestamp,
}

impl Seen {
    fn identity(&self) -> u128 {
        (u128::from(self.identity_high) << 64) | u128::from(self.identity_low)
    }
}

/// The window of one topic.
#[derive(Debug, Default)]
pub struct Window {
    chunks: BTreeMap<u64, Vec<Seen>>,
    by_identity: HashMap<u128, Place>,
    /// How many ids were ever remembered: the next one's number.
    count: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    number: u64,
}

impl Window {
    /// Finds what is remembered of an identity, if it is still young enough at `now`.
    pub fn find(&self, identity: u128, now: Timestamp, age_max: Span) -> Option<&Seen> {
        let seen = self.at(self.by_identity.get(&identity)?.number)?;
        (now.since(seen.at) < age_max).then_some(seen)
    }

    /// Remembers an identity and forgets what is too old or too much. Returns the numbers of the chunks that
    /// changed or vanished.
    pub fn remember(
        &mut self,
        identity: u128,
        content: u64,
        position: Position,
        at: Timestamp,
        limits: (u64, Span),
    ) -> Vec<u64> {
        let number = self.count;
        self.count += 1;
        let seen = Seen {
            identity_high: (identity >> 64) as u64,
            identity_low: identity as u64,
            content,
            position,
            at,
        };
        self.chunks.entry(number / CHUNK).or_default().push(seen);
        self.by_identity.insert(identity, Place { number });
        let mut changed = vec![number / CHUNK];
        while let Some(gone) = self.forget_oldest(at, limits) {
            changed.push(gone);
        }
        changed
    }

    /// Returns a chunk as a row of state; None when it is gone.
    pub fn chunk(&self, number: u64) -> Option<&Vec<Seen>> {
        self.chunks.get(&number)
    }

    /// Numbers of the chunks that the next id may change: the one that grows and the oldest.
    pub(crate) fn chunks_at_risk(&self) -> impl Iterator<Item = u64> + '_ {
        self.chunks.keys().copied().take(2).chain([self.count / CHUNK])
    }

    /// Numbers of the chunks that are kept.
    pub fn chunk_numbers(&self) -> impl Iterator<Item = u64> + '_ {
        self.chunks.keys().copied()
    }

    /// Puts a chunk back that was read from a row of state.
    pub fn restore(&mut self, number: u64, chunk: Vec<Seen>) {
        for (offset, seen) in (0u64..).zip(&chunk) {
            let place = Place { number: number * CHUNK + offset };
            let newest =
                self.by_identity.get(&seen.identity()).is_none_or(|known| known.number < place.number);
            if newest {
                self.by_identity.insert(seen.identity(), place);
            }
        }
        self.count = self.count.max(number * CHUNK + chunk.len() as u64);
        self.chunks.insert(number, chunk);
    }

    fn at(&self, number: u64) -> Option<&Seen> {
        self.chunks.get(&(number / CHUNK))?.get((number % CHUNK) as usize)
    }

    /// Forgets the oldest chunk when all of it is beyond the limits: bounded work per publish.
    fn forget_oldest(&mut self, now: Timestamp, (ids_max, age_max): (u64, Span)) -> Option<u64> {
        let (&number, chunk) = self.chunks.first_key_value()?;
        let kept = self.count - number * CHUNK;
        let too_many = kept > ids_max.saturating_add(CHUNK) && (chunk.len() as u64) == CHUNK;
        let too_old =
            (chunk.len() as u64) == CHUNK && chunk.last().is_some_and(|last| now.since(last.at) >= age_max);
        if !(too_many || too_old) {
            return None;
        }
        for (offset, seen) in (0u64..).zip(self.chunks.remove(&number).unwrap_or_default()) {
            let identity = seen.identity();
            if self.by_identity.get(&identity).is_some_and(|place| place.number == number * CHUNK + offset) {
                self.by_identity.remove(&identity);
            }
        }
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: (u64, Span) = (4096, Span::hours(24));

    fn filled(ids: u64) -> Window {
        let mut window = Window::default();
        for id in 0..ids {
            window.remember(u128::from(id), id, Position(id + 1), Timestamp(id as i64), LIMITS);
        }
        window
    }

    #[test]
    fn an_id_is_found_with_the_position_of_the_first() {
        let window = filled(10);
        assert_eq!(window.find(3, Timestamp(20), LIMITS.1).map(|seen| seen.position), Some(Position(4)));
        assert_eq!(window.find(11, Timestamp(20), LIMITS.1), None);
    }

    #[test]
    fn an_id_older_than_the_window_is_forgotten() {
        let window = filled(10);
        assert_eq!(window.find(3, Timestamp(3).after(LIMITS.1), LIMITS.1), None);
    }

    #[test]
    fn the_window_stays_bounded_and_keeps_the_newest() {
        let window = filled(20_000);
        assert!(window.by_identity.len() as u64 <= LIMITS.0 + 2 * CHUNK);
        assert!(window.find(19_999, Timestamp(20_000), LIMITS.1).is_some());
        assert!(window.find(19_999 - 4095, Timestamp(20_000), LIMITS.1).is_some());
        assert!(window.find(0, Timestamp(20_000), LIMITS.1).is_none());
    }

    #[test]
    fn restored_chunks_remember_the_same() {
        let window = filled(3_000);
        let mut again = Window::default();
        for number in window.chunk_numbers() {
            again.restore(number, window.chunk(number).expect("listed").clone());
        }
        assert_eq!(again.count, window.count);
        for id in [0, 1500, 2999] {
            assert_eq!(
                again.find(id, Timestamp(3_000), LIMITS.1),
                window.find(id, Timestamp(3_000), LIMITS.1)
            );
        }
    }
}
