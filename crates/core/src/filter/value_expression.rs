//! Expressions that give a value, as the parts of an event that is made from another one.
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::cel::Composition;
use super::invalid::InvalidFilter;
use super::limits::TEXT_BYTES_MAX;
use super::subject::Subject;

/// A compiled CEL expression that gives a JSON value for an event. Cheap to clone, and may be asked from many threads.
///
/// It is written in the language of filters, over the attributes by name and `data`, with the same bounds: 4 KiB of
/// text, and about a millisecond for each event. What it gives is at most 1 MiB of JSON.
#[derive(Clone)]
pub struct Expression(Arc<Composition>);

impl Expression {
    /// Compiles an expression such as `{"task": data.id, "tags": [type, "x"]}`.
    ///
    /// # Errors
    /// Says what is wrong, at which line and column, and where possible what to write instead. The names in a map
    /// that is part of the value must be texts: a bare word there is refused, rather than read as an attribute.
    pub fn compile(text: &str) -> Result<Self, InvalidFilter> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(InvalidFilter::whole(format!(
                "the expression is {} bytes long; at most {TEXT_BYTES_MAX} are allowed",
                text.len()
            )));
        }
        Composition::compile(text).map(|composition| Self(Arc::new(composition))).map_err(|mut invalid| {
            // Some advice is about filters only; `filter` by itself is a function.
            invalid.hint =
                invalid.hint.filter(|hint| !["the filter", "of filters"].iter().any(|of| hint.contains(of)));
            invalid
        })
    }

    /// Evaluates the expression over an event.
    ///
    /// Whole numbers stay whole, up to 64 bits; an event without JSON data has no value for `data`.
    ///
    /// # Errors
    /// A part reads what the event lacks or does something its values cannot do, takes too many steps, or gives what
    /// JSON does not have: bytes, numbers that are not finite, types, optional values, more than 1 MiB.
    pub fn evaluate(&self, subject: &dyn Subject) -> Result<Value, EvaluationError> {
        self.0.evaluate(subject).map_err(|unevaluated| EvaluationError {
            part: unevaluated.part,
            reason: unevaluated.reason,
            found: unevaluated.found,
        })
    }

    /// Returns the expression as it was declared.
    pub fn text(&self) -> &str {
        self.0.text()
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.text())
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Expression({})", self.text())
    }
}

impl PartialEq for Expression {
    /// Two expressions are equal when they were declared alike.
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Expression {}

/// An expression has no value for an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` gives no value: {reason}{}", in_brackets(.found))]
pub struct EvaluationError {
    /// The part of the expression that failed, as it was written; shortened.
    pub part: String,
    /// What went wrong, in one sentence without a final full stop.
    pub reason: String,
    /// What the event has where the part looks, such as `data.id = "x"`; `None` when it looks at nothing.
    pub found: Option<String>,
}

fn in_brackets(found: &Option<String>) -> String {
    found.as_ref().map_or_else(String::new, |found| format!(" ({found})"))
}
