//! Many filters, one look.
//!
//! Each filter is filed under its most selective equality, so an event is compared only with the filters that have
//! that value there, and with the few that have no equality at all. Which equality is the most selective depends on
//! the other filters (ten thousand filters on one type are told apart by their task ids), so the choice is made
//! again each time the number of filters has doubled.
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use xxhash_rust::xxh3::Xxh3DefaultBuilder;

use super::compiled::Filter;
use super::equality::Equality;
use super::path::Path;
use super::subject::Subject;

/// Hashes without a random seed: the same filters in the same order give the same index.
type Hashed<Key, Kept> = HashMap<Key, Kept, Xxh3DefaultBuilder>;

/// Files filters under keys, and returns the keys whose filters match an event.
pub struct Index<K> {
    filters: Hashed<K, Filed>,
    /// Where filters are filed: path, then canonical value, then the order they came in.
    files: BTreeMap<Path, Hashed<Box<str>, BTreeMap<u64, K>>>,
    /// Filters without an equality: compared with every event.
    rest: BTreeMap<u64, K>,
    /// How many filters have an equality with that value there, whether filed under it or not.
    uses: BTreeMap<Path, Hashed<Box<str>, usize>>,
    order_next: u64,
    /// At this number of filters the choice of files is made again.
    refile_at: usize,
}

struct Filed {
    filter: Filter,
    order: u64,
    /// Which of the filter's equalities it is filed under.
    under: Option<usize>,
}

impl<K: Clone + Eq + Hash> Index<K> {
    /// Returns an empty index.
    pub fn new() -> Self {
        Self {
            filters: Hashed::default(),
            files: BTreeMap::new(),
            rest: BTreeMap::new(),
            uses: BTreeMap::new(),
            order_next: 0,
            refile_at: 16,
        }
    }

    /// Returns how many filters there are.
    pub fn len(&self) -> usize {
        self.filters.len()
    }

    /// Returns whether there is no filter.
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// Returns the filter of a key.
    pub fn get(&self, key: &K) -> Option<&Filter> {
        self.filters.get(key).map(|filed| &filed.filter)
    }

    /// Files a filter; one that was filed under the same key is replaced.
    pub fn insert(&mut self, key: K, filter: Filter) {
        self.remove(&key);
        let order = self.order_next;
        self.order_next += 1;
        for equality in filter.equalities() {
            let uses = self.uses.entry(equality.path.clone()).or_default();
            for value in &equality.values {
                *uses.entry(value.clone()).or_default() += 1;
            }
        }
        let under = self.most_selective(filter.equalities());
        self.file(&key, order, under.map(|under| &filter.equalities()[under]));
        self.filters.insert(key, Filed { filter, order, under });
        if self.filters.len() >= self.refile_at {
            self.refile();
        }
    }

    /// Forgets the filter of a key. Returns whether there was one.
    pub fn remove(&mut self, key: &K) -> bool {
        let Some(Filed { filter, order, under }) = self.filters.remove(key) else { return false };
        for equality in filter.equalities() {
            let Some(uses) = self.uses.get_mut(&equality.path) else { continue };
            for value in &equality.values {
                if let Some(count) = uses.get_mut(value) {
                    *count -= 1;
                    if *count == 0 {
                        uses.remove(value);
                    }
                }
            }
            if uses.is_empty() {
                self.uses.remove(&equality.path);
            }
        }
        let Some(equality) = under.map(|under| &filter.equalities()[under]) else {
            self.rest.remove(&order);
            return true;
        };
        if let Some(file) = self.files.get_mut(&equality.path) {
            for value in &equality.values {
                if let Some(keys) = file.get_mut(value) {
                    keys.remove(&order);
                    if keys.is_empty() {
                        file.remove(value);
                    }
                }
            }
            if file.is_empty() {
                self.files.remove(&equality.path);
            }
        }
        true
    }

    /// Appends the keys of all filters that match the event, in the order they were inserted.
    ///
    /// Returns how many filters were evaluated for that: the cost of the event.
    pub fn matching(&self, subject: &dyn Subject, matching: &mut Vec<K>) -> usize {
        let mut candidates: Vec<(u64, &K)> = self.rest.iter().map(|(order, key)| (*order, key)).collect();
        for (path, file) in &self.files {
            let Some(value) = path.look(subject).and_then(|found| found.canonical()) else { continue };
            if let Some(keys) = file.get(&*value) {
                candidates.extend(keys.iter().map(|(order, key)| (*order, key)));
            }
        }
        candidates.sort_unstable_by_key(|(order, _)| *order);
        let evaluated = candidates.len();
        matching.extend(
            candidates
                .into_iter()
                .filter(|(_, key)| self.filters.get(key).is_some_and(|filed| filed.filter.matches(subject)))
                .map(|(_, key)| key.clone()),
        );
        evaluated
    }

    /// Returns the equality that leaves the fewest filters beside this one; among equals, the one whose path tells
    /// the most filters apart, then the one that is listed first.
    fn most_selective(&self, equalities: &[Equality]) -> Option<usize> {
        let cost = |equality: &Equality| {
            let uses = self.uses.get(&equality.path);
            let beside: usize =
                equality.values.iter().filter_map(|value| uses.and_then(|uses| uses.get(value))).sum();
            (beside, std::cmp::Reverse(uses.map_or(0, Hashed::len)))
        };
        (0..equalities.len()).min_by_key(|&i| cost(&equalities[i]))
    }

    fn file(&mut self, key: &K, order: u64, under: Option<&Equality>) {
        let Some(equality) = under else {
            self.rest.insert(order, key.clone());
            return;
        };
        let file = self.files.entry(equality.path.clone()).or_default();
        for value in &equality.values {
            file.entry(value.clone()).or_default().insert(order, key.clone());
        }
    }

    fn refile(&mut self) {
        self.files.clear();
        self.rest.clear();
        let mut filters = std::mem::take(&mut self.filters);
        for (key, filed) in &mut filters {
            filed.under = self.most_selective(filed.filter.equalities());
            self.file(key, filed.order, filed.under.map(|under| &filed.filter.equalities()[under]));
        }
        self.refile_at = filters.len().saturating_mul(2).max(16);
        self.filters = filters;
    }
}

impl<K: Clone + Eq + Hash> Default for Index<K> {
    fn default() -> Self {
        Self::new()
    }
}
