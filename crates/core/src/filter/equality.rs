//! What must be equal for a filter to match: what the hash index can use.
use std::collections::BTreeSet;

use super::clause::{Clause, Dialect};
use super::limits::EQUALITY_VALUES_MAX;
use super::path::Path;

/// A necessary condition of a filter: the value at `path` has one of these canonical forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equality {
    pub(crate) path: Path,
    pub(crate) values: BTreeSet<Box<str>>,
}

impl Equality {
    pub(crate) fn one(path: Path, value: impl Into<Box<str>>) -> Self {
        Self { path, values: BTreeSet::from([value.into()]) }
    }

    /// Returns the attribute or the place in the payload (`data.severity`) it looks at.
    pub fn path(&self) -> String {
        self.path.to_string()
    }

    /// Returns the canonical text forms of the values, sorted; at least one.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|value| &**value)
    }

    /// Orders by how many events probably share a value, the most selective first.
    pub(crate) fn rank(&self) -> (usize, u8) {
        (self.values.len(), path_rank(&self.path))
    }
}

fn path_rank(path: &Path) -> u8 {
    match path {
        Path::Attribute(name) => match &**name {
            "id" => 0,
            "causationid" | "causation_id" => 1,
            "correlationid" | "correlation_id" => 2,
            "partitionkey" | "partition_key" | "stream" | "subject" => 3,
            "to" => 6,
            "type" => 7,
            "source" => 8,
            "topic" => 11,
            "kind" | "priority" | "specversion" | "hops" | "version" | "eventversion" => 12,
            _ => 10,
        },
        Path::Data(_) => 4,
        Path::Named(_) => 5,
    }
}

/// Returns the equalities that hold whenever `clause` does, the most selective first.
pub(crate) fn necessary(clause: &Clause) -> Vec<Equality> {
    let mut equalities = collect(clause);
    equalities.retain(|equality| equality.values.len() <= EQUALITY_VALUES_MAX);
    equalities.sort_by_key(Equality::rank);
    equalities
}

fn collect(clause: &Clause) -> Vec<Equality> {
    match clause {
        Clause::Everything | Clause::Not(_) => Vec::new(),
        Clause::Equal(equal) => match equal.wanted.canonical() {
            Some(value) => vec![Equality::one(equal.path.clone(), value)],
            None => Vec::new(),
        },
        Clause::Text(text) => match text.dialect {
            Dialect::Exact => vec![Equality::one(Path::Attribute(text.name.clone()), text.value.clone())],
            Dialect::Prefix | Dialect::Suffix => Vec::new(),
        },
        Clause::All(clauses) => conjunction(clauses.iter().map(collect)),
        Clause::Any(clauses) => disjunction(clauses.iter().map(collect)),
        Clause::Expression(expression) => expression.equalities(),
    }
}

/// All branches hold: so does every equality of every branch.
pub(crate) fn conjunction(branches: impl Iterator<Item = Vec<Equality>>) -> Vec<Equality> {
    branches.flatten().collect()
}

/// One of the branches holds: what they have in common is a path with one of the values they name.
pub(crate) fn disjunction(mut branches: impl Iterator<Item = Vec<Equality>>) -> Vec<Equality> {
    let Some(mut common) = branches.next() else { return Vec::new() };
    for branch in branches {
        common.retain_mut(|equality| {
            let Some(other) = branch.iter().find(|other| other.path == equality.path) else { return false };
            equality.values.extend(other.values.iter().cloned());
            equality.values.len() <= EQUALITY_VALUES_MAX
        });
    }
    common
}
