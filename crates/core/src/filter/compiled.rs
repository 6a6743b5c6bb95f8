//! A filter that was declared, checked and is ready to be asked.
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::clause::Clause;
use super::equality::{self, Equality};
use super::explanation::Explanation;
use super::invalid::InvalidFilter;
use super::subject::Subject;
use super::{declared, path};

/// A compiled filter. Cheap to clone, and may be asked from many threads.
#[derive(Clone)]
pub struct Filter(Arc<Inner>);

struct Inner {
    clause: Clause,
    equalities: Vec<Equality>,
    text: String,
}

impl Filter {
    /// Compiles a declared filter.
    ///
    /// - JSON `null` matches everything; so do the empty map and the empty list.
    /// - A map: all are equal (`{"type": "X", "data.severity": "high"}`). A name that is no attribute is looked up
    ///   in the payload, also as a dotted path. An object whose only key is a dialect (`exact`, `prefix`, `suffix`,
    ///   `all`, `any`, `not`, `cel`) with a value of its shape is that dialect.
    /// - The text `name=value`, without quotes or operators, is that map, and compares canonical text forms.
    /// - Any other text is a CEL expression over the attributes, by name, and `data`.
    /// - A list: all hold.
    ///
    /// # Errors
    /// Says what is wrong, where, and where possible what to write instead. `sql` and `cesql` are refused as not
    /// available yet.
    pub fn compile(declared: &Value) -> Result<Self, InvalidFilter> {
        let clause = declared::compile(declared)?;
        let text = match declared {
            Value::Null => "everything".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Ok(Self(Arc::new(Inner { equalities: equality::necessary(&clause), clause, text })))
    }

    /// Returns the filter that matches everything.
    pub fn everything() -> Self {
        Self(Arc::new(Inner {
            clause: Clause::Everything,
            equalities: Vec::new(),
            text: "everything".to_owned(),
        }))
    }

    /// Returns whether the event matches. What cannot be evaluated does not match.
    pub fn matches(&self, subject: &dyn Subject) -> bool {
        self.0.clause.matches(subject)
    }

    /// Returns whether the event matches and, if not, which clause failed on which value or with which error.
    pub fn explain(&self, subject: &dyn Subject) -> Explanation {
        match self.0.clause.explain(subject) {
            None => Explanation::Matched,
            Some(mut unmatched) => {
                unmatched.clause = path::shortened(unmatched.clause);
                Explanation::Unmatched(unmatched)
            }
        }
    }

    /// Returns the most selective equality that every matching event satisfies, if there is one.
    pub fn equality(&self) -> Option<&Equality> {
        self.0.equalities.first()
    }

    /// Returns all equalities that every matching event satisfies, the most selective first.
    pub fn equalities(&self) -> &[Equality] {
        &self.0.equalities
    }

    /// Returns the filter as it was declared.
    pub fn text(&self) -> &str {
        &self.0.text
    }
}

impl Default for Filter {
    fn default() -> Self {
        Self::everything()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.text())
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Filter({})", self.text())
    }
}

impl PartialEq for Filter {
    /// Two filters are equal when they were declared alike.
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Filter {}
