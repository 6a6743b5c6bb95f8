//! The dedupe window of a topic: which identities it has seen, bounded in number and age.
//!
//! Ids are kept as 128-bit hashes in the order of their arrival, in chunks. A chunk is one row of state, so a
//! checkpoint writes an id about twice, not once per event.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hasher, RandomState};

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
    /// The number of the newest of each identity.
    by_identity: HashMap<u128, u64, Folding>,
    /// How many ids were ever remembered: the next one's number.
    count: u64,
}

/// Identities are hashes already. They are folded with a number that nobody outside knows, so that nobody can choose ids that
/// fall into one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folding(u64);

impl Default for Folding {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0u64) | 1)
    }
}

impl BuildHasher for Folding {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded { key: self.0, folded: 0 }
    }
}

#[derive(Debug)]
pub(crate) struct Folded {
    key: u64,
    folded: u64,
}

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.folded
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u128(u128::from(*byte));
        }
    }

    fn write_u128(&mut self, identity: u128) {
        let low = identity as u64 ^ self.folded ^ self.key;
        let high = (identity >> 64) as u64 ^ self.key.rotate_left(32);
        let product = u128::from(low) * u128::from(high);
        self.folded = (product >> 64) as u64 ^ product as u64;
    }
}

impl Window {
    /// Finds what is remembered of an identity, if it is still young enough at `now`.
    pub fn find(&self, identity: u128, now: Timestamp, age_max: Span) -> Option<&Seen> {
        let seen = self.at(*self.by_identity.get(&identity)?)?;
        (now.since(seen.at) < age_max).then_some(seen)
    }

    /// Remembers an identity and forgets what is too old or too much. Returns the number of the chunk that grew, and those of
    /// the chunks that vanished.
    pub fn remember(
        &mut self,
        identity: u128,
        content: u64,
        position: Position,
        at: Timestamp,
        limits: (u64, Span),
    ) -> (u64, Vec<u64>) {
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
        self.by_identity.insert(identity, number);
        let mut vanished = Vec::new();
        while let Some(gone) = self.forget_oldest(at, limits) {
            vanished.push(gone);
        }
        (number / CHUNK, vanished)
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
            let place = number * CHUNK + offset;
            if self.by_identity.get(&seen.identity()).is_none_or(|known| *known < place) {
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
            if self.by_identity.get(&identity).is_some_and(|place| *place == number * CHUNK + offset) {
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
