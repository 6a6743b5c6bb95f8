//! What a filter asks of an event, clause by clause.
use std::borrow::Cow;

use serde_json::Value;

use super::cel::{self, Expression};
use super::explanation::Unmatched;
use super::path::{self, Found, Path};
use super::subject::Subject;

/// One clause of a filter.
pub(crate) enum Clause {
    Everything,
    Equal(Equal),
    Text(TextClause),
    All(Vec<Clause>),
    Any(Vec<Clause>),
    Not(Box<Clause>),
    Expression(Expression),
}

/// The value at a path is equal to a declared one.
pub(crate) struct Equal {
    pub(crate) path: Path,
    pub(crate) wanted: Wanted,
}

/// What a value is compared with.
pub(crate) enum Wanted {
    /// A JSON value: types count in the payload (`"5"` is not `5`), canonical forms in attributes.
    Value(Value),
    /// A canonical text form, as in `name=value`, where nobody can say whether `5` is a number.
    Canonical(Box<str>),
}

/// An attribute compared as text, as the CloudEvents dialects do.
pub(crate) struct TextClause {
    pub(crate) dialect: Dialect,
    pub(crate) name: Box<str>,
    pub(crate) value: Box<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Exact,
    Prefix,
    Suffix,
}

impl Clause {
    /// Several clauses of which all must hold.
    pub(crate) fn all(mut clauses: Vec<Clause>) -> Self {
        match clauses.len() {
            0 => Self::Everything,
            1 => clauses.swap_remove(0),
            _ => Self::All(clauses),
        }
    }

    pub(crate) fn matches(&self, subject: &dyn Subject) -> bool {
        match self {
            Self::Everything => true,
            Self::Equal(equal) => equal.matches(subject),
            Self::Text(text) => text.matches(subject),
            Self::All(clauses) => clauses.iter().all(|clause| clause.matches(subject)),
            Self::Any(clauses) => clauses.iter().any(|clause| clause.matches(subject)),
            Self::Not(clause) => !clause.matches(subject),
            Self::Expression(expression) => expression.matches(subject),
        }
    }

    /// Returns the first clause that fails, or `None` when all hold.
    pub(crate) fn explain(&self, subject: &dyn Subject) -> Option<Unmatched> {
        match self {
            Self::Everything => None,
            Self::Equal(equal) => (!equal.matches(subject)).then(|| Unmatched {
                clause: self.to_string(),
                found: Some(found(&equal.path, subject)),
                error: None,
            }),
            Self::Text(text) => (!text.matches(subject)).then(|| Unmatched {
                clause: self.to_string(),
                found: Some(found(&Path::Attribute(text.name.clone()), subject)),
                error: None,
            }),
            Self::All(clauses) => clauses.iter().find_map(|clause| clause.explain(subject)),
            Self::Any(clauses) => any(self, clauses, subject),
            Self::Not(clause) => clause.matches(subject).then(|| Unmatched {
                clause: self.to_string(),
                found: Some("what must not hold does".to_owned()),
                error: None,
            }),
            Self::Expression(expression) => expression.explain(subject),
        }
    }
}

fn any(whole: &Clause, clauses: &[Clause], subject: &dyn Subject) -> Option<Unmatched> {
    // More would not be read; the clause itself names the rest.
    const REASONS_MAX: usize = 3;
    if clauses.iter().any(|clause| clause.matches(subject)) {
        return None;
    }
    let reasons: Vec<String> = clauses
        .iter()
        .take(REASONS_MAX)
        .filter_map(|clause| clause.explain(subject))
        .map(|unmatched| unmatched.error.or(unmatched.found).unwrap_or(unmatched.clause))
        .collect();
    Some(Unmatched { clause: whole.to_string(), found: Some(reasons.join("; ")), error: None })
}

/// Returns what the event has at a path, as `type = "A"` or `type is missing`.
pub(crate) fn found(path: &Path, subject: &dyn Subject) -> String {
    match path.look(subject) {
        Some(found) => format!("{path} = {}", found.shown()),
        None if subject.data().is_none() && matches!(path, Path::Data(_)) => {
            format!("{path} is missing: the event has no JSON data")
        }
        None => format!("{path} is missing"),
    }
}

impl Equal {
    fn matches(&self, subject: &dyn Subject) -> bool {
        match (self.path.look(subject), &self.wanted) {
            (None, _) => false,
            (Some(Found::Data(found)), Wanted::Value(wanted)) => cel::json_equal(found, wanted),
            (Some(found), wanted) => match (found.canonical(), wanted.canonical()) {
                (Some(found), Some(wanted)) => found == wanted,
                _ => false,
            },
        }
    }
}

impl Wanted {
    /// Returns the canonical text form, or `None` for arrays and objects, which have none.
    pub(crate) fn canonical(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Value(value) => path::canonical(value),
            Self::Canonical(text) => Some(Cow::Borrowed(text)),
        }
    }
}

impl TextClause {
    fn matches(&self, subject: &dyn Subject) -> bool {
        let Some(found) = subject.attribute(&self.name) else { return false };
        let found = found.canonical();
        match self.dialect {
            Dialect::Exact => *found == *self.value,
            Dialect::Prefix => found.starts_with(&*self.value),
            Dialect::Suffix => found.ends_with(&*self.value),
        }
    }
}

impl Dialect {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Prefix => "prefix",
            Self::Suffix => "suffix",
        }
    }
}

impl std::fmt::Display for Clause {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |out: &mut std::fmt::Formatter<'_>, name: &str, clauses: &[Clause]| {
            write!(out, "{name}: [")?;
            for (i, clause) in clauses.iter().enumerate() {
                write!(out, "{}{clause}", if i == 0 { "" } else { ", " })?;
            }
            out.write_str("]")
        };
        match self {
            Self::Everything => out.write_str("everything"),
            Self::Equal(Equal { path, wanted: Wanted::Value(value) }) => write!(out, "{path}: {value}"),
            Self::Equal(Equal { path, wanted: Wanted::Canonical(text) }) => write!(out, "{path}={text}"),
            Self::Text(text) => {
                write!(out, "{} {}: {}", text.dialect.name(), text.name, Value::from(&*text.value))
            }
            Self::All(clauses) => list(out, "all", clauses),
            Self::Any(clauses) => list(out, "any", clauses),
            Self::Not(clause) => write!(out, "not: {clause}"),
            Self::Expression(expression) => out.write_str(expression.text()),
        }
    }
}
