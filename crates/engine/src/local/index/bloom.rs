//! A Bloom filter in pages: one page read tells whether a name may be in a segment.

use xxhash_rust::xxh3::xxh3_64;

use super::Key;
use super::pages::CONTENT;

/// One key's bits are all in one line, a cache line.
const LINE: usize = 64;
const LINES: usize = CONTENT / LINE;
const PROBES: usize = 6;
/// Ten bits a key: about one in a hundred absent names is searched for in vain.
const KEYS_PER_PAGE: u64 = (LINES * LINE * 8 / 10) as u64;

/// How many pages a number of distinct keys takes.
pub(crate) fn pages_for(keys: u64) -> u64 {
    keys.div_ceil(KEYS_PER_PAGE)
}

/// Which page a key's bits are in, of so many.
pub(crate) fn page_of(key: Key, pages: u64) -> u64 {
    ((u128::from(spread(key)) * u128::from(pages)) >> 64) as u64
}

/// Sets a key's bits in its page.
pub(crate) fn insert(page: &mut [u8], key: Key) {
    for (byte, mask) in probes(key) {
        page[byte] |= mask;
    }
}

/// Says whether a key may have been inserted into its page.
pub(crate) fn may_hold(page: &[u8], key: Key) -> bool {
    probes(key).all(|(byte, mask)| page[byte] & mask != 0)
}

fn spread(key: Key) -> u64 {
    xxh3_64(&key.0.to_le_bytes())
}

fn probes(key: Key) -> impl Iterator<Item = (usize, u8)> {
    let hash = spread(key);
    let line = (hash as u32 as usize % LINES) * LINE;
    let mut bits = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    (0..PROBES).map(move |_| {
        let bit = (bits % (LINE as u64 * 8)) as usize;
        bits >>= 9;
        (line + bit / 8, 1 << (bit % 8))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_found_and_few_others_are() {
        let keys = |range: std::ops::Range<u64>| range.map(|n| Key(xxh3_64(&n.to_le_bytes())));
        let pages = pages_for(20_000);
        let mut filter = vec![vec![0; CONTENT]; pages as usize];
        for key in keys(0..20_000) {
            insert(&mut filter[page_of(key, pages) as usize], key);
        }
        let held = |key: &Key| may_hold(&filter[page_of(*key, pages) as usize], *key);
        assert!(keys(0..20_000).all(|key| held(&key)));
        let wrong = keys(20_000..40_000).filter(held).count();
        assert!(wrong < 600, "{wrong} of 20,000 absent keys were taken for present");
    }
}
