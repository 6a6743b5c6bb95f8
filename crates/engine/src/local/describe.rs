//! What the log knows of a record: a few hashes to find it by. Everything else about it is opaque.

use super::frame::Words;

/// How the log learns what a record is about, at append and when an index is rebuilt.
///
/// It must give the same answer for the same bytes for ever, or indexes disagree with their segments.
pub trait Describe: Send + Sync + 'static {
    /// Describes one record of the given number; `words` is the dictionary of its frame.
    fn describe(&self, words: &Words<'_>, number: u16, payload: &[u8]) -> Description;
}

impl<F> Describe for F
where
    F: Fn(&Words<'_>, u16, &[u8]) -> Description + Send + Sync + 'static,
{
    fn describe(&self, words: &Words<'_>, number: u16, payload: &[u8]) -> Description {
        self(words, number, payload)
    }
}

/// A hashed name a record can be looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// What kind of name: see [`Term::ID`], [`Term::CORRELATION`], [`Term::STREAM`].
    pub class: u8,
    /// The hash of the name, evenly spread over 64 bits (XXH3).
    pub hash: u64,
}

impl Term {
    /// The class of events' ids.
    pub const ID: u8 = 1;
    /// The class of correlations.
    pub const CORRELATION: u8 = 2;
    /// The class of streams.
    pub const STREAM: u8 = 3;
}

/// What one record is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Description {
    terms: [Option<Term>; Self::TERMS_MAX],
    /// The hash of its topic.
    pub topic: Option<u64>,
    /// The hash of its type.
    pub kind: Option<u64>,
    /// Its priority, 0 to 7.
    pub priority: Option<u8>,
}

impl Description {
    /// How many terms a record can have.
    pub const TERMS_MAX: usize = 4;

    /// Adds a term. A fifth one is a mistake of the codec; it is left out, and said so in builds with debug assertions.
    pub fn term(&mut self, class: u8, hash: u64) {
        let free = self.terms.iter_mut().find(|place| place.is_none());
        debug_assert!(free.is_some(), "a record has more than {} terms", Self::TERMS_MAX);
        if let Some(place) = free {
            *place = Some(Term { class, hash });
        }
    }

    /// Returns the terms.
    pub fn terms(&self) -> impl Iterator<Item = Term> + '_ {
        self.terms.iter().flatten().copied()
    }
}
