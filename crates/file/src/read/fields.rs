//! Fields: the keys of a map, the unknown ones said at once.

use crate::diagnostic::Fault;
use crate::source::Span;
use crate::suggest::nearest;
use crate::yaml::{Entry, Node};

use super::Reader;

/// The keys of one map that are known.
pub(crate) struct Fields<'r, 'n> {
    reader: &'r Reader<'r>,
    what: &'static str,
    span: Span,
    entries: &'n [Entry],
}

impl<'r, 'n> Fields<'r, 'n> {
    /// Opens a map. Keys that are neither `known` nor `later` are faults with the nearest known key; `later` ones
    /// are said to be not available yet, with what works instead.
    pub(crate) fn open(
        reader: &'r Reader<'r>,
        node: &'n Node,
        what: &'static str,
        known: &[&str],
        later: &[(&str, &str)],
    ) -> Option<Self> {
        let entries = reader.entries(node, what)?;
        for entry in entries {
            let key = entry.key.as_str();
            if known.contains(&key) {
                continue;
            }
            reader.say(match later.iter().find(|(name, _)| *name == key) {
                Some((_, instead)) => {
                    Fault::error(entry.key_span, format!("`{key}` is not available yet")).hint(*instead)
                }
                None => Fault::error(entry.key_span, format!("`{key}` is no key of {what}"))
                    .hint(meant(key, known)),
            });
        }
        Some(Self { reader, what, span: node.span, entries })
    }

    /// Returns the entry of a key.
    pub(crate) fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Returns the value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Returns the value of a key that must be there.
    pub(crate) fn required(&self, key: &str, example: &str) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            let span = self.entries.first().map_or(self.span, |entry| entry.key_span);
            self.reader.say(
                Fault::error(span, format!("{} needs `{key}`", self.what)).hint(format!("add `{example}`")),
            );
        }
        found
    }

    /// Reads the text of a key.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        Some(self.reader.text(self.get(key)?)?.into_owned())
    }

    /// Tells whether there is a key that is not known.
    pub(crate) fn has_unknown(&self, known: &[&str]) -> bool {
        self.entries.iter().any(|entry| !known.contains(&entry.key.as_str()))
    }

    /// Returns where the map stands, for faults that mean all of it.
    pub(crate) fn span(&self) -> Span {
        self.entries.first().map_or(self.span, |entry| entry.key_span)
    }
}

/// Says which key was probably meant, or which there are.
pub(crate) fn meant(key: &str, known: &[&str]) -> String {
    match nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the keys here are: {}", known.join(", ")),
    }
}
