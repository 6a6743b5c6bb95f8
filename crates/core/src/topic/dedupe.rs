//! The dedupe window of a topic: which identities it has seen, bounded in number and age.
//!
//! Ids are kept as 128-bit hashes in the order of their arrival, in chunks. A chunk is one row of state, so a
//! checkpoint writes an id about twice, not once per event. They are found by a table of eight bytes each: a window is
//! looked into for every event, and what does not lie in the processor's cache costs more than all else of a publish.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use hashbrown::HashTable;
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
    /// The newest of each identity.
    places: HashTable<Place>,
    folding: Folding,
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

/// Where an identity is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// A part of its hash: enough to move it in the table, and to look at hardly any other identity.
    hash: u32,
    /// The last 32 bits of its number. A window holds far fewer ids than these can tell apart.
    number: u32,
}

impl Place {
    /// Spreads the part of the hash over all the bits that the table uses.
    fn spread(hash: u32) -> u64 {
        u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

impl Window {
    /// Finds what is remembered of an identity, if it is still young enough at `now`.
    pub fn find(&self, identity: u128, now: Timestamp, age_max: Span) -> Option<&Seen> {
        let hash = self.hash(identity);
        let place = self.places.find(Place::spread(hash), |place| self.is(*place, hash, identity))?;
        let seen = self.at(self.number(*place))?;
        (now.since(seen.at) < age_max).then_some(seen)
    }

    /// Returns how many of these identities there may be. Asked about those of a batch before each is looked up, their places
    /// come into the processor's cache together instead of one after the other.
    pub(crate) fn approach(&self, identities: impl Iterator<Item = u128>) -> usize {
        identities
            .filter(|identity| {
                let hash = self.hash(*identity);
                self.places.find(Place::spread(hash), |place| place.hash == hash).is_some()
            })
            .count()
    }

    fn hash(&self, identity: u128) -> u32 {
        (self.folding.hash_one(identity) >> 32) as u32
    }

    fn is(&self, place: Place, hash: u32, identity: u128) -> bool {
        place.hash == hash && self.at(self.number(place)).is_some_and(|seen| seen.identity() == identity)
    }

    /// Returns the whole number of a place: the newest that ends with its bits.
    fn number(&self, place: Place) -> u64 {
        let newest = self.count.wrapping_sub(1);
        newest.wrapping_sub(u64::from((newest as u32).wrapping_sub(place.number)))
    }

    /// Makes this number the newest of an identity.
    fn put(&mut self, identity: u128, number: u64) {
        let hash = self.hash(identity);
        let place = Place { hash, number: number as u32 };
        let known = self.places.find(Place::spread(hash), |place| self.is(*place, hash, identity)).copied();
        let known = known.map(|known| known.number);
        match known.and_then(|known| {
            self.places.find_mut(Place::spread(hash), |place| place.hash == hash && place.number == known)
        }) {
            Some(known) => *known = place,
            None => {
                self.places.insert_unique(Place::spread(hash), place, |place| Place::spread(place.hash));
            }
        }
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
        self.chunks.entry(number / CHUNK).or_insert_with(|| Vec::with_capacity(CHUNK as usize)).push(seen);
        self.put(identity, number);
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
        self.count = self.count.max(number * CHUNK + chunk.len() as u64);
        let identities: Vec<u128> = chunk.iter().map(Seen::identity).collect();
        self.chunks.insert(number, chunk);
        for (place, identity) in (number * CHUNK..).zip(identities) {
            let hash = self.hash(identity);
            let known = self.places.find(Place::spread(hash), |place| self.is(*place, hash, identity));
            if known.is_none_or(|known| self.number(*known) < place) {
                self.put(identity, place);
            }
        }
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
        let gone = self.chunks.remove(&number).unwrap_or_default();
        for (place, seen) in (number * CHUNK..).zip(gone) {
            let hash = self.hash(seen.identity());
            let known = |known: &Place| known.hash == hash && known.number == place as u32;
            if let Ok(found) = self.places.find_entry(Place::spread(hash), known) {
                found.remove();
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
        assert!(window.places.len() as u64 <= LIMITS.0 + 2 * CHUNK);
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

    #[test]
    fn an_id_that_comes_again_after_its_age_is_found_where_it_came_last() {
        let mut window = filled(CHUNK);
        let late = Timestamp(0).after(LIMITS.1).after(LIMITS.1);
        window.remember(3, 77, Position(50_000), late, LIMITS);
        assert_eq!(window.find(3, late, LIMITS.1).map(|seen| seen.position), Some(Position(50_000)));
        for id in 0..CHUNK {
            window.remember(u128::from(100_000 + id), 0, Position(60_000 + id), late, LIMITS);
        }
        assert!(window.chunk(0).is_none(), "the oldest are forgotten");
        assert_eq!(window.find(3, late, LIMITS.1).map(|seen| seen.content), Some(77));
        assert_eq!(window.find(4, late, LIMITS.1), None);
    }

    #[test]
    fn ids_are_told_apart_where_their_numbers_pass_32_bits() {
        let mut window = Window::default();
        let last = (1u64 << 32) / CHUNK - 1;
        let seen = |id: u64| Seen {
            identity_high: 0,
            identity_low: id,
            content: id,
            position: Position(id),
            at: Timestamp(1),
        };
        window.restore(last, (0..CHUNK).map(seen).collect());
        for id in CHUNK..3 * CHUNK {
            window.remember(u128::from(id), id, Position(id), Timestamp(1), LIMITS);
        }
        for id in 0..3 * CHUNK {
            assert_eq!(
                window.find(u128::from(id), Timestamp(1), LIMITS.1).map(|seen| seen.content),
                Some(id)
            );
        }
    }
}
