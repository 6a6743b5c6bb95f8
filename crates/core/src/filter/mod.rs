//! Filters: which events somebody wants to see.
//!
//! A filter is declared as a map, a text or a list (see [`Filter::compile`]), checked once when it is declared, and
//! then asked about every event. It reads an event through [`Subject`] and never fails: what cannot be evaluated
//! does not match, and [`Filter::explain`] says why.
//!
//! Read `declared` (from JSON to clauses), then `clause` (what a clause asks), `path` (how a name finds its value),
//! `equality` and `index` (how ten thousand filters cost no more than what they match), then `cel` (the expressions).
//! `value_expression` stands beside the filters: the same language, giving a value instead of a yes or no.
mod cel;
mod clause;
mod compiled;
mod declared;
mod equality;
mod explanation;
mod index;
mod invalid;
mod limits;
mod path;
mod subject;
#[cfg(test)]
mod tests;
mod value_expression;

pub use compiled::Filter;
pub use equality::Equality;
pub use explanation::{Explanation, Unmatched};
pub use index::Index;
pub use invalid::InvalidFilter;
pub use subject::{Attribute, Subject};
pub use value_expression::{EvaluationError, Expression};
