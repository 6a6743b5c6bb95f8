//! CEL, the Common Expression Language, over the attributes of an event (by name) and its payload (`data`).
//!
//! A text becomes tokens (`lexer`), then a tree with positions (`parser`, `syntax`). Each conjunct of the tree is
//! planned onto nodes of our own (`plan`, `node`, `eval`), which borrow from the event, count their steps and cover
//! what filters are made of. A conjunct that uses more of the language (bytes, map literals, types as values, optional
//! values) is run by the interpreter of crate `cel` instead (`lowering`, `foreign`), over borrowed values and with
//! the same bounds. Both give the same answers; a property test compares them.
//!
//! An expression that gives a value (`composition`) is taken apart at its lists and maps first, and written as `json`.
mod composition;
mod convert;
mod eval;
mod expression;
mod foreign;
mod foreign_values;
mod hints;
mod json;
mod lexer;
mod literal;
mod lowering;
mod node;
mod parser;
mod pattern;
mod plan;
mod syntax;
mod value;

pub(crate) use composition::Composition;
pub(crate) use expression::Expression;
pub(crate) use value::json_equal;
#[cfg(test)]
pub(crate) mod testing;
