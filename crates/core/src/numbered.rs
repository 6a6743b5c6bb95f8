//! Maps whose keys are numbers that this process has given: they need no hash that withstands an attacker.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by numbers of ours, or by ids made of them.
pub type Numbered<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// Hashes numbers by multiplication.
#[derive(Clone, Copy, Debug, Default)]
pub struct NumberHasher(u64);

impl NumberHasher {
    fn take(&mut self, number: u64) {
        // 2^64 divided by the golden ratio, as in Fibonacci hashing; both halves count, as maps look at both ends of a hash.
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.take(u64::from(*byte) + 1);
        }
    }

    fn write_u16(&mut self, number: u16) {
        self.take(u64::from(number) + 1);
    }

    fn write_u32(&mut self, number: u32) {
        self.take(u64::from(number) + 1);
    }

    fn write_u64(&mut self, number: u64) {
        self.take(number.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::Hash;

    use super::*;
    use crate::ids::{DeliveryId, Position};

    #[test]
    fn ids_in_a_row_spread_over_both_ends_of_the_hash() {
        let hash = |position: u64| {
            let mut hasher = NumberHasher::default();
            DeliveryId { subscription: 0, position: Position(position), generation: 0 }.hash(&mut hasher);
            hasher.finish()
        };
        let hashes: Vec<u64> = (0..4096).map(hash).collect();
        assert_eq!(hashes.iter().collect::<HashSet<_>>().len(), 4096);
        let low: HashSet<u64> = hashes.iter().map(|hash| hash % 4096).collect();
        let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert!(low.len() > 2_000 && high.len() == 128, "{} {}", low.len(), high.len());
    }
}
